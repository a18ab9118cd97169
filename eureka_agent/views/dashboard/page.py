"""The page of the dashboard: what it is about, its titles, and what the chosen one holds."""

from collections.abc import Callable, Mapping
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from eureka_agent.views.terminal.parts import flow

Pages = Mapping[str, Callable[[], RenderableType]]
"""What draws each page, by its title."""


class Scroll(VerticalScroll):
    """What is read; scrolled with the keys that readers know."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", show=False),
        Binding("k", "scroll_up", show=False),
        Binding("space", "page_down", show=False),
        Binding("b", "page_up", show=False),
    ]


class Page(Vertical):
    """Pages about one thing, of which one shows; the same title stays chosen for the next thing."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._pages: Pages = {}
        self._wanted: dict[frozenset[str], str] = {}

    def compose(self) -> ComposeResult:
        """The titles and the page."""
        yield Static(id="heading")
        yield Static(id="titles")
        with Scroll(id="scroll"):
            yield Static(id="body")

    def on_resize(self) -> None:
        """Fit the titles to the width."""
        self._draw_titles()

    def show(self, heading: Text, pages: Pages, *, same: bool) -> None:
        """Show pages by title; where they are about the `same` thing as before, do not scroll."""
        self._pages = pages
        self.query_one("#heading", Static).update(heading)
        self._draw(scroll=not same)

    def choose(self, index: int) -> None:
        """Show the page of that number, from 0; nothing happens where there is none."""
        titles = list(self._pages)
        if 0 <= index < len(titles):
            self._wanted[frozenset(titles)] = titles[index]
            self._draw(scroll=True)

    def turn(self, by: int) -> None:
        """Show the page that lies `by` titles further, past the last one from the first again."""
        titles = list(self._pages)
        if titles:
            self.choose((titles.index(self.title) + by) % len(titles))

    @property
    def title(self) -> str:
        """The title that is chosen."""
        return self._wanted.get(frozenset(self._pages), next(iter(self._pages), ""))

    @property
    def scroll(self) -> Scroll:
        """What takes the keys for scrolling."""
        return self.query_one(Scroll)

    def _draw(self, *, scroll: bool) -> None:
        self._draw_titles()
        self.query_one("#body", Static).update(self._pages[self.title]() if self._pages else "")
        if scroll:
            self.scroll.scroll_home(animate=False)

    def _draw_titles(self) -> None:
        """All titles with their numbers, on a second line what does not fit the first."""
        titles = [
            Text(f"{index % 10} {title}", "reverse" if title == self.title else "dim")
            for index, title in enumerate(self._pages, 1)
        ]
        self.query_one("#titles", Static).update(flow(titles, self.size.width))
