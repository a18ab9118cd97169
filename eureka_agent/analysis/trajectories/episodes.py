"""Evaluated episodes as analysis reads them: columns with a meaning, good and failed episodes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from eureka_agent.analysis.rewards.bank import RANDOM, Record
from eureka_agent.common.text import prompt_number
from eureka_agent.environment.episodes import (
    BoolArray,
    EvaluatedEpisodes,
    FloatArray,
    IntArray,
)
from eureka_agent.reward import Signal

GOOD_FRACTION, FAILED_FRACTION = 0.8, 0.5
"""A good episode comes at least the first part of the way from random actions to the best known
policy, a failed one less than the second part; what lies between is neither."""
FEWEST_EPISODES = 20
"""Episodes with a fitness below which there is no rank correlation."""


@dataclass(frozen=True)
class Column:
    """One column of the packed signals.

    Attributes:
        index: its place among the `S` columns.
        name: the expression that reads it in a program, such as `torso_position[:, 0]`.
        signal: the signal that it belongs to.
        axis: its meaning in the signal's words; empty if the signal does not say.
    """

    index: int
    name: str
    signal: Signal
    axis: str = ""

    @property
    def upward(self) -> bool:
        """Whether it is a height, or the part of a direction that points up."""
        words = set((self.axis or self.signal.name).replace("_", " ").replace(",", " ").split())
        return bool(words & {"up", "height", "upright"})


def columns_of(signals: Sequence[Signal]) -> tuple[Column, ...]:
    """All `S` columns of signals, in the order in which they are packed."""
    columns: list[Column] = []
    for signal in signals:
        for i in range(signal.size or 1):
            name = signal.name if signal.size is None else f"{signal.name}[:, {i}]"
            axis = signal.axes[i] if signal.axes else ""
            columns.append(Column(len(columns), name, signal, axis))
    return tuple(columns)


@dataclass(frozen=True)
class Trajectories:
    """Evaluated episodes as columns of signals.

    Only what programs may read is visible: `S` columns of `signals`, which the packed states begin
    with.

    Attributes:
        evaluated: E episodes of up to `L` control steps.
        signals: in the order in which they are packed.
        control_step: seconds between two actions.
    """

    evaluated: EvaluatedEpisodes
    signals: tuple[Signal, ...]
    control_step: float

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Each of the `S` columns."""
        return columns_of(self.signals)

    @cached_property
    def states(self) -> FloatArray:
        """Signals at the reset and after each step `[L + 1, E, S]`."""
        states = self.evaluated.episodes.states.numpy()
        return states[:, :, : len(self.columns)].astype(np.float64)

    @cached_property
    def actions(self) -> FloatArray:
        """Actions as applied, in [-1, 1] `[L, E, A]`."""
        return self.evaluated.episodes.actions.numpy().astype(np.float64)

    @property
    def count(self) -> int:
        """Number of episodes E."""
        return self.evaluated.count

    @property
    def fitness(self) -> FloatArray:
        """Fitness of each episode, NaN if unknown `[E]`."""
        return self.evaluated.fitness

    @property
    def lengths(self) -> IntArray:
        """Steps of each episode `[E]`; rows beyond are meaningless."""
        return self.evaluated.lengths

    @property
    def terminated(self) -> BoolArray:
        """Whether each episode ended before its time limit `[E]`."""
        return self.evaluated.terminated

    @cached_property
    def alive(self) -> BoolArray:
        """Mask of the steps that belong to their episode `[L, E]`."""
        return self.evaluated.alive

    @cached_property
    def lived(self) -> BoolArray:
        """Mask of the states that belong to their episode, the first one included `[L + 1, E]`."""
        return np.arange(len(self.states))[:, None] <= self.lengths

    @cached_property
    def last_quarter(self) -> BoolArray:
        """Mask of the states in the last quarter of their episode `[L + 1, E]`."""
        return self.lived & (4 * np.arange(len(self.states))[:, None] >= 3 * self.lengths)

    @cached_property
    def goals_change(self) -> bool:
        """Whether a goal changes within any episode, and may then be far away again."""
        before = self.evaluated.episodes.before
        if before is None:
            return False
        goals = [column.index for column in self.of_kind("goal")]
        steps = np.arange(len(before))[:, None]
        between = (steps > 0) & (steps < self.lengths)
        moved = before.numpy()[:, :, goals] != self.states[:-1, :, goals]
        return bool(moved[between].any())

    def ends(self, values: FloatArray) -> FloatArray:
        """Values `[L + 1, E, ...]` at the end of each episode `[E, ...]`."""
        return values[self.lengths, np.arange(self.count)]

    def of_kind(self, *kinds: str) -> list[Column]:
        """All columns of signals of these kinds."""
        return [column for column in self.columns if column.signal.kind in kinds]


