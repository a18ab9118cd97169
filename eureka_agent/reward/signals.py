"""Signals: the named, documented, batched tensors that a reward program may read."""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "position",
    "velocity",
    "angle",
    "angular_velocity",
    "orientation",
    "distance",
    "contact",
    "force",
    "goal",
    "other",
]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Signal:
    """What one signal is, never what is good about it.

    Attributes:
        name: the parameter name by which programs ask for it.
        size: number of columns of a `[N, size]` signal; None for a plain `[N]` one.
        unit: SI unit, "1" for a pure number.
        meaning: one phrase a person can act on, with the frame and the signs.
        kind: the physical kind.
        axes: what each column is, `size` phrases; empty where `meaning` says it all.
    """

    name: str
    size: int | None
    unit: str
    meaning: str
    kind: Kind
    axes: tuple[str, ...] = ()

    @property
    def shape(self) -> str:
        """The shape as people read it: `[N]` or `[N, size]`."""
        return "[N]" if self.size is None else f"[N, {self.size}]"
