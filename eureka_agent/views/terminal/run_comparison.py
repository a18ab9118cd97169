"""`runs compare`, drawn for a terminal of any width from its document."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from eureka_agent.common.text import (
    NOTHING,
    count,
    duration,
    money,
    number,
    number_range,
    sparkline,
    terminal_line,
    tokens,
    value_range,
)
from eureka_agent.views.snapshot import Document
from eureka_agent.views.terminal.parts import foreign, plain_table, section, status_text
from eureka_agent.views.terminal.tables import setting_text

NAMES = 26
COLUMN = 18
"""Columns of the terminal for what the rows are called, and for each run."""
MOST_GENERATIONS = 20
Item = TypeVar("Item")


def comparison_view(document: Document, width: int) -> RenderableType:
    """Runs side by side, as many beside each other as fit into `width` columns."""
    runs, warnings = document["runs"], document["warnings"]
    legend = plain_table("", "run", "status", "~environment")
    for run in runs:
        letter, status = Text(run["letter"], "bold"), status_text(run["status"])
        legend.add_row(letter, foreign(run["run"]), status, foreign(run["environment"]))
    said = [
        Text.assemble((f"{run['letter']}  ", "bold"), terminal_line(run["verdict"])) for run in runs
    ]
    parts: list[RenderableType] = [legend, Text(), section("Verdicts", Group(*said))]
    parts += [Text(f"! {terminal_line(warning)}", "yellow") for warning in warnings]
    parts += [Text()] if warnings else []
    beside = max(1, (width - NAMES) // COLUMN)
    for start in range(0, len(runs), beside):
        parts += _sections(document, slice(start, start + beside))
    return Group(*parts)


def _sections(document: Document, shown: slice) -> list[RenderableType]:
    """Everything about some of the runs."""
    runs = document["runs"][shown]
    results = map(_results, runs, document["against_first"][shown])
    parts = [
        section("Results (reporting episodes, which the search never used)", _table(runs, results)),
        section("Spent", _table(runs, map(_spent, runs))),
    ]
    if document["settings"]:
        values = {name: found[shown] for name, found in document["settings"].items()}
        settings = [
            [(terminal_line(name), _setting(found[k])) for name, found in values.items()]
            for k in range(len(runs))
        ]
        parts.append(section("Settings that differ", _table(runs, settings)))
    generations = _generations(runs, document["comparable"])
    return [*parts, section("Best of each generation (ranking episodes)", generations)]


def _table(runs: Sequence[Document], columns: Iterable[Sequence[tuple[str, str]]]) -> Table:
    """A table of runs; rows without content in any run are left out.

    Args:
        runs: one column each.
        columns: of each run the name and the cell of every row.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", min_width=NAMES - 2, no_wrap=True)
    for run in runs:
        table.add_column(run["letter"], justify="right", min_width=COLUMN - 2, no_wrap=True)
    for row in zip(*columns, strict=True):
        if any(cell != NOTHING for _, cell in row):
            table.add_row(row[0][0], *(foreign(cell) for _, cell in row))
    return table


def _results(run: Document, against: Document | None) -> list[tuple[str, str]]:
    best, score, published = run["best"], run["score"], run["published"]
    candidate = f"#{best['candidate']}, generation {best['generation']}"
    one_seed = number(best["fitness"]) if best["expected"] is None else NOTHING
    return [
        ("best candidate", NOTHING if best["candidate"] is None else candidate),
        ("expected on a fresh seed", number(best["expected"])),
        ("on one seed only", one_seed),
        ("  95 % interval", number_range(*(best["interval"] or (None, None)))),
        ("  training runs", str(best["trainings"])),
        ("  minus that of A", _difference(against)),
        ("human reward", number(run["baselines"]["human"])),
        ("bare fitness", number(run["baselines"]["fitness_only"])),
        ("published human reward", number(published["human"])),
        ("published bare fitness", number(published["bare"])),
        ("human-normalised score", number(score["value"])),
        ("  95 % interval", number_range(*(score["interval"] or (None, None)))),
    ]


def _difference(against: Document | None) -> str:
    """How a winner differs from that of the first run, and whether that means anything."""
    if against is None or against["difference"] is None:
        return NOTHING
    word = {"tie": " (equal)", "unknown": " (unsure)"}.get(against["verdict"], "")
    sign = "+" if against["difference"] > 0 else ""
    return f"{sign}{number(against['difference'])}{word}"


def _spent(run: Document) -> list[tuple[str, str]]:
    usage = run["usage"]
    used = tokens(usage["prompt_tokens"], usage["completion_tokens"])
    return [
        ("candidates", f"{run['candidates']} in {len(run['generations'])}"),
        ("env steps", count(run["env_steps"])),
        ("per second in training", count(run["env_steps_per_second"])),
        ("time", duration(run["wall_seconds"])),
        ("tokens", used if usage["calls"] else NOTHING),
        ("cost", money(usage["cost"]) if usage["calls"] else NOTHING),
    ]


def _setting(value: object) -> str:
    return "not set" if value is None else setting_text(value)


def _generations(runs: Sequence[Document], comparable: bool) -> Table:
    """Fitness by generation: a curve, on one scale if fitness compares, then numbers."""
    curves = [[entry["best"] for entry in run["generations"]] for run in runs]
    last = max(map(len, curves), default=0)
    columns = []
    for curve in curves:
        scale = value_range(curves if comparable else [curve])
        drawn = sparkline(_thinned(curve, COLUMN - 2), *scale) or NOTHING
        numbers = [
            (str(k), number(curve[k]) if k < len(curve) else NOTHING)
            for k in _thinned(range(last), MOST_GENERATIONS)
        ]
        columns.append([("", drawn), *numbers])
    return _table(runs, columns)


def _thinned(values: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the values, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]
