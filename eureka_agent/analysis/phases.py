"""Phases: an episode cut where what the robot does changes its character."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray

Regime = Literal["still", "advancing", "retreating", "busy", "falling"]

QUIET = 0.1
"""Part of the usual motion below which a robot stands still."""
SLOW = 0.15
"""Part of good episodes' pace below which a robot gets no further."""
_WINDOWS = 20
"""Windows per time limit: a regime that lasts less than one is part of its neighbour's."""
_SHORTEST_WINDOW = 3


@dataclass(frozen=True)
class Phase:
    """Steps in which a robot does one thing.

    Attributes:
        start: the first step, from 0.
        stop: the step after the last one.
        regime: `still`: it hardly moves; `advancing` and `retreating`: towards what good episodes
            do, and away from it; `busy`: it moves and gets nowhere; `falling`: it goes down into
            an early end.
    """

    start: int
    stop: int
    regime: Regime

    @property
    def length(self) -> int:
        """Its steps."""
        return self.stop - self.start


def window_of(limit: int) -> int:
    """Steps over which motion and progress are averaged, for a time limit in steps."""
    return max(_SHORTEST_WINDOW, limit // _WINDOWS)


def cut(
    activity: FloatArray,
    progress: FloatArray | None,
    pace: float,
    falls_from: int | None,
    window: int,
) -> tuple[Phase, ...]:
    """Cut one episode into phases that follow each other without gaps.

    Args:
        activity: how much it moves at each step, 1 being usual `[T]`.
        progress: how far it got at the reset and after each step, higher is better `[T + 1]`;
            None if nobody knows what progress is: then nothing is told of it.
        pace: what good episodes progress per step, positive.
        falls_from: the step at which a fall begins that ends the episode; None if there is none.
        window: steps over which both are averaged; no phase but a fall is shorter, unless the
            episode is.
    """
    steps = np.arange(len(activity))
    half = window // 2
    first, last = np.maximum(steps - half, 0), np.minimum(steps + half + 1, len(steps))
    sums = np.concatenate([[0.0], np.cumsum(activity)])
    still = (sums[last] - sums[first]) / (last - first) < QUIET
    regimes = np.full(len(steps), "busy", dtype="<U10")
    if progress is not None:
        slope = (progress[last] - progress[first]) / (last - first)
        regimes[slope > SLOW * pace] = "advancing"
        regimes[slope < -SLOW * pace] = "retreating"
    regimes[still] = "still"
    stop = len(steps) if falls_from is None else falls_from
    phases = _merged(_runs(regimes[:stop]), window)
    return (*phases, Phase(stop, len(steps), "falling")) if stop < len(steps) else phases


def share_of(phases: tuple[Phase, ...], regime: Regime) -> float:
    """Share of the steps spent in a regime."""
    total = sum(phase.length for phase in phases)
    return sum(phase.length for phase in phases if phase.regime == regime) / total


def first_where(condition: BoolArray) -> int | None:
    """The first index at which it holds `[T]`; None if it never does."""
    return int(condition.argmax()) if condition.any() else None


def _runs(regimes: np.ndarray) -> list[Phase]:
    """Stretches of equal names."""
    if not len(regimes):
        return []
    bounds = [0, *(np.flatnonzero(regimes[1:] != regimes[:-1]) + 1).tolist(), len(regimes)]
    return [Phase(a, b, cast(Regime, str(regimes[a]))) for a, b in pairwise(bounds)]


def _merged(runs: list[Phase], shortest: int) -> tuple[Phase, ...]:
    """The same with each run that is too short given to its neighbours: to the one before it."""
    merged: list[Phase] = []
    for run in runs:
        if merged and (run.length < shortest or run.regime == merged[-1].regime):
            merged[-1] = Phase(merged[-1].start, run.stop, merged[-1].regime)
        elif merged and merged[-1].length < shortest:  # only the very first can be
            merged[-1] = Phase(merged[-1].start, run.stop, run.regime)
        else:
            merged.append(run)
    return tuple(merged)
