"""Contrasts: pairs of episodes of which a task knows the better one, without a number for either.

A robot that is to run forward must not earn as much when the recording of its run is mirrored.
Such pairs find wrong signs, axes and frames of reference before any training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eureka_agent.errors import UsageError

GOOD = "good"
"""The kind of episodes that do the task well."""

Recorded: TypeAlias = Mapping[str, NDArray[Any]]
"""Signals by name, at the reset and after each step `[L + 1, E]` or `[L + 1, E, d]`, and `action`
`[L, E, A]` in [-1, 1]."""
Change: TypeAlias = Callable[[Recorded], dict[str, NDArray[Any]]]
Expectation = Literal["less", "more", "no more", "no less"]


@dataclass(frozen=True)
class Contrast:
    """What an environment declares: how a reward must move from some episodes to others.

    Either the same episodes are compared with themselves after a change, or one kind of episodes
    with another kind.

    Attributes:
        name: a short word, such as "mirrored".
        meaning: what the others are, such as "runs that go backward".
        expect: how much the others must earn, compared with the first.
        kind: of the episodes that it begins with.
        change: makes the others out of these; None if they are another kind.
        other: that kind, where nothing is changed.
    """

    name: str
    meaning: str
    expect: Expectation
    kind: str = GOOD
    change: Change | None = None
    other: str = ""

    def __post_init__(self) -> None:
        if (self.change is None) == (not self.other):
            raise UsageError(
                f'The contrast "{self.name}" says neither or both of what its episodes are '
                "compared with.",
                "Give it either a change or another kind of episodes.",
            )


def mirrored(columns: Mapping[str, Sequence[int] | None]) -> Change:
    """A change that turns quantities to the other side.

    Args:
        columns: which columns of which signals change their sign; None for all of them.
    """

    def change(recorded: Recorded) -> dict[str, NDArray[Any]]:
        result = dict(recorded)
        for name, which in columns.items():
            if which is not None and recorded[name].ndim == 2:
                raise UsageError(
                    f'The signal "{name}" has no columns to mirror.', "Give None in their place."
                )
            result[name] = recorded[name].copy()
            result[name][..., slice(None) if which is None else list(which)] *= -1
        return result

    return change


def frozen(rates: Sequence[str]) -> Change:
    """A change after which the robot stays as it was reset, and does nothing.

    Args:
        rates: signals that are velocities of any kind: they become 0.
    """

    def change(recorded: Recorded) -> dict[str, NDArray[Any]]:
        result = {name: np.broadcast_to(v[:1], v.shape).copy() for name, v in recorded.items()}
        for name in ("action", *rates):
            result[name] = np.zeros_like(recorded[name])
        return result

    return change


def harder(factor: float = 2.0) -> Change:
    """A change after which the same happens with larger actions, within [-1, 1]."""

    def change(recorded: Recorded) -> dict[str, NDArray[Any]]:
        return {**recorded, "action": np.clip(recorded["action"] * factor, -1.0, 1.0)}

    return change
