"""Signals: the named, documented, batched tensors that a reward program may read."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

SignalKind = Literal[
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
SIGNAL_KINDS: tuple[str, ...] = get_args(SignalKind)

SIGNAL_PREFIXES = ("prev", "start", "max", "min")
"""`prev_<signal>` is one control step earlier; the others are over the episode so far."""

STANDARD_PARAMETERS = ("action", "prev_action", "terminated", "time_left")
"""What every environment offers besides its signals."""


@dataclass(frozen=True)
class Signal:
    """What one signal is, never what is good about it.

    Attributes:
        name: the parameter name by which programs ask for it.
        size: number of columns of a `[N, size]` signal; None for a plain `[N]` one.
        unit: SI unit, "1" for a pure number.
        meaning: one phrase that says what it is, with its frame and signs.
        kind: the physical kind.
        axes: what each column is, `size` phrases; empty if `meaning` says it all.
    """

    name: str
    size: int | None
    unit: str
    meaning: str
    kind: SignalKind
    axes: tuple[str, ...] = ()

    @property
    def shape(self) -> str:
        """The shape as people read it: `[N]` or `[N, size]`."""
        return "[N]" if self.size is None else f"[N, {self.size}]"


def split_prefix(name: str) -> tuple[str, str]:
    """Split a parameter: `prev_torso_up` is ("prev", "torso_up"), `action` is ("", "action")."""
    prefix, separator, rest = name.partition("_")
    if separator and rest and prefix in SIGNAL_PREFIXES and name not in STANDARD_PARAMETERS:
        return prefix, rest
    return "", name


def parameter_names(signals: Sequence[Signal]) -> list[str]:
    """All names that a program may ask for, except the keys of its SCALES."""
    names = [signal.name for signal in signals]
    prefixed = [f"{prefix}_{name}" for prefix in SIGNAL_PREFIXES for name in names]
    return [*names, *STANDARD_PARAMETERS, *prefixed]


def columns_of(name: str, signals: Sequence[Signal]) -> float | None:
    """How many columns a parameter has: infinity if that is unknown, None if it is `[N]`."""
    if name in ("terminated", "time_left"):
        return None
    sizes = {signal.name: signal.size for signal in signals}
    return sizes.get(name, sizes.get(split_prefix(name)[1], math.inf))
