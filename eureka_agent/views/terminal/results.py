"""The winner beside what it is compared with: the numbers of every training, and where they lie."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from eureka_agent.common.text import NOTHING, extent, number, one_line
from eureka_agent.views.documents import PUBLISHED, REWARDS, Document
from eureka_agent.views.terminal.parts import path_text, plain_table

ROOM_FOR_DOTS = 96
"""Columns from which on there is room to draw the trainings."""
STRIP = 24
MOST_NUMBERS = 6
"""Trainings whose numbers are written out; of more the lowest and the highest."""


class Results:
    """A table of rewards: what each is expected to reach, and what its trainings reached.

    Args:
        document: of a run.
        published: whether also what came with the environment.
    """

    def __init__(self, document: Document, published: bool = False) -> None:
        self._mean = mean_title(document)
        self._rows = [(name, not i, entry) for i, (name, entry) in enumerate(compared(document))]
        known = (document["published_baselines"] or {}) if published else {}
        self._rows += [
            (f"{name}, published", False, _published(known[key]))
            for key, name in PUBLISHED.items()
            if known.get(key)
        ]

    def __bool__(self) -> bool:
        return bool(self._rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        values = [value for _, _, entry in self._rows for value in entry["values"]]
        low, high = min(values, default=0.0), max(values, default=0.0)
        drawn = options.max_width >= ROOM_FOR_DOTS and low < high
        headings = ["reward", f">{self._mean}", ">95 % interval", "~each training"]
        scale = f"{number(low)}{number(high):>{STRIP - len(number(low))}}"
        table = plain_table(*headings, *([scale] if drawn else []))
        for name, bold, entry in self._rows:
            table.add_row(
                Text(name, "bold" if bold else ""),
                number(entry["mean"]),
                extent(*(entry["interval"] or (None, None))),
                trainings_text(entry),
                *([Text(dots(entry["values"], low, high), "cyan")] if drawn else []),
            )
        yield table


def verdict_view(document: Document) -> RenderableType:
    """What came of the run, and what to try next."""
    lines = [path_text(f"- {line}") for line in document["advice"]]
    return Group(Text(one_line(document["verdict"]), "bold"), *lines)


def compared(document: Mapping[str, Any]) -> list[tuple[str, Document]]:
    """The winner and the baselines by name, those that were tried."""
    entries, names = document["comparison"], REWARDS | {"winner": winner_name(document)}
    return [
        (name, entries[key])
        for key, name in names.items()
        if entries[key]["values"] or entries[key]["failed"]
    ]


def winner_name(document: Mapping[str, Any]) -> str:
    """What the reward that ranks first is called beside others: no winner where none solves."""
    best = document["best"]
    if not best or document["solved"] is not False:
        return REWARDS["winner"]
    return f"candidate {best['candidate']}" if len(document["candidates"]) > 1 else "the reward"


def mean_title(document: Mapping[str, Any]) -> str:
    """What the means of a comparison are."""
    best = document["best"] or {}
    return "mean" if best.get("expected") is None else "expected"


def best_title(document: Document) -> str:
    """What the reward that ranks first is called."""
    if len(document["candidates"]) == 1:
        return "The reward"
    return "First of the rewards" if document["solved"] is False else "Best reward"


def trainings_text(entry: Document) -> str:
    """What each training of a reward reached, and how many failed."""
    values: Sequence[float] = entry["values"]
    said = " ".join(map(number, values)) or NOTHING
    if len(values) > MOST_NUMBERS:
        said = f"{len(values)} from {number(min(values))} to {number(max(values))}"
    return f"{said}, {entry['failed']} failed" if entry["failed"] else said


def dots(values: Iterable[float], low: float, high: float) -> str:
    """Where values lie between two ends: a dot for each, a larger one for several."""
    places = [round((value - low) / (high - low) * (STRIP - 1)) for value in values]
    counts = [places.count(place) for place in range(STRIP)]
    return "".join("\N{MIDDLE DOT}\N{BULLET}\N{BLACK CIRCLE}"[min(count, 2)] for count in counts)


def _published(entry: Document) -> Document:
    low, high = entry["low"], entry["high"]
    interval = None if low is None or high is None else (low, high)
    return {"values": entry["values"], "mean": entry["mean"], "interval": interval, "failed": 0}
