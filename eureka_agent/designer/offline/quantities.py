"""What the offline designer sees of a task: single numbers that a term can be about."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from eureka_agent.reward.signals import Signal

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

MOST_COLUMNS = 12
"""A wider signal is only looked at as a whole."""

# What counts as a moderate amount of each unit: about what a robot of human size does at ease.
MODERATE = {"m": 1.0, "m/s": 1.0, "rad": 0.5, "rad/s": 5.0, "deg": 30.0, "deg/s": 300.0, "N": 100.0}
MODERATE_TORQUE = 10.0
MODERATE_ORIENTATION = 0.5


@dataclass(frozen=True)
class Quantity:
    """A signal's column, a plain `[N]` signal, or a `[N, size]` signal as a whole.

    Attributes:
        parameter: the name by which a program asks for the signal.
        signal: its documentation as the designer sees it, perhaps masked.
        column: the column; None for a plain signal and for a whole one.
    """

    parameter: str
    signal: Signal
    column: int | None

    @property
    def whole(self) -> bool:
        """Whether this is all columns of a `[N, size]` signal together."""
        return self.column is None and self.signal.size is not None

    @property
    def axis(self) -> str:
        """The phrase that says what the column is; empty where there is none."""
        return self.signal.axes[self.column] if self.signal.axes and self.column is not None else ""

    @property
    def label(self) -> str:
        """A short identifier such as `forward_velocity` or `signal_3_column_0`."""
        if self.column is None:
            return self.signal.name
        axis = re.sub(r"[^a-z]+", "_", re.split(r"[(,;:]", self.axis.lower())[0]).strip("_")
        if not axis:
            return f"{self.signal.name}_column_{self.column}"
        return f"{axis}_{self.signal.name.split('_')[-1]}"

    @property
    def phrase(self) -> str:
        """What it is, in the words of its documentation."""
        meaning = re.split(r"[,;:(.]\s|[,;:(.]$", self.signal.meaning, maxsplit=1)[0].strip()
        first = meaning.split(" ", 1)[0]
        if first[1:].islower() or len(first) == 1:
            meaning = meaning[:1].lower() + meaning[1:]
        meaning = meaning or self.signal.name.replace("_", " ")
        axis = self.axis.split("(")[0].split(",")[0].strip() or (
            f"column {self.column}" if self.column is not None else ""
        )
        return f"{meaning} ({axis})" if axis else meaning

    @property
    def moderate(self) -> float:
        """A moderate amount of it, in its unit: a natural width or scale."""
        if self.signal.kind == "orientation":
            return MODERATE_ORIENTATION
        if self.signal.unit.replace("*", " ").replace("·", " ") in ("N m", "Nm"):
            return MODERATE_TORQUE
        return MODERATE.get(self.signal.unit, 1.0)

    def read(self, prefix: str = "") -> str:
        """The expression by which a program reads it, `[M]` (`[M, size]` for a whole signal)."""
        column = "" if self.column is None else f"[:, {self.column}]"
        return f"{prefix}{self.parameter}{column}"


@dataclass(frozen=True)
class Sight:
    """A task as the offline designer sees it.

    Attributes:
        task: the task sentence; empty when blind.
        quantities: what terms can be about.
        control_step: seconds between two actions.
        can_end: whether an episode can end before its time limit.
    """

    task: str
    quantities: tuple[Quantity, ...]
    control_step: float
    can_end: bool


def see(task: "TaskDescription", seed: int, *, blind: bool) -> Sight:
    """Look at a task; blind, only at how many signals there are and at their sizes."""
    seen = _masked(task.signals, seed) if blind else [(s.name, s) for s in task.signals]
    return Sight(
        task="" if blind else " ".join(task.task.split()),
        quantities=tuple(q for name, signal in seen for q in _quantities(name, signal)),
        control_step=task.control_step,
        can_end=bool(task.termination.strip()),
    )


def _masked(signals: Sequence[Signal], seed: int) -> list[tuple[str, Signal]]:
    """The signals in a random order, under meaningless names and without documentation."""
    order = np.random.default_rng([seed, len(signals)]).permutation(len(signals))
    blank = Signal(name="", size=None, unit="1", meaning="", kind="other")
    return [
        (signals[i].name, replace(blank, name=f"signal_{place}", size=signals[i].size))
        for place, i in enumerate(order, start=1)
    ]


def _quantities(parameter: str, signal: Signal) -> list[Quantity]:
    if signal.size is None:
        return [Quantity(parameter, signal, None)]
    columns = [Quantity(parameter, signal, c) for c in range(signal.size)]
    whole = [Quantity(parameter, signal, None)]
    if signal.size == 1:
        return columns
    return columns + whole if signal.size <= MOST_COLUMNS else whole
