"""The page that explains the dashboard's keys and signs."""

from typing import ClassVar

from rich.columns import Columns
from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from eureka_agent.views.terminal.parts import STATES, plain_table

KEYS = (
    ("↑ ↓  j k", "move; in a page: scroll"),
    ("← →", "fold and unfold; in a page: previous and next page"),
    ("enter", "read what the cursor is on"),
    ("esc", "back to the list; end a search"),
    ("1 to 9, 0", "choose a page; 0 is the tenth"),
    ("n  p", "next and previous candidate"),
    ("g", "group by generation, by lineage, or not at all"),
    ("s", "sort by number, fitness, state, or newest first"),
    ("/", "search: words, or a number such as #12"),
    ("b", "go to the best candidate of the run"),
    ("y", "copy the path of the program or the run"),
    ("v", "open the video, if there is one"),
    ("q", "leave; a search that runs is not disturbed"),
)


class Keys(ModalScreen[None]):
    """All keys on one page; any of the usual ones closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,enter", "dismiss", "Close")
    ]

    def compose(self) -> ComposeResult:
        """The text."""
        with VerticalScroll(id="keys"):
            yield Static(explanation())


def explanation() -> RenderableType:
    """Keys and signs as a table."""
    table = plain_table("", "~")
    table.show_header = False
    for key, meaning in KEYS:
        table.add_row(Text(key, "bold"), Text(meaning))
    signs = {word: Text(f"{symbol} {word}", style) for symbol, word, style in STATES.values()}
    table.add_row("signs", Columns([Text("★ best"), *signs.values()], padding=(0, 2)))
    return table