@dataclass(frozen=True)
class FitnessScale:
    """The scale of good and failed: the way from random actions to the best policy.

    Each is a mean over the episodes of a policy.

    Attributes:
        random: fitness of random actions.
        untrained: fitness of the best untrained policy.
        best: fitness of the best trained policy.
    """

    random: float
    untrained: float
    best: float

    @property
    def meaningful(self) -> bool:
        """Whether any trained policy does better than all untrained ones."""
        return self.best > self.untrained

    def good(self, fitness: FloatArray) -> BoolArray:
        """Mask of episodes that do the task about as well as the best known policy `[E]`."""
        return (fitness >= self._at(GOOD_FRACTION)) & self.meaningful

    def failed(self, fitness: FloatArray) -> BoolArray:
        """Mask of episodes that failed `[E]`: all, where no policy beats untrained ones."""
        return (fitness < self._at(FAILED_FRACTION)) | (not self.meaningful)

    def _at(self, fraction: float) -> float:
        return self.random + fraction * (self.best - self.random)

    def headline(self, episodes: int, failed: int) -> str:
        """The first sentence about a policy, for a designer.

        Args:
            episodes: number of its episodes.
            failed: number of failed ones.
        """
        if not self.meaningful:
            untrained = prompt_number(self.untrained)
            return (
                f"No policy does better yet than the best one without training ({untrained}): all "
                f"of its {episodes} episodes fail. How, by rules:"
            )
        way = (
            f"half of the way from random actions ({prompt_number(self.random)}) to the best known "
            f"policy ({prompt_number(self.best)})"
        )
        if failed:
            verb = "comes" if failed == 1 else "come"
            return f"Of its {episodes} episodes {failed} {verb} less than {way}. How, by rules:"
        return f"Each of its {episodes} episodes comes at least {way}."


def fitness_scale(
    references: Sequence[Record], trained: Sequence[float | None]
) -> FitnessScale | None:
    """The scale by which episodes are good or failed; None where a fitness is missing.

    Args:
        references: records of untrained policies; others among them do not count.
        trained: mean fitness of each trained policy that may be known.
    """
    untrained = {
        record.entry.policy: float(record.evaluated.fitness.mean())
        for record in references
        if record.entry.kind == "reference"
    }
    known = [fitness for fitness in trained if fitness is not None]
    if not known or RANDOM not in untrained:
        return None
    return FitnessScale(untrained[RANDOM], max(untrained.values()), max(known))


def kendall_tau(first: FloatArray, second: FloatArray) -> float | None:
    """Kendall's rank correlation of two measures of the same episodes, with ties (tau-b).

    Args:
        first: `[E]`; an episode is left out where either value is not finite.
        second: `[E]`.

    Returns:
        From -1 to 1; None for fewer than `FEWEST_EPISODES`, or if one measure is constant.
    """
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both], second[both]
    if len(a) < FEWEST_EPISODES:
        return None
    agree = apart_a = apart_b = 0.0
    for i in range(1, len(a)):  # a row at a time: all pairs at once may be large
        by_a, by_b = np.sign(a[:i] - a[i]), np.sign(b[:i] - b[i])
        agree += float(by_a @ by_b)
        apart_a += float(np.abs(by_a).sum())
        apart_b += float(np.abs(by_b).sum())
    return agree / (apart_a * apart_b) ** 0.5 if apart_a and apart_b else None
