"""The page widget of the dashboard, and the chart in braille dots that its pages draw."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from eureka_agent.common.text import count, number
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
    """Pages about one thing, one of them shown; the next thing shows the page of the same title."""

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


BLANK = 0x2800
# The dots of a braille character by column and row.
DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
LABEL = 9
WIDEST = 100
# Dots of a dotted curve that are drawn, and those of each group.
DRAWN, GROUP = 1, 3

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """A line in a chart.

    Attributes:
        name: what the legend says.
        points: x and y, in the order of x.
        style: its colour.
        dotted: drawn with gaps, to be distinct where there is no colour.
    """

    name: str
    points: tuple[Point, ...]
    style: str
    dotted: bool = False


class Chart:
    """Several curves on one scale, with a legend; as wide as there is room.

    Args:
        curves: what to draw; the first lies on top.
        height: lines of the drawing, without axis and legend.
        x: how a place on the axis is written.
    """

    def __init__(self, curves: Sequence[Curve], height: int, *, x: str = "{} steps") -> None:
        self._curves = [curve for curve in curves if curve.points]
        self._height = height
        values = [y for curve in self._curves for _, y in curve.points]
        self._x = x
        self._low, self._high = (min(values), max(values)) if values else (0.0, 0.0)
        self._labels = {0: self._high, height - 1: self._low}
        if self._low == self._high:
            self._labels = {height // 2: self._low}
            self._low, self._high = self._low - 0.5, self._high + 0.5
        self._start = min((curve.points[0][0] for curve in self._curves), default=0.0)
        self._end = max((curve.points[-1][0] for curve in self._curves), default=0.0)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The lines of the chart."""
        if not self._curves:
            yield Text("No evaluation yet.", "dim")
            return
        width = max(8, min(options.max_width, WIDEST) - LABEL - 2)
        for row, line in enumerate(self._drawing(width)):
            label = number(self._labels[row]) if row in self._labels else ""
            yield Text.assemble((f"{label:>{LABEL}} ", "dim"), ("│", "dim"), line)
        start, end = count(self._start), self._x.format(count(self._end))
        axis = f"{start}{end:>{max(len(end) + 1, width - len(start))}}"
        yield Text(f"{'':>{LABEL}} └{axis}", "dim")
        if len(self._curves) > 1:
            yield self._legend()

    def _drawing(self, width: int) -> Iterator[Text]:
        cells: dict[tuple[int, int], tuple[int, str]] = {}
        for curve in reversed(self._curves):
            for x, y in self._dots(curve, 2 * width, 4 * self._height):
                place = (y // 4, x // 2)
                cells[place] = (cells.get(place, (0, ""))[0] | DOTS[x % 2][y % 4], curve.style)
        for row in range(self._height):
            line = Text(no_wrap=True)
            for column in range(width):
                dots, style = cells.get((row, column), (0, ""))
                line.append(chr(BLANK + dots) if dots else " ", style)
            yield line

    def _dots(self, curve: Curve, width: int, height: int) -> Iterator[tuple[int, int]]:
        """The dots of a curve, from the left and the top; a single point is drawn as a level."""
        span = self._end - self._start or 1.0
        places = [
            (
                (x - self._start) / span * (width - 1),
                (self._high - y) / (self._high - self._low) * (height - 1),
            )
            for x, y in curve.points
        ]
        if len(places) == 1:
            places = [(0.0, places[0][1]), (width - 1.0, places[0][1])]
        drawn = 0
        for (x0, y0), (x1, y1) in pairwise(places):
            steps = max(1, round(max(abs(x1 - x0), abs(y1 - y0))))
            for step in range(steps + 1):
                drawn += 1
                if curve.dotted and drawn % GROUP >= DRAWN:
                    continue
                t = step / steps
                yield round(x0 + t * (x1 - x0)), round(y0 + t * (y1 - y0))

    def _legend(self) -> Text:
        line = Text(" " * (LABEL + 2))
        for curve in self._curves:
            mark = "···" if curve.dotted else "───"
            line.append(f"{mark} ", curve.style).append(f"{curve.name}   ")
        return line
