"""The scene: what the rules about failures look at, reckoned once for all episodes."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, cast

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.analysis.trajectories.episodes import Column, Recordings
from eureka_agent.analysis.trajectories.task_progress import Measure, falls, find_measure

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


ALTERNATING = 0.6
"""Share of the changes from step to step, by size, that undo the one before, where things shake."""
AT_LIMIT = 0.97
"""Size from which an action is at its limit."""


@dataclass(frozen=True)
class Scene:
    """All that the rules look at.

    Attributes:
        recordings: all episodes that are known.
        good: which of them do the task well `[E]`.
    """

    recordings: Recordings
    good: BoolArray

    @cached_property
    def measure(self) -> Measure | None:
        """What progress is, where anything tells."""
        return find_measure(self.recordings, self.good)

    @cached_property
    def falls(self) -> dict[int, tuple[int, Column]]:
        """Episodes that end with a fall."""
        return falls(self.recordings, self.good)

    @cached_property
    def activity(self) -> FloatArray:
        """How much moves `[L, E]`; what good episodes, or all of them, do is usual."""
        return _activity(self.recordings, self.good if self.good.any() else ~self.good)

    @cached_property
    def alternation(self) -> tuple[FloatArray, FloatArray]:
        """How strongly actions, and velocities, go to and fro in each episode `[E]` each."""
        columns = [c.index for c in self.recordings.of_kind("velocity", "angular_velocity")]
        rates = self.recordings.states[1:, :, columns]
        usual = self.recordings.alive & (self.good if self.good.any() else ~self.good)
        scale = np.sqrt(np.square(rates[usual]).mean(axis=0))
        return (
            _alternation(self.recordings.actions, self.recordings),
            _alternation(rates[:, :, scale > 0] / scale[scale > 0], self.recordings),
        )

    @cached_property
    def at_limit(self) -> FloatArray:
        """Share of the actions that are at a limit and were so before, in each episode `[E]`."""
        actions = self.recordings.actions
        before = np.concatenate([actions[:1], actions[:-1]])
        share = (np.minimum(actions * np.sign(before), np.abs(before)) >= AT_LIMIT).mean(axis=2)
        return np.where(self.recordings.alive, share, 0.0).sum(axis=0) / self.recordings.lengths

    @cached_property
    def turning(self) -> dict[Column, FloatArray]:
        """Mean turns per step of all that has an angular velocity, by its column `[E]` each."""
        recordings = self.recordings
        per_step = recordings.step_seconds / (2 * np.pi)
        return {
            column: np.where(recordings.alive, recordings.states[1:, :, column.index], 0.0).sum(0)
            * (per_step / recordings.lengths)
            for column in recordings.of_kind("angular_velocity")
        }

    def length(self, episode: int) -> int:
        """Steps of an episode."""
        return int(self.recordings.lengths[episode])

    def progress(self, episode: int) -> FloatArray | None:
        """Progress of an episode at the reset and after each step `[T + 1]`."""
        return self.measure and self.measure.progress[: self.length(episode) + 1, episode]

    def phases(self, episode: int) -> tuple[Phase, ...]:
        """The episode, cut."""
        return cut(
            self.activity[: self.length(episode), episode],
            self.progress(episode),
            self.measure.pace if self.measure else 0.0,
            self.falls[episode][0] if episode in self.falls else None,
            window_of(len(self.recordings.actions)),
        )


def _alternation(values: FloatArray, recordings: Recordings) -> FloatArray:
    """Root mean square change per step of values `[L, E, d]` that mostly undo each other `[E]`."""
    change = np.diff(values, axis=0)
    lives = recordings.alive[1:, :, None] & np.ones_like(change, dtype=np.bool_)
    squares = np.where(lives, np.square(change), 0.0)
    size = np.sqrt(squares.sum(axis=(0, 2)) / np.maximum(lives.sum(axis=(0, 2)), 1))
    # Small changes alternate by rounding and friction: each pair counts by its size.
    products = np.where(lives[1:], change[1:] * change[:-1], 0.0)
    undone = np.abs(np.minimum(products, 0.0)).sum(axis=(0, 2))
    whole = np.abs(products).sum(axis=(0, 2))
    return np.where(undone > ALTERNATING * whole, size, 0.0)


def _activity(recordings: Recordings, usual: BoolArray) -> FloatArray:
    """How much moves at each step, as a multiple of what is usual `[L, E]`.

    Args:
        recordings: of the episodes.
        usual: episodes that set the measure `[E]`.
    """
    columns = [column.index for column in recordings.of_kind("velocity", "angular_velocity")]
    if not columns:
        return np.ones_like(recordings.actions[:, :, 0])
    rates = recordings.states[1:, :, columns]
    scale = np.sqrt(np.square(rates[recordings.alive & usual]).mean(axis=0))
    moving = scale > 0
    if not moving.any():
        return np.zeros_like(rates[:, :, 0])
    return np.sqrt(np.square(rates[:, :, moving] / scale[moving]).mean(axis=2))
