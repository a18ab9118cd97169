"""The course of a training as curves over its evaluations, and what can be said of a curve."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from eureka_agent.reward.check import outline
from eureka_agent.store.rows import EvaluationRow

Curve = tuple[float | None, ...]

FEWEST_POINTS = 6
"""A trend compares the first third of the points with the last; one point is no third."""
CLEAR = 2.0
"""Standard errors by which the thirds must differ before a trend is more than noise."""
CHANGED = 0.05
"""Part of a curve's largest size by which it must change before anyone should care."""


@dataclass(frozen=True)
class Component:
    """A component of a reward over a training; values are weighted and per step.

    Attributes:
        name: as the program calls it.
        weight: what its values were multiplied by; None if the program does not tell.
        means: mean value in the stretch of training before each point.
        shares: its part of the sum of all components' absolute means, 0 to 1.
        low: the lowest value at any step; None without any.
        high: the highest value at any step; None without any.
    """

    name: str
    weight: float | None
    means: Curve
    shares: Curve
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Course:
    """A training point by point: every curve has one entry for each of `steps`.

    Attributes:
        steps: environment steps trained, growing.
        fitness: mean over the ranking episodes.
        own_return: what the reward itself pays per episode.
        length: mean length of the episodes, in control steps.
        ended_early: share of the episodes that ended before the time limit.
        components: in the order of the program.
        diagnostics: of the trainer, by name.
    """

    steps: tuple[int, ...]
    fitness: Curve
    own_return: Curve
    length: Curve
    ended_early: Curve
    components: tuple[Component, ...]
    diagnostics: Mapping[str, Curve]


@dataclass(frozen=True)
class Trend:
    """How a curve moved between the first and the last third of its points.

    Attributes:
        early: mean of the first third.
        late: mean of the last third.
        direction: 1 if it rose, -1 if it fell, 0 if neither is clear.
    """

    early: float
    late: float
    direction: int


def read_course(text: str, evaluations: Sequence[EvaluationRow]) -> Course:
    """The curves of one training.

    Args:
        text: the reward program, from which the weights come; nothing of it is executed.
        evaluations: at least one, in any order. Of two at the same step the later one counts.
    """
    by_step = {row.step: row for row in sorted(evaluations, key=lambda row: row.id)}
    rows = [by_step[step] for step in sorted(by_step)]
    weights = outline(text, ()).weights
    measured = dict.fromkeys(name for row in rows for name in row.components)
    names = [name for name in {**weights, **measured} if name in measured]
    diagnostics = sorted({name for row in rows for name in row.diagnostics})
    return Course(
        steps=tuple(row.step for row in rows),
        fitness=_curve([row.fitness for row in rows]),
        own_return=_curve([row.own_return for row in rows]),
        length=_curve([row.episode_length for row in rows]),
        ended_early=_curve([row.ended_early for row in rows]),
        components=tuple(_component(name, weights.get(name), rows) for name in names),
        diagnostics={
            name: _curve([row.diagnostics.get(name) for row in rows]) for name in diagnostics
        },
    )


def _component(name: str, weight: float | None, rows: Sequence[EvaluationRow]) -> Component:
    def curve(key: str) -> Curve:
        return _curve([row.components.get(name, {}).get(key) for row in rows])

    return Component(
        name,
        weight,
        means=curve("mean"),
        shares=curve("share"),
        low=min(known(curve("min")), default=None),
        high=max(known(curve("max")), default=None),
    )


def _curve(values: Sequence[float | None]) -> Curve:
    return tuple(
        None if value is None or not math.isfinite(value) else float(value) for value in values
    )


def known(curve: Curve) -> list[float]:
    """The values of a curve that are there."""
    return [value for value in curve if value is not None]


def size(curve: Curve) -> float:
    """The largest absolute value of a curve; 0 without any."""
    return max(map(abs, known(curve)), default=0.0)


def thirds(curve: Curve) -> tuple[list[float], list[float]] | None:
    """The first and the last third of a curve's values; None where too few are there."""
    values = known(curve)
    if len(values) < FEWEST_POINTS:
        return None
    part = len(values) // 3
    return values[:part], values[-part:]


def trend(curve: Curve) -> Trend | None:
    """How a curve moved; None where too few values are there to tell."""
    parts = thirds(curve)
    if parts is None:
        return None
    early, late = map(fmean, parts)
    error = math.sqrt(sum(variance(part) / len(part) for part in parts))
    clear = abs(late - early) > max(CLEAR * error, CHANGED * size(curve))
    return Trend(early, late, (1 if late > early else -1) if clear else 0)
