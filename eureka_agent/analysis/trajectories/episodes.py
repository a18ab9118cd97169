"""Recorded episodes as analysis reads them: plain arrays, with columns that know what they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eureka_agent.analysis.arrays import BoolArray, FloatArray, IntArray
from eureka_agent.common.errors import UsageError
from eureka_agent.reward import Signal


@dataclass(frozen=True)
class Column:
    """One column of the packed signals.

    Attributes:
        index: where it lies among the `S` columns.
        name: what a program writes to read it, such as `torso_position[:, 0]`.
        signal: to which it belongs.
        axis: what it is, in the signal's words; empty if the signal does not tell.
    """

    index: int
    name: str
    signal: Signal
    axis: str = ""

    @property
    def upward(self) -> bool:
        """Whether it says how high something is, or which part of a direction points up."""
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
    """`E` recorded episodes of up to `L` control steps, of one policy or of many.

    Attributes:
        signals: of the environment, in the order in which they are packed.
        states: packed signals at the reset and after each step `[L + 1, E, S]`.
        actions: as applied, in [-1, 1] `[L, E, A]`.
        lengths: steps until the end of each `[E]`; rows beyond are meaningless.
        terminated: whether it ended before its time limit `[E]`.
        step_seconds: seconds between two actions.
        fitness: of each, NaN if unknown `[E]`.
        diverged: whether it ended because the physics failed `[E]`; None if none did.
        goals_change: whether another goal may be set within an episode, after which it is as far
            away as at first.
        incomes: what each component of a program paid at each step, weight included `[L, E]`.
    """

    signals: tuple[Signal, ...]
    states: FloatArray
    actions: FloatArray
    lengths: IntArray
    terminated: BoolArray
    step_seconds: float
    fitness: FloatArray
    diverged: BoolArray | None = None
    goals_change: bool = False
    incomes: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        limit, count = self.actions.shape[:2]
        fits = {
            "states": self.states.shape == (limit + 1, count, len(self.columns)),
            "lengths": self.lengths.shape == (count,)
            and bool(((self.lengths >= 1) & (self.lengths <= limit)).all()),
            "terminated": self.terminated.shape == (count,),
            "fitness": self.fitness.shape == (count,),
            "diverged": self.diverged is None or self.diverged.shape == (count,),
            "incomes": all(paid.shape == (limit, count) for paid in self.incomes.values()),
        }
        wrong = [name for name, right in fits.items() if not right]
        if wrong:
            raise UsageError(
                f"Recorded episodes do not fit together: {', '.join(wrong)} against actions of "
                f"shape {self.actions.shape} and {len(self.columns)} columns of signals.",
                "Give states [L + 1, E, S], actions [L, E, A], E lengths from 1 to L, and E values "
                "or [L, E] of the rest.",
            )

    @classmethod
    def of_episodes(
        cls,
        signals: Sequence[Signal],
        arrays: Mapping[str, NDArray[Any]],
        step_seconds: float,
        fitness: NDArray[Any] | None = None,
        diverged: BoolArray | None = None,
        incomes: Mapping[str, NDArray[Any]] | None = None,
    ) -> "Trajectories":
        """Take what `Episodes.arrays()` gives; other arguments as the attributes."""
        lengths = np.asarray(arrays["lengths"], dtype=np.int64)
        unknown = np.full(len(lengths), np.nan)
        return cls(
            signals=tuple(signals),
            states=np.asarray(arrays["states"], dtype=np.float64),
            actions=np.asarray(arrays["actions"], dtype=np.float64),
            lengths=lengths,
            terminated=np.asarray(arrays["terminated"], dtype=np.bool_),
            step_seconds=step_seconds,
            fitness=unknown if fitness is None else np.asarray(fitness, dtype=np.float64),
            diverged=diverged,
            goals_change=_goals_change(signals, arrays),
            incomes={n: np.asarray(v, dtype=np.float64) for n, v in (incomes or {}).items()},
        )

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """What each of the `S` columns is."""
        return columns_of(self.signals)

    @property
    def count(self) -> int:
        """How many episodes there are."""
        return len(self.lengths)

    @cached_property
    def alive(self) -> BoolArray:
        """Which steps belong to their episode `[L, E]`."""
        return np.arange(len(self.actions))[:, None] < self.lengths

    @cached_property
    def lived(self) -> BoolArray:
        """Which states belong to their episode, the first one included `[L + 1, E]`."""
        return np.arange(len(self.states))[:, None] <= self.lengths

    def ends(self, values: FloatArray) -> FloatArray:
        """Values `[L + 1, E, ...]` at the end of each episode `[E, ...]`."""
        return values[self.lengths, np.arange(self.count)]

    def of_kind(self, *kinds: str) -> list[Column]:
        """All columns of signals of these kinds."""
        return [column for column in self.columns if column.signal.kind in kinds]


def _goals_change(signals: Sequence[Signal], arrays: Mapping[str, NDArray[Any]]) -> bool:
    """Whether any goal ahead of a step is another one than after the step before."""
    if "before" not in arrays:
        return False
    goals = [column.index for column in columns_of(signals) if column.signal.kind == "goal"]
    steps = np.arange(len(arrays["before"]))[:, None]
    lives = (steps > 0) & (steps < arrays["lengths"])
    differ = arrays["before"][:, :, goals] != arrays["states"][:-1, :, goals]
    return bool(differ[lives].any())


def below(fitness: FloatArray, floor: float, best: float, share: float = 0.5) -> BoolArray:
    """Which episodes failed: those that come less than a share of the way from floor to best `[E]`.

    Args:
        fitness: of each; those with NaN are not called failed `[E]`.
        floor: what a policy that knows nothing gets, such as the mean of random ones.
        best: the best that is known.
        share: of the way between them.

    Raises:
        UsageError: the best is not above the floor: then nobody can tell what failed.
    """
    if not best > floor:
        raise UsageError(
            f"The best fitness {best:.3g} is not above that of random policies, {floor:.3g}.",
            "Record better episodes first, such as those of a trained policy.",
        )
    return fitness < floor + share * (best - floor)
