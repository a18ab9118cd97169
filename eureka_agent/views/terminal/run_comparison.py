"""`runs compare`, drawn for a terminal of any width from its document."""

from collections.abc import Sequence
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
    parts: list[RenderableType] = [_legend(document["runs"]), Text()]
    parts += [Text(f"! {terminal_line(warning)}", "yellow") for warning in document["warnings"]]
    parts += [Text()] if document["warnings"] else []
    beside = max(1, (width - NAMES) // COLUMN)
    columns = range(len(document["runs"]))
    for start in range(0, len(columns), beside):
        parts += _tables(document, columns[start : start + beside])
    said = [
        Text.assemble((f"{run['letter']}  ", "bold"), terminal_line(run["verdict"]))
        for run in document["runs"]
    ]
    return Group(*parts[:2], section("Verdicts", Group(*said)), *parts[2:])


def _legend(runs: Sequence[Document]) -> Table:
    table = plain_table("", "run", "status", "~environment")
    for run in runs:
        letter = Text(run["letter"], "bold")
        status = status_text(run["status"])
        table.add_row(letter, foreign(run["run"]), status, foreign(run["environment"]))
    return table


def _tables(document: Document, columns: Sequence[int]) -> list[RenderableType]:
    """Everything about some of the runs."""
    runs = [document["runs"][column] for column in columns]
    results = _table(runs)
    _add(results, "best candidate", [_candidate(run["best"]) for run in runs])
    _add(results, "expected on a fresh seed", [number(run["best"]["expected"]) for run in runs])
    _add(results, "on one seed only", [_on_one_seed(run["best"]) for run in runs])
    _add(results, "  95 % interval", [_interval(run["best"]) for run in runs])
    _add(results, "  trainings", [str(run["best"]["trainings"]) for run in runs])
    against = [document["against_first"][column] for column in columns]
    _add(results, "  minus that of A", [_difference(entry) for entry in against])
    _add(results, "human reward", [number(run["baselines"]["human"]) for run in runs])
    _add(results, "bare fitness", [number(run["baselines"]["fitness_only"]) for run in runs])
    _add(results, "published human reward", [number(run["published"]["human"]) for run in runs])
    _add(results, "published bare fitness", [number(run["published"]["bare"]) for run in runs])
    _add(results, "human-normalised score", [number(run["score"]["value"]) for run in runs])
    _add(results, "  95 % interval", [_interval(run["score"]) for run in runs])
    spent = _table(runs)
    _add(spent, "candidates", [f"{r['candidates']} in {len(r['generations'])}" for r in runs])
    _add(spent, "env steps", [count(run["env_steps"]) for run in runs])
    _add(spent, "per second in training", [count(run["env_steps_per_second"]) for run in runs])
    _add(spent, "time", [duration(run["wall_seconds"]) for run in runs])
    _add(spent, "tokens", [_tokens(run["usage"]) for run in runs])
    _add(spent, "cost", [_cost(run["usage"]) for run in runs])
    parts = [
        section("Results (reporting episodes, which the search never used)", results),
        section("Spent", spent),
    ]
    if document["settings"]:
        settings = _table(runs)
        for name, values in document["settings"].items():
            _add(settings, terminal_line(name), [_setting(values[column]) for column in columns])
        parts.append(section("Settings that differ", settings))
    generations = _generations(runs, document["comparable"])
    return [*parts, section("Best of each generation (ranking episodes)", generations)]


def _table(runs: Sequence[Document]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", min_width=NAMES - 2, no_wrap=True)
    for run in runs:
        table.add_column(run["letter"], justify="right", min_width=COLUMN - 2, no_wrap=True)
    return table


def _add(table: Table, name: str, cells: Sequence[str]) -> None:
    """A row, unless it says nothing of any run."""
    if any(cell != NOTHING for cell in cells):
        table.add_row(name, *(foreign(cell) for cell in cells))


def _candidate(best: Document) -> str:
    if best["candidate"] is None:
        return NOTHING
    return f"#{best['candidate']}, generation {best['generation']}"


def _on_one_seed(best: Document) -> str:
    return number(best["fitness"]) if best["expected"] is None else NOTHING


def _difference(against: Document | None) -> str:
    """How a winner differs from that of the first run, and whether that means anything."""
    if against is None or against["difference"] is None:
        return NOTHING
    word = {"tie": " (equal)", "unknown": " (unsure)"}.get(against["verdict"], "")
    sign = "+" if against["difference"] > 0 else ""
    return f"{sign}{number(against['difference'])}{word}"


def _interval(entry: Document) -> str:
    return number_range(*(entry["interval"] or (None, None)))


def _tokens(usage: Document) -> str:
    used = usage["prompt_tokens"], usage["completion_tokens"]
    return tokens(*used) if usage["calls"] else NOTHING


def _cost(usage: Document) -> str:
    return money(usage["cost"]) if usage["calls"] else NOTHING


def _setting(value: object) -> str:
    return "not set" if value is None else setting_text(value)


def _generations(runs: Sequence[Document], comparable: bool) -> Table:
    """Fitness by generation: a curve for the eye, on one scale if there is one, then numbers."""
    curves = [[entry["best"] for entry in run["generations"]] for run in runs]
    scales = [value_range(curves if comparable else [curve]) for curve in curves]
    table = _table(runs)
    width = COLUMN - 2
    drawn = zip(curves, scales, strict=True)
    _add(
        table, "", [sparkline(_thinned(curve, width), *scale) or NOTHING for curve, scale in drawn]
    )
    last = max((len(curve) for curve in curves), default=0)
    for generation in _thinned(range(last), MOST_GENERATIONS):
        cells = [number(c[generation]) if generation < len(c) else NOTHING for c in curves]
        table.add_row(str(generation), *cells)
    return table


def _thinned(values: Sequence[Item], most: int) -> list[Item]:
    """At most so many of the values, evenly spread, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]
