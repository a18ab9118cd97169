"""Recorded episodes of which it is known how good they are, and what they return."""

from dataclasses import dataclass

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray, IntArray
from eureka_agent.common.errors import UsageError
from eureka_agent.environment.contrasts import GOOD, UNTRAINED

EXPLOIT = "exploit"
"""The kind of episodes in which a policy earned much by what nobody wanted."""
UNKNOWN = ""
"""The kind of episodes of which nothing is known but perhaps their fitness."""


@dataclass(frozen=True)
class Cases:
    """What is known about `E` recorded episodes, whatever a program pays for them.

    Attributes:
        lengths: steps until the end of each `[E]`, at least 1.
        terminated: whether it ended before its time limit `[E]`.
        kinds: `GOOD`, `EXPLOIT`, `UNTRAINED`, `UNKNOWN`, or any other word for a way to fail, E of
            them.
        fitness: of each, NaN if unknown `[E]`; None without a fitness.
        imagined: whether nobody did what is in the good ones.
    """

    lengths: IntArray
    terminated: BoolArray
    kinds: tuple[str, ...]
    fitness: FloatArray | None = None
    imagined: bool = False

    def of(self, kind: str) -> BoolArray:
        """Which episodes are of a kind `[E]`."""
        return np.array([k == kind for k in self.kinds], dtype=np.bool_)

    @property
    def failures(self) -> list[str]:
        """The ways to fail that occur, in order of appearance."""
        others = (GOOD, EXPLOIT, UNTRAINED, UNKNOWN)
        return [k for k in dict.fromkeys(self.kinds) if k not in others]


def returns(rewards: FloatArray, cases: Cases, discount: float) -> FloatArray:
    """Discounted return of each episode over the same horizon, 0 after an early end `[E]`.

    Args:
        rewards: of each step `[L, E]`.
        cases: what is known about the episodes.
        discount: of the training.

    Returns:
        NaN for episodes that were cut off before the horizon without having ended: nobody knows
        what they would have earned.

    Raises:
        UsageError: shapes do not fit.
    """
    alive = alive_steps(rewards, cases)
    weights = discount ** np.arange(len(rewards), dtype=np.float64)
    sums = weights @ np.where(alive, rewards, 0.0)
    return np.where(cases.terminated | (cases.lengths >= len(rewards)), sums, np.nan)


def alive_steps(rewards: FloatArray, cases: Cases) -> BoolArray:
    """Which steps belong to their episode `[L, E]`.

    Raises:
        UsageError: rewards `[L, E]` do not fit the episodes.
    """
    count = len(cases.kinds)
    shapes = {cases.lengths.shape, cases.terminated.shape, rewards.shape[1:]}
    shapes |= set() if cases.fitness is None else {cases.fitness.shape}
    if shapes != {(count,)} or not ((cases.lengths >= 1) & (cases.lengths <= len(rewards))).all():
        raise UsageError(
            f"Rewards of shape {rewards.shape} do not fit what is known of {count} episodes.",
            "Give [L, E], and for each of E episodes a length from 1 to L, whether it terminated, "
            "its kind and perhaps its fitness.",
        )
    return np.arange(len(rewards))[:, None] < cases.lengths
