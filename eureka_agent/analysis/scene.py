"""The scene: what the rules about failures look at, reckoned once for all episodes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.analysis.measures import Measure, find_measure
from eureka_agent.analysis.phases import Phase, cut, window_of
from eureka_agent.analysis.posture import falls
from eureka_agent.analysis.recordings import Column, Recordings

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
