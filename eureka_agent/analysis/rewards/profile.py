"""The reward profile: what a program pays where, and what its components pay under which policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eureka_agent.analysis.rewards.bank import OWN, PARENT, RANDOM, spread_rows
from eureka_agent.analysis.rewards.sweeps import Arguments, Sweep, Swept, plan, propose, typical_row
from eureka_agent.common.text import (
    plural,
    prompt_line,
    prompt_number,
    prompt_number_beside,
    prompt_percent,
)
from eureka_agent.environment import SignalLayout
from eureka_agent.environment.episodes import EvaluatedEpisodes, FloatArray, IntArray
from eureka_agent.reward import RewardProgram
from eureka_agent.workers.probe_client import ProbeClient

Trend = Literal["rises", "falls", "stays the same", "has a peak", "has a dip", "goes up and down"]
STILL: Trend = "stays the same"
Paid: TypeAlias = tuple[Sweep, FloatArray, dict[str, FloatArray]]
"""A sweep with the reward of each of its rows `[M]` and its components, weights included."""

PERCENTILES = (5, 50, 95)
MOST_LINES, MOST_SWEEP_LINES, MOST_COMPONENTS = 6, 2, 3
HEADING = "What the program pays, all else as in a typical step of the policy:"
MOST_TRIED, MOST_SWEPT = 6, 2
"""Quantities that are tried, and how many of those that move the reward are shown."""
ROWS = 2000
"""Recorded steps, evenly spread, among which the swept quantities are sought."""
THIN_LINE, THIN_GRID = 2, 3
"""Stride of the points that a picture keeps of a line, and of a grid along each side."""
SPREAD_GROUPS = (RANDOM, PARENT, OWN)


@dataclass(frozen=True)
class CurveShape:
    """The course of a reward or a component over a sweep.

    Attributes:
        trends: along each swept quantity.
        best: where the maximum is: the value of each; the first of several.
        at_edge: whether that is at an end of any of them, and not everywhere.
        flat: fraction of the sweep with less than 1 % of the mean slope of a curve that rises all
            the way.
        low: the lowest value.
        high: the highest.
    """

    trends: tuple[Trend, ...]
    best: tuple[float, ...]
    at_edge: bool
    flat: float
    low: float
    high: float

    @property
    def trend(self) -> str:
        """The trends in words: one, or one for each quantity."""
        if len(set(self.trends)) == 1:
            return self.trends[0]
        return " along the first and ".join(self.trends) + " along the second"

    def sentence(self) -> str:
        """The trend, with the lowest and highest value and where that is."""
        extent = max(abs(self.low), abs(self.high))
        low, high = (prompt_number_beside(value, extent) for value in (self.low, self.high))
        match set(self.trends):
            case trends if trends == {STILL}:
                return STILL
            case trends if trends == {"rises"}:
                return f"rises from {low} to {high}"
            case trends if trends == {"falls"}:
                return f"falls from {high} to {low}"
        place = ", ".join(prompt_number(value) for value in self.best)
        edge = ", an end of the range" if self.at_edge else ""
        return f"{self.trend}: at most {high}, at {place}{edge}, and at least {low}"


@dataclass(frozen=True)
class Spread:
    """The payments of one component under one policy.

    Attributes:
        percentiles: the 5th, the median and the 95th.
        top: fraction of the steps in the upper 5 % of the component's range.
        bottom: fraction in the lower 5 %.
    """

    percentiles: tuple[float, float, float]
    top: float
    bottom: float


@dataclass(frozen=True)
class View:
    """The shapes of a reward and its components over one sweep.

    Attributes:
        swept: the quantities.
        total: the course of the reward over them.
        components: the course of each component.
    """

    swept: tuple[Swept, ...]
    total: CurveShape
    components: Mapping[str, CurveShape]

    def sentence(self) -> str:
        """The view in a line."""
        ranges = " and ".join(
            f"{prompt_line(q.name)} from {prompt_number(q.low)} to {prompt_number(q.high)}"
            + (f" {prompt_line(q.unit)}" if q.unit != "1" else "")
            for q in self.swept
        )
        moving = {n: c for n, c in self.components.items() if set(c.trends) != {STILL}}
        parts = [f"{prompt_line(name)} {shape.trend}" for name, shape in moving.items()]
        still = len(self.components) - len(moving)
        if still and parts:
            parts.append(f"{plural(still, 'other')} unmoved")
        text = f"Over {ranges} the reward {self.total.sentence()}"
        if 0.2 <= self.total.flat < 1.0:
            text += f", flat over {prompt_percent(self.total.flat)}"
        told = parts if len(self.components) > 1 else []
        return f"{text}." + (f" Of it: {', '.join(told)}." if told else "")


@dataclass(frozen=True)
class RewardProfile:
    """The rewards of a program over sweeps and under policies.

    Attributes:
        views: one per sweep.
        spreads: by component, then by group of the bank, such as "random" or "own".
    """

    views: tuple[View, ...]
    spreads: Mapping[str, Mapping[str, Spread]]

    def lines(self) -> list[str]:
        """At most six lines for a designer of rewards: sweeps, then components, the odd first."""
        said = [view.sentence() for view in self.views[:MOST_SWEEP_LINES]]
        said = [HEADING, *said] if said else []
        tables = [self._percentiles(name) for name in self._largest()[:MOST_COMPONENTS]]
        if not tables:
            return said
        odd = [remark for name in self.spreads for remark in self._remarks(name)]
        kept = odd[: MOST_LINES - len(said) - 1]
        heading = "Paid per step (5th percentile / median / 95th) under each policy:"
        return [*said, *kept, f"{heading} {'; '.join(tables)}."]

    def _largest(self) -> list[str]:
        """Components by the widest spread under any policy, largest first."""

        def width(name: str) -> float:
            return max(s.percentiles[2] - s.percentiles[0] for s in self.spreads[name].values())

        return sorted(self.spreads, key=width, reverse=True)

    def _percentiles(self, name: str) -> str:
        groups = self.spreads[name]
        extent = max(abs(value) for spread in groups.values() for value in spread.percentiles)
        cells = [
            f"{prompt_line(group)} "
            + "/".join(prompt_number_beside(v, extent) for v in spread.percentiles)
            for group, spread in groups.items()
        ]
        return f"{prompt_line(name)}: {', '.join(cells)}"

    def _remarks(self, name: str) -> list[str]:
        """Remarks on a component with 80 % of the last policy's, or any's, steps at one end."""
        groups = self.spreads[name]
        *_, (last, own) = groups.items()
        said = []
        if 0.8 <= own.top < 1.0:
            said.append(
                f"{prompt_line(name)} is at the top of its range on {prompt_percent(own.top)} of "
                f"the {prompt_line(last)} steps."
            )
        low = {group: s.bottom for group, s in groups.items() if 0.8 <= s.bottom < 1.0}
        if low:
            parts = (f"{prompt_percent(v)} of the {prompt_line(g)}" for g, v in low.items())
            said.append(
                f"{prompt_line(name)} is at the bottom of its range on {' and '.join(parts)} "
                "steps: there it hardly leads anywhere."
            )
        return said


def read_view(sweep: Sweep, total: NDArray[Any], components: Mapping[str, NDArray[Any]]) -> View:
    """The shapes of a program's rewards over a sweep.

    Args:
        sweep: as planned.
        total: of each of its rows `[M]`.
        components: weights included `[M]` each.
    """
    return View(
        sweep.swept,
        curve_shape(sweep.grids, sweep.shaped(total)),
        {n: curve_shape(sweep.grids, sweep.shaped(values)) for n, values in components.items()},
    )


def curve_shape(grids: Sequence[FloatArray], values: FloatArray) -> CurveShape:
    """The shape of values `[G]` or `[G1, G2]` over one or two grids of at least two points."""
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-4 * max(abs(low), abs(high)):  # rounding, where programs subtract
        values, high = np.full_like(values, low), low
    spacings = [1.0 / (len(grid) - 1) for grid in grids]
    # One axis gives an array, two give a list of them.
    slopes = np.gradient(values, *spacings)
    squares = [np.square(slope) for slope in ([slopes] if values.ndim == 1 else slopes)]
    steep = np.sqrt(np.sum(squares, axis=0))
    at = np.unravel_index(int(values.argmax()), values.shape)
    edge = any(i in (0, size - 1) for i, size in zip(at, values.shape, strict=True))
    return CurveShape(
        trends=tuple(_trend_along(values, axis, high - low) for axis in range(values.ndim)),
        best=tuple(float(grid[i]) for grid, i in zip(grids, at, strict=True)),
        at_edge=edge and high > low,
        flat=float((steep <= 0.01 * (high - low)).mean()),
        low=low,
        high=high,
    )


def _trend_along(values: FloatArray, axis: int, span: float) -> Trend:
    """The trend along an axis that all lines share that have one."""
    lines = np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])
    trends: list[Trend] = [_trend_of(line, span) for line in lines]
    found: list[Trend] = [trend for trend in trends if trend != STILL]
    if not found:
        return STILL
    return found[0] if len(set(found)) == 1 else "goes up and down"


def _trend_of(line: FloatArray, span: float) -> Trend:
    """The shape of one line `[G]`, ways back of less than a thousandth of the span ignored."""
    turns: list[float] = []
    anchor = line[0]
    for value in line[1:]:
        way = float(np.sign(value - anchor))
        if turns and way == turns[-1]:
            anchor = value
        elif abs(value - anchor) > 1e-3 * span:
            turns.append(way)
            anchor = value
    match turns:
        case []:
            return STILL
        case [way]:
            return "rises" if way > 0 else "falls"
        case [first, _]:
            return "has a peak" if first > 0 else "has a dip"
    return "goes up and down"


def read_spreads(
    groups: Mapping[str, Mapping[str, NDArray[Any]]],
) -> dict[str, dict[str, Spread]]:
    """The payments of each component under each policy: by component, then by group.

    Args:
        groups: of the bank: for each the components' values, weight included, of the steps of its
            episodes `[M]`. Groups without steps are left out; a component's range is that of all.
    """
    names = dict.fromkeys(name for values in groups.values() for name in values)
    result: dict[str, dict[str, Spread]] = {}
    for name in names:
        own = {
            group: np.asarray(values[name], dtype=np.float64)
            for group, values in groups.items()
            if name in values and len(values[name])
        }
        if own:
            low, high = (float(f([f(v) for v in own.values()])) for f in (np.min, np.max))
            result[name] = {group: _spread(values, low, high) for group, values in own.items()}
    return result


def _spread(values: FloatArray, low: float, high: float) -> Spread:
    first, median, last = (float(p) for p in np.percentile(values, PERCENTILES))
    margin = 0.05 * (high - low)
    return Spread(
        (first, median, last),
        top=float((values >= high - margin).mean()),
        bottom=float((values <= low + margin).mean()),
    )


def profile_program(
    program: RewardProgram, known: EvaluatedEpisodes, layout: SignalLayout, prober: ProbeClient
) -> dict[str, Any]:
    """Profile a program, as `AnalysisRow.lens` holds it.

    Args:
        program: of the candidate.
        known: recorded episodes, labelled by group, with the program's rewards.
        layout: of their states.
        prober: calls the program.

    Returns:
        No views where nothing that the program reads changes, or where it cannot be called.

    Raises:
        WorkerFailed: the process that calls programs cannot start.
        JobFailed: the environment cannot be set up.
    """
    paid = _sweeps(program, known, layout, prober)
    groups = {group: known.alive & known.labelled(group) for group in SPREAD_GROUPS}
    spreads = read_spreads(
        {
            group: {name: values[steps] for name, values in known.component_rewards.items()}
            for group, steps in groups.items()
        }
    )
    # Two quantities together say more where neither alone explains a tenth of the variance.
    joint = [found for found in paid if _interaction(found[0].shaped(found[1])) >= 0.1]
    telling = joint or [found for found in paid if len(found[0].swept) == 1]
    profile = RewardProfile(tuple(read_view(*found) for found in telling), spreads)
    return {
        "views": [_picture(*found) for found in paid],
        "spreads": {
            name: {group: list(spread.percentiles) for group, spread in groups.items()}
            for name, groups in spreads.items()
        },
        "lines": [line if line == HEADING else f"- {line}" for line in profile.lines()],
    }


def _sweeps(
    program: RewardProgram, known: EvaluatedEpisodes, layout: SignalLayout, prober: ProbeClient
) -> list[Paid]:
    """Sweeps of the quantities that the reward varies with most, and of two of them together.

    It may vary with a quantity that it does not depend on. All else is as in a typical step of the
    candidate's own policy.
    """
    names = tuple(name for name in program.parameters if name not in program.scales)
    arguments = {n: v.numpy() for n, v in known.episodes.arguments(layout, names).items()}
    every, own = (
        spread_rows(steps, ROWS) for steps in (known.alive, known.alive & known.labelled(OWN))
    )
    if known.reward is None or not names or not len(own):
        return []
    reference = typical_row(_some(arguments, own))

    def swept(*plans: Sequence[Swept]) -> list[Paid]:
        planned = [plan(layout.signals, reference, quantities) for quantities in plans]
        return _paid(program, planned, prober)

    rewards = known.reward.reshape(-1)[every]
    likely = propose(layout.signals, _some(arguments, every), rewards, MOST_TRIED)
    singles = swept(*([one] for one in likely))
    moving = [found for found in singles if np.ptp(found[1]) > 0][:MOST_SWEPT] or singles[:1]
    pairs = combinations([found[0].swept[0] for found in moving], 2)
    return [*moving, *swept(*pairs)]


def _some(arguments: Arguments, rows: IntArray) -> dict[str, NDArray[Any]]:
    return {name: values[rows] for name, values in arguments.items()}


def _paid(program: RewardProgram, sweeps: Sequence[Sweep], prober: ProbeClient) -> list[Paid]:
    """A program's rewards for each sweep, by component too; empty if it cannot be called."""
    if not sweeps:
        return []
    rows = {}
    for name in sweeps[0].arguments:
        values = np.concatenate([sweep.arguments[name] for sweep in sweeps])
        values = values if values.dtype == np.bool_ else values.astype(np.float32)
        rows[name] = np.ascontiguousarray(values)
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


def _interaction(total: FloatArray) -> float:
    """Fraction of a grid's variance that no sum of one term a side explains; 0 for a line."""
    whole = float(total.var())
    if total.ndim == 1 or not whole:
        return 0.0
    additive = total.mean(0, keepdims=True) + total.mean(1, keepdims=True) - total.mean()
    return float(np.square(total - additive).mean() / whole)


def _picture(
    sweep: Sweep, total: FloatArray, components: Mapping[str, FloatArray]
) -> dict[str, Any]:
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
    """Numbers of four digits; no picture shows more."""
    if values.ndim > 1:
        return [_short(row) for row in values]
    return [float(f"{value:.4g}") for value in values.tolist()]
