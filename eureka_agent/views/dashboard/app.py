"""The dashboard: a list of runs and candidates, and beside it a page on what the cursor is on.

It only reads. Below `WIDE` columns the list and the page take turns.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

from rich.columns import Columns
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.timer import Timer
from textual.widgets import Footer, Input, Static, Tree

from eureka_agent.common.text import plural
from eureka_agent.store import GenerationRow
from eureka_agent.store.folder import videos
from eureka_agent.views.dashboard.pages import (
    candidate_heading,
    candidate_pages,
    generation,
    run_heading,
    run_pages,
    unreadable,
)
from eureka_agent.views.dashboard.source import Source
from eureka_agent.views.dashboard.tree import GROUPINGS, SORTINGS, Arrangement, Place, RunTree
from eureka_agent.views.dashboard.widgets import Page, Pages
from eureka_agent.views.terminal.parts import STATES, plain_table

WIDE = 110
INTERVAL = 1.0
# While the cursor runs down the list the page waits until it rests, in seconds.
REST = 0.04


class Dashboard(App[None]):
    """The terminal program behind `watch`.

    Args:
        paths: the run folders, in the order in which they are listed.
        interval: seconds between two looks at the runs.
    """

    CSS_PATH = "watch.tcss"
    TITLE = "eureka-agent watch"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "read", "Read", show=False),
        Binding("escape", "return", "Back"),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("g", "group", "Group"),
        Binding("s", "sort", "Sort"),
        Binding("n", "step(1)", "Next"),
        Binding("p", "step(-1)", "Previous", show=False),
        Binding("b", "best", "Best"),
        Binding("y", "copy", "Copy path"),
        Binding("v", "video", "Video"),
        Binding("question_mark", "keys", "Keys", key_display="?"),
        Binding("q", "quit", "Quit"),
        *(Binding(str(n % 10), f"choose({n - 1})", show=False) for n in range(1, 11)),
    ]

    def __init__(self, paths: Sequence[Path], *, interval: float = INTERVAL) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.animation_level = "none"
        self._sources = [Source(path) for path in paths]
        self._interval = interval
        self._arrangement = Arrangement()
        self._shown: Place | None = None
        self._rest: Timer | None = None

    def compose(self) -> ComposeResult:
        """List, page, search line, keys."""
        with Horizontal():
            with Vertical(id="list"):
                yield Static(id="how")
                yield RunTree(id="tree")
            yield Page(id="page")
        yield Input(placeholder="words, or #12", id="search", compact=True)
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Read the runs for the first time, and then again and again."""
        for source in self._sources:
            source.look()
        self._arrange(keep=False)
        self.query_one(RunTree).focus()
        self.set_interval(self._interval, self._look)

    def on_unmount(self) -> None:
        """Let go of the databases."""
        for source in self._sources:
            source.close()

    # What is shown

    def _look(self) -> None:
        """Show what has changed in the runs."""
        if not self.query(RunTree):
            return  # the timer may strike once more while the screen is taken down
        changed = [index for index, source in enumerate(self._sources) if source.look()]
        if changed:
            self._arrange(keep=True)
            if self._shown is not None and self._shown.run in changed:
                self._draw(self._shown)

    def _arrange(self, *, keep: bool) -> None:
        grouping, sorting, words = astuple(self._arrangement)
        branches, shown, total = [], 0, 0
        for index, source in enumerate(self._sources):
            branch, matching = self._arrangement.arrange(index, source)
            branch.opened = index == 0 or bool(words)
            branches.append(branch)
            shown += matching
            total += len(source.overview.candidates) if source.overview else 0
        self.query_one(RunTree).show(branches, keep=keep)
        how = plural(total, "candidate")
        how = f"{shown} of {how} with “{words}”" if words else how
        by = "not grouped" if grouping == "nothing" else f"by {grouping}"
        order = "newest first" if sorting == "newest" else f"sorted by {sorting}"
        self.query_one("#how", Static).update(Text(f"{how}, {by}, {order}"))

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Place]) -> None:
        """The cursor moved: show what it is on, once it rests."""
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST, self._draw_cursor)

    @property
    def is_settled(self) -> bool:
        """Whether the page is about what the cursor is on, or there is no room for a page."""
        return self._shown == self.query_one(RunTree).place or not self.query_one(Page).display

    def _draw_cursor(self) -> None:
        place = self.query_one(RunTree).place
        if place is not None and place != self._shown:
            self._draw(place)

    def _draw(self, place: Place) -> None:
        page = self.query_one(Page)
        if not page.display:
            self._shown = None
            return
        page.show(*self._pages(place), same=place == self._shown)
        self._shown = place

    def _pages(self, place: Place) -> tuple[Text, Pages]:
        """The heading and the pages on what a place is about."""
        source = self._sources[place.run]
        overview = source.overview
        if overview is not None and place.candidate is not None:
            details = source.details(place.candidate)
            if details is not None:
                return candidate_heading(details, overview.row.goal), candidate_pages(details)
            return run_heading(source), {"Facts": partial(unreadable, source)}
        known = overview.generations if overview else []
        rows: dict[int | None, GenerationRow] = {row.generation: row for row in known}
        if overview is not None and (row := rows.get(place.generation)) is not None:
            heading = Text(f"Generation {row.generation}", "bold")
            return heading, {"Summary": partial(generation, overview, row)}
        return run_heading(source), run_pages(source)

    def on_resize(self) -> None:
        """Show the page where it has just found room."""
        self.call_after_refresh(self._draw_cursor)

    # Keys

    def on_tree_node_selected(self, event: Tree.NodeSelected[Place]) -> None:
        """Enter or a click in the list."""
        self.action_read()

    def action_read(self) -> None:
        """Go into the page."""
        self.screen.add_class("-reading")
        self.query_one(Page).scroll.focus()
        self.call_after_refresh(self._draw_cursor)

    def action_return(self) -> None:
        """Back to the list; from the list, back to all candidates."""
        if self.query_one("#search").has_focus:
            self._close_search(forget=True)
        elif self.screen.has_class("-reading"):
            self.screen.remove_class("-reading")
            self.query_one(RunTree).focus()
        elif self._arrangement.words:
            self._close_search(forget=True)

    def action_choose(self, index: int) -> None:
        """Show a page by its number, in place of the list where there is no room for both."""
        page = self.query_one(Page)
        if page.display:
            self._draw_cursor()  # the number is of a page about what the cursor is on now
            page.choose(index)
        else:
            self.action_read()
            self.call_after_refresh(page.choose, index)

    def key_left(self) -> None:
        """The page before, while reading."""
        if self.query_one(Page).scroll.has_focus:
            self.query_one(Page).turn(-1)

    def key_right(self) -> None:
        """The next page, while reading."""
        if self.query_one(Page).scroll.has_focus:
            self.query_one(Page).turn(1)

    def action_step(self, by: int) -> None:
        """Go to the next or the previous candidate."""
        tree = self.query_one(RunTree)
        places = tree.candidates()
        if not places:
            return
        place = tree.place
        if place in places:
            tree.go_to(places[max(0, min(len(places) - 1, places.index(place) + by))])
        else:
            same = [candidate for candidate in places if place and candidate.run == place.run]
            tree.go_to((same or places)[0])

    def action_best(self) -> None:
        """Go to the candidate that leads the run."""
        tree = self.query_one(RunTree)
        index = tree.place.run if tree.place else 0
        overview = self._sources[index].overview
        best = overview.row.best_candidate if overview else None
        if best is None:
            self.notify("No candidate leads yet.")
        elif Place(index, candidate=best) not in tree.candidates():
            self.notify(f"The best candidate, #{best}, is not among those found.")
        else:
            tree.go_to(Place(index, candidate=best))

    def _rearrange(self, *, keep: bool, **changes: Any) -> None:
        self._arrangement = replace(self._arrangement, **changes)
        self._arrange(keep=keep)

    def action_group(self) -> None:
        """Group candidates in the next way."""
        following = (GROUPINGS.index(self._arrangement.grouping) + 1) % len(GROUPINGS)
        self._rearrange(keep=False, grouping=GROUPINGS[following])

    def action_sort(self) -> None:
        """Sort candidates in the next way."""
        following = (SORTINGS.index(self._arrangement.sorting) + 1) % len(SORTINGS)
        self._rearrange(keep=True, sorting=SORTINGS[following])

    def action_search(self) -> None:
        """Ask for words to look for."""
        self.screen.remove_class("-reading")
        search = self.query_one("#search", Input)
        search.add_class("-open")
        search.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while the words are typed."""
        if event.value.strip() != self._arrangement.words:
            self._rearrange(keep=False, words=event.value.strip())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep what was found, and go through it."""
        self._close_search(forget=False)

    def _close_search(self, *, forget: bool) -> None:
        search = self.query_one("#search", Input)
        if forget:
            search.value = ""
        if forget or not search.value.strip():
            search.remove_class("-open")
        self.query_one(RunTree).focus()

    def action_copy(self) -> None:
        """Copy the path of the program, or of the run, to the clipboard of the terminal."""
        place = self.query_one(RunTree).place
        if place is None:
            return
        path = self._sources[place.run].path.absolute()
        if place.candidate is not None:
            path = path / "candidates" / str(place.candidate) / "reward.py"
        self.copy_to_clipboard(str(path))
        self.notify(str(path), title="Copied", markup=False)

    def action_video(self) -> None:
        """Open the film of the candidate, or of the one that leads the run."""
        place = self.query_one(RunTree).place
        if place is None:
            return
        source, number = self._sources[place.run], place.candidate
        if number is None and source.overview is not None:
            number = source.overview.row.best_candidate
        found = next(iter(videos(source.path / "candidates" / str(number))), None)
        if found is None:
            self.notify("There is no video of this yet.")
        elif open_file(found):
            self.notify(str(found), title="Opening", markup=False)
        else:
            message = f"{found}\nNothing on this machine can show it; copy it to one with a screen."
            self.notify(message, title="Video", markup=False)

    def action_keys(self) -> None:
        """Explain the keys."""
        self.push_screen(Keys())

    def action_help_quit(self) -> None:
        """Ctrl-C leaves, as everywhere else in a terminal."""
        self.exit()


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
        table = plain_table("", "~")
        table.show_header = False
        for key, meaning in KEYS:
            table.add_row(Text(key, "bold"), Text(meaning))
        signs = {word: Text(f"{symbol} {word}", style) for symbol, word, style in STATES.values()}
        table.add_row("signs", Columns([Text("★ best"), *signs.values()], padding=(0, 2)))
        with VerticalScroll(id="keys"):
            yield Static(table)


def open_file(path: Path) -> bool:
    """Open a file on its own, so that it outlives the dashboard; false where nothing here can."""
    mac = sys.platform == "darwin"
    screen = mac or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    program = shutil.which("open" if mac else "xdg-open") if screen else None
    if program is None:
        return False
    # In a thread, which waits for the player to end, so that it leaves no dead process behind.
    Thread(target=_play, args=(program, path), daemon=True).start()
    return True


def _play(program: str, path: Path) -> None:
    null = subprocess.DEVNULL
    with suppress(OSError):
        subprocess.run(
            [program, str(path)], stdin=null, stdout=null, stderr=null, start_new_session=True
        )
