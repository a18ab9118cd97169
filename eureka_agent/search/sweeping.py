"""The lens on a candidate's program: what it pays over sweeps, and under which policy."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.analysis.lens import HEADING, Lens, Spread, View, read_spreads, read_view
from eureka_agent.analysis.sweeps import Arguments, Sweep, Swept, plan, propose, typical_row
from eureka_agent.environment import SignalLayout
from eureka_agent.reward import RewardProgram
from eureka_agent.search.diagnosing import OWN, PARENT, RANDOM, Known
from eureka_agent.search.probing import Prober

Document: TypeAlias = dict[str, Any]
Paid: TypeAlias = tuple[Sweep, FloatArray, dict[str, FloatArray]]
"""A sweep with the reward of each of its rows `[M]` and its components, weights included."""

MOST_TRIED, MOST_SWEPT = 6, 2
"""Quantities that are tried, and of those that move the reward the ones that are shown."""
ROWS = 2000
"""Recorded steps, evenly spread, among which the swept quantities are sought."""
JOINT = 0.1
"""Share of the variance over two quantities that neither alone explains, from which a sweep of both
says more than one of each."""
THIN_LINE, THIN_GRID = 2, 3
"""Every how many points of a line, and of a grid along each side, are kept as a picture."""
SPREAD_GROUPS = (RANDOM, PARENT, OWN)


def look_through(
    program: RewardProgram, known: Known, layout: SignalLayout, prober: Prober
) -> Document:
    """See what a program pays where, as `AnalysisRow.lens` holds it.

    Args:
        program: of the candidate.
        known: recorded episodes with what it pays for them.
        layout: of their states.
        prober: calls it.

    Returns:
        No views where nothing that the program reads changes, or it does not say what it pays.

    Raises:
        ChildFailed: the prober's process cannot start.
        JobFailed: the environment cannot be set up.
    """
    paid = _sweeps(program, known, layout, prober)
    spreads = _spreads(program, known)
    lens = Lens(_telling(paid), spreads)
    return {
        "views": [_picture(*found) for found in paid],
        "spreads": {
            name: {group: list(spread.percentiles) for group, spread in groups.items()}
            for name, groups in spreads.items()
        },
        "lines": [line if line == HEADING else f"- {line}" for line in lens.lines()],
    }


def _sweeps(
    program: RewardProgram, known: Known, layout: SignalLayout, prober: Prober
) -> list[Paid]:
    """Sweeps of the quantities that the reward goes with most, and of two of them together.

    It may go with a quantity that it does not depend on. All else is as in a typical step of the
    candidate's own policy.
    """
    names = tuple(name for name in program.parameters if name not in program.scales)
    arguments = {n: v.numpy() for n, v in known.episodes.arguments(layout, names).items()}
    alive = known.episodes.alive().numpy()
    every, own = _rows(alive), _rows(alive & known.own)
    if not names or not len(own):
        return []
    reference = typical_row(_some(arguments, own))

    def swept(*plans: Sequence[Swept]) -> list[Paid]:
        planned = [plan(layout.signals, reference, quantities) for quantities in plans]
        return _paid(program, planned, prober)

    rewards = known.score.total.reshape(-1)[every]
    likely = propose(layout.signals, _some(arguments, every), rewards, MOST_TRIED)
    singles = swept(*([one] for one in likely))
    moving = [found for found in singles if np.ptp(found[1]) > 0][:MOST_SWEPT] or singles[:1]
    pairs = combinations([found[0].swept[0] for found in moving], 2)
    return [*moving, *swept(*pairs)]


def _rows(alive: BoolArray) -> NDArray[np.int64]:
    """Up to `ROWS` of the steps `[L, E]`, as flat indices."""
    rows = np.flatnonzero(alive.reshape(-1))
    return rows[np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(np.int64)]


def _some(arguments: Arguments, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    return {name: values[rows] for name, values in arguments.items()}


def _paid(program: RewardProgram, sweeps: Sequence[Sweep], prober: Prober) -> list[Paid]:
    """What a program pays for each sweep, and by which component; nothing if it does not say."""
    if not sweeps:
        return []
    names = sweeps[0].arguments
    rows = {n: _as_called(np.concatenate([s.arguments[n] for s in sweeps])) for n in names}
    score = prober.sweep(program.text, rows)
    if isinstance(score, str) or not score.finite:
        return []
    ends = np.cumsum([np.prod([len(grid) for grid in sweep.grids]) for sweep in sweeps])[:-1]
    totals = np.split(score.total.astype(np.float64), ends)
    parts = np.split(score.components.astype(np.float64), ends, axis=1)
    weights = program.weights.items()
    return [
        (sweep, total, {n: w * line for (n, w), line in zip(weights, lines, strict=True)})
        for sweep, total, lines in zip(sweeps, totals, parts, strict=True)
    ]


def _as_called(values: NDArray[Any]) -> NDArray[Any]:
    """A parameter as programs get it."""
    return np.ascontiguousarray(values if values.dtype == np.bool_ else values.astype(np.float32))


def _telling(paid: Sequence[Paid]) -> tuple[View, ...]:
    """The views that say most: of two quantities together where neither alone tells enough."""
    joint = [found for found in paid if _interaction(found[0].shaped(found[1])) >= JOINT]
    chosen = joint or [found for found in paid if len(found[0].swept) == 1]
    return tuple(read_view(*found) for found in chosen)


def _interaction(total: FloatArray) -> float:
    """Share of the variance over a grid that is no sum of one term a side; 0 of a line."""
    whole = float(total.var())
    if total.ndim == 1 or not whole:
        return 0.0
    additive = total.mean(0, keepdims=True) + total.mean(1, keepdims=True) - total.mean()
    return float(np.square(total - additive).mean() / whole)


def _spreads(program: RewardProgram, known: Known) -> dict[str, dict[str, Spread]]:
    """What each component pays under random actions, the parent's policy and the own."""
    alive = known.episodes.alive().numpy()
    incomes = known.incomes(program)
    groups = [name for name in SPREAD_GROUPS if name in known.groups]
    return read_spreads(
        {
            group: {name: paid[alive & known.groups[group]] for name, paid in incomes.items()}
            for group in groups
        }
    )


def _picture(sweep: Sweep, total: FloatArray, components: Mapping[str, FloatArray]) -> Document:
    """A sweep as a view draws it, in few digits; of two quantities without the components."""
    alone = len(sweep.grids) == 1
    thin = THIN_LINE if alone else THIN_GRID
    places = (slice(None, None, thin),) * len(sweep.grids)
    return {
        "swept": [{"name": quantity.name, "unit": quantity.unit} for quantity in sweep.swept],
        "grids": [_short(grid[::thin]) for grid in sweep.grids],
        "total": _short(sweep.shaped(total)[places]),
        "components": {
            name: _short(sweep.shaped(values)[places])
            for name, values in (components.items() if alone else ())
        },
    }


def _short(values: FloatArray) -> list[Any]:
    """Numbers of four digits, which no picture shows more of."""
    if values.ndim > 1:
        return [_short(row) for row in values]
    return [float(f"{value:.4g}") for value in values.tolist()]
