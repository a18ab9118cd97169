"""Parts of the terminal views.

Foreign text passes through `terminal_text` into rich's `Text`, which knows no markup.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from eureka_agent.common.paths import shorten_paths
from eureka_agent.common.text import terminal_line, terminal_program, terminal_text
from eureka_agent.store import CandidateRow
from eureka_agent.views.snapshot import Document

PIPED_WIDTH = 120
LONGEST_LINE = 400
"""Characters that are shown of the line that a finding is about."""
# Symbol, word and style of each state; the three say the same, so each can be missing.
STATES = {
    "proposed": ("·", "checking", "dim"),
    "accepted": ("○", "waiting", "dim"),
    "waiting": ("○", "waiting", "dim"),
    "training": ("●", "training", "cyan"),
    "finished": ("✓", "trained", "green"),
    "rejected": ("-", "rejected", "yellow"),
    "failed": ("✗", "failed", "red"),
    "published": ("=", "published", "dim"),
}
RUN_STYLES = {"running": "cyan", "finished": "green", "interrupted": "yellow", "failed": "red"}


def open_console() -> Console:
    """The console for standard output; no character and no encoding can break it."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    sized = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, emoji=False, width=None if sized else PIPED_WIDTH)


@contextmanager
def film_bar() -> Iterator[Callable[[float], None]]:
    """A progress bar of a film on stderr; a line at each quarter if that is not a terminal.

    Yields:
        A function to call with the fraction that is done, from 0 to 1.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        quarters = 0

        def say(share: float) -> None:
            nonlocal quarters
            while quarters < int(4 * share):
                quarters += 1
                console.print(f"Filming: {25 * quarters} %")

        yield say
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("Filming", total=1.0)
        yield lambda share: bar.update(task, completed=share)


def verdict(findings: Sequence[Document], text: str = "") -> RenderableType:
    """The critic's findings, each with its hint.

    Args:
        findings: `Finding.as_dict` of each, from an untrusted process.
        text: the program; each finding then shows its line.
    """
    source = text.split("\n")
    lines = []
    for finding in findings:
        severity, rule, message, hint = (
            terminal_line(str(finding.get(key, "")))
            for key in ("severity", "rule", "message", "hint")
        )
        style = "red" if severity == "error" else "yellow"
        place = finding.get("line", "?")
        line = Text.assemble(f"line {place}, ", (severity, style), f": {message} ")
        lines.append(line.append(f"[{rule}]", "dim"))
        if isinstance(place, int) and 0 < place <= len(source) and source[place - 1].strip():
            shown = terminal_line(source[place - 1])[:LONGEST_LINE]
            lines.append(Padding(Text(shown, "cyan"), (0, 0, 0, 4)))
        if hint:
            lines.append(Padding(Text(hint), (0, 0, 0, 2)))
    return Group(*lines)


def code(text: str, *, numbers: bool = False) -> RenderableType:
    """A reward program, highlighted in the terminal's own colours."""
    # Slow to import, and most commands show no code.
    from pygments.lexers.python import PythonLexer
    from rich.syntax import Syntax

    return Syntax(
        terminal_program(text),
        PythonLexer(),  # by its name it would be looked for in every installed package
        theme="ansi_dark",
        background_color="default",
        word_wrap=True,
        line_numbers=numbers,
    )


def origin(candidate: CandidateRow) -> str:
    """The generation and the parents of a candidate, in words."""
    parents = ", ".join(f"#{parent}" for parent in candidate.parents)
    return f"generation {candidate.generation}" + (f", from {parents}" if parents else "")


def state_text(state: str) -> Text:
    """The state of a candidate or a training run: symbol, word and colour."""
    symbol, word, style = STATES[state]
    return Text(f"{symbol} {word}", style)


def status_text(status: str) -> Text:
    """A run's status in its colour."""
    return Text(status, RUN_STYLES[status])


def foreign(text: str) -> Text:
    """Foreign text on one line, cut if there is no room."""
    return Text(terminal_line(text), no_wrap=True, overflow="ellipsis")


def path_text(path: str) -> Text:
    """A path or a command, folded rather than cut, so that it can be copied."""
    return Text(terminal_text(shorten_paths(path)), overflow="fold")


def flow(pieces: Sequence[Text], width: int) -> Text:
    """Pieces side by side, none of them broken, on as many lines of `width` columns as needed."""
    gap = "  " if sum(len(piece) + 2 for piece in pieces) - 2 <= width else " "
    text, room = Text(), 0
    for piece in pieces:
        if text and room < len(gap) + len(piece):
            text.append("\n")
            room = width
        elif text:
            text.append(gap)
            room -= len(gap)
        else:
            room = width
        text.append_text(piece)
        room -= len(piece)
    return text


def section(title: str, body: RenderableType) -> RenderableType:
    """A heading with what belongs under it."""
    return Group(Text(title, "bold"), Padding(body, (0, 0, 1, 2)))


def plain_table(*headings: str) -> Table:
    """A table without lines; `>` before a heading: numbers, `~`: text that gives way."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        justify = "right" if heading.startswith(">") else "left"
        table.add_column(heading.lstrip(">~"), justify=justify, no_wrap=heading[:1] != "~")
    return table
