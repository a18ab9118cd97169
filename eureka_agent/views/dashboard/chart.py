"""Curves drawn in braille dots, so that a terminal shows eight points in each character."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from eureka_agent.common.text import count, number

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
        dotted: drawn with gaps, which tells it apart where there is no colour.
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
                share = step / steps
                yield round(x0 + share * (x1 - x0)), round(y0 + share * (y1 - y0))

    def _legend(self) -> Text:
        line = Text(" " * (LABEL + 2))
        for curve in self._curves:
            mark = "···" if curve.dotted else "───"
            line.append(f"{mark} ", curve.style).append(f"{curve.name}   ")
        return line
