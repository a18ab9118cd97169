"""Which quantities a task sentence is about, judged by the words of their documentation."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from eureka_agent.designer.offline.lexicon import (
    CONCEPTS,
    HEIGHT,
    TRUNK,
    TURNS,
    UNITS,
    Ask,
    Role,
    Ways,
    bearing,
    named,
    poles_of,
    read_asks,
    stem,
    stems,
)
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
class VisibleTask:
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


def visible_task(task: "TaskDescription", seed: int, *, blind: bool) -> VisibleTask:
    """Look at a task; blind, only at how many signals there are and at their sizes."""
    seen = _masked(task.signals, seed) if blind else [(s.name, s) for s in task.signals]
    return VisibleTask(
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


ASKED = 0.4
"""From this plausibility on, beside the best aim, the task is taken to ask for a quantity."""
PLACED = ("distance", "goal")
"""Kinds of signals that say where something else is."""
RELATED = 0.5
"""What a word of the same concept counts beside a word of the task itself."""


@dataclass(frozen=True)
class Grounded:
    """How far a quantity is what a task is about; scores are plausibilities, 0 to 1.

    Attributes:
        quantity: the quantity.
        aim: that getting it right is the task.
        keep: that the task asks to keep it in place meanwhile.
        posture: that it had better stay as it starts (robots rarely do better by tumbling).
        calm: that it is a speed better kept low.
        sign: 1 if the task asks for more of it, -1 if for less.
        target: the value that the task asks for, if its documentation names it.
        origin: the other end of its range, if the target is one end.
        word: what the documentation calls the target; may be empty.
    """

    quantity: Quantity
    aim: float
    keep: float
    posture: float
    calm: float
    sign: int = 1
    target: float | None = None
    origin: float | None = None
    word: str = ""


@dataclass(frozen=True)
class Anchor:
    """A value that documentation puts into words: `1 upright`, or 0 in `angle from upright`."""

    value: float
    words: tuple[str, ...]


def ground(sight: VisibleTask) -> tuple[Grounded, ...]:
    """Score every quantity against the task sentence; all alike where there is no sentence."""
    if not sight.task:
        return tuple(Grounded(q, float(not q.whole), 0.5, 0.5, 0.5) for q in sight.quantities)
    sentence = _Sentence(sight)
    found = [sentence.ground(quantity) for quantity in sight.quantities]
    most_aim = max((g.aim for g in found), default=0.0) or 1.0
    most_keep = max((g.keep for g in found), default=0.0) or 1.0
    found = [replace(g, aim=g.aim / most_aim, keep=g.keep / most_keep) for g in found]
    asked = {(g.quantity.parameter, g.quantity.column) for g in found if g.aim >= ASKED}
    return tuple(_settled(g, asked) for g in found)


def _settled(grounded: Grounded, asked: set[tuple[str, int | None]]) -> Grounded:
    """What the task asks to change is not to be kept as it is, alone or among other columns."""
    parameter, column = grounded.quantity.parameter, grounded.quantity.column
    if (parameter, column) in asked:
        return replace(grounded, keep=0.0, posture=0.0, calm=0.0)
    if grounded.quantity.whole and any(parameter == other for other, _ in asked):
        return replace(grounded, keep=0.0, posture=0.0, calm=0.0)
    return grounded


class _Part:
    """A part of a task sentence, and the quantities whose direction it names.

    Attributes:
        ask: what it asks for.
        bearings: the sign with which each such quantity goes there.
    """

    def __init__(self, ask: Ask, quantities: Sequence[Quantity]) -> None:
        self.ask = ask
        self._overlaps = {q: len(ask.words & _document(q)) for q in quantities}
        self.bearings: dict[Quantity, int] = {}
        for quantity in quantities:
            sign = bearing(ask, _poles(quantity))
            if sign is not None and (self.overlap(quantity) or not ask.refused):
                self.bearings[quantity] = sign
        rivals = self.bearings if self.bearings else self._overlaps
        self._nearest = max((self._overlaps[q] for q in rivals), default=0)

    def overlap(self, quantity: Quantity) -> int:
        """How many words it shares with a quantity's documentation."""
        return self._overlaps[quantity]

    def is_nearest(self, quantity: Quantity) -> bool:
        """Whether no quantity that it can be about shares more words with it."""
        return self.overlap(quantity) >= self._nearest

    def means(self, quantity: Quantity) -> bool:
        """Whether it asks to go where this quantity leads, more than any other."""
        return quantity in self.bearings and self.is_nearest(quantity) and not self.ask.refused

    def is_about(self, parameter: str) -> bool:
        """Whether it means a column of a signal."""
        return any(q.parameter == parameter and self.means(q) for q in self.bearings)


class _Sentence:
    """A task sentence, read against the documentation of all signals."""

    def __init__(self, sight: VisibleTask) -> None:
        self.words = stems(sight.task)
        self.turns = frozenset(TURNS[word] for word in self.words & TURNS.keys())
        self.active = [concept for concept in CONCEPTS if concept.words & self.words]
        signs: frozenset[str] = frozenset().union(*(concept.signs for concept in self.active))
        self.related = signs - self.words
        self.asks = [_Part(ask, sight.quantities) for ask in read_asks(sight.task)]
        documents = {q.parameter: _document(q) for q in sight.quantities if q.column in (None, 0)}
        self.rarity = {
            word: math.log((len(documents) + 1) / sum(word in d for d in documents.values()))
            for word in frozenset().union(*documents.values())
        }

    def ground(self, quantity: Quantity) -> Grounded:
        """Score one quantity."""
        overlap = self._overlap(quantity)
        course, sign = self._course(quantity)
        kind, less = quantity.signal.kind, self._less(quantity)
        fit = 1.0 if self._is_led_to(quantity) else self._fit("aim", kind)
        aim = fit * (0.5 + overlap) * course * (less or 1.0)
        if quantity.whole and kind not in PLACED:
            aim = 0.0
        grounded = Grounded(
            quantity=quantity,
            aim=aim,
            keep=self._fit("keep", kind) * (0.3 + overlap),
            posture=self._posture(quantity),
            calm=self._calm(quantity, overlap),
            sign=sign,
        )
        return _lessened(grounded) if less else self._with_target(grounded)

    def _fit(self, role: Role, kind: str) -> float:
        """How well a kind of signal measures what the sentence asks for."""
        asked = [concept.kinds.get(kind, 0.0) for concept in self.active if concept.role == role]
        if role == "aim":
            return max(asked, default=0.5) or 0.1
        return max(asked, default=0.0)

    def _overlap(self, quantity: Quantity) -> float:
        """Words that the task and the documentation share; rare ones count more."""
        document = _document(quantity) - self._mere_sides(quantity)
        shared = sum(self.rarity.get(word, 1.0) for word in self.words & document)
        related = sum(self.rarity.get(word, 1.0) for word in self.related & document)
        return shared + RELATED * related

    def _mere_sides(self, quantity: Quantity) -> frozenset[str]:
        """Words that say which side a part is on, where the task means the way with them."""
        if _named(quantity.axis):
            return frozenset()
        asked = {axis for part in self.asks for axis in part.ask.ways}
        return frozenset(word for word in stems(quantity.axis) if named([word]).keys() & asked)

    def _course(self, quantity: Quantity) -> tuple[float, int]:
        """How a quantity's direction agrees with the task's: a factor, and a sign to pay with."""
        parts = [part for part in self.asks if quantity in part.bearings]
        best = max(parts, key=lambda p: (not p.ask.refused, p.overlap(quantity)), default=None)
        sign = best.bearings[quantity] if best else 1
        if best and best.means(quantity):
            return 2.0, sign
        column_beside = any(part.is_about(quantity.parameter) for part in self.asks)
        return (0.3 if column_beside and quantity.column is not None else 1.0), sign

    def _is_led_to(self, quantity: Quantity) -> bool:
        """Whether the task says to come near to what a distance is measured to, or away from it."""
        said = any(part.means(quantity) and part.overlap(quantity) for part in self.asks)
        return said and quantity.signal.kind in PLACED

    def _less(self, quantity: Quantity) -> float:
        """How far the task asks for less of a quantity, 0 to 1."""
        parts = [part for part in self.asks if part.ask.less and quantity not in part.bearings]
        parts = [part for part in parts if part.overlap(quantity) and part.is_nearest(quantity)]
        return max((1.0 if part.ask.first else 0.5 for part in parts), default=0.0)

    def _posture(self, quantity: Quantity) -> float:
        kind = quantity.signal.kind
        score = {"orientation": 1.0, "angle": 0.8}.get(kind, 0.0)
        if kind == "position" and not quantity.whole and HEIGHT & _document(quantity):
            score = 0.5
        if score and self._fit("aim", kind) >= 0.5:
            return 0.0  # the task itself asks for another posture
        return score * _centrality(quantity)

    def _calm(self, quantity: Quantity, overlap: float) -> float:
        if quantity.signal.kind not in ("velocity", "angular_velocity"):
            return 0.0
        asked = self._fit("calm", quantity.signal.kind)
        if self.turns & _document(quantity):
            return asked  # the task asks for this very turn
        return max(asked, min(0.6, 0.4 * _centrality(quantity) + 0.1 * overlap))

    def _with_target(self, grounded: Grounded) -> Grounded:
        """Add the value that the task asks for, where documentation or kind tell it."""
        quantity = grounded.quantity
        kind, anchors = quantity.signal.kind, _anchors(quantity)
        directed = any(part.means(quantity) for part in self.asks)
        if directed and kind in PLACED and grounded.sign > 0:
            return grounded  # away from it, whatever stands at 0
        meant = [(word, a.value) for a in anchors if (word := self._meant(a, quantity))]
        if not meant:
            if kind in PLACED:
                return replace(grounded, sign=-1, target=0.0)
            if kind == "orientation":
                return replace(grounded, aim=0.5 * grounded.aim)
            upright = kind == "angle" and not directed
            return replace(grounded, target=0.0) if upright else grounded
        word, target = meant[0]
        values = {a.value for a in anchors} | ({-1.0, 1.0} if kind == "orientation" else set())
        low, high = min(values), max(values)
        if low == high or target not in (low, high):
            return replace(grounded, target=target, word=word)
        sign = 1 if target == high else -1
        return replace(
            grounded, target=target, word=word, sign=sign, origin=low if sign > 0 else high
        )

    def _meant(self, anchor: Anchor, quantity: Quantity) -> str:
        """The word of an anchor by which the sentence asks for it; empty if it does not."""
        name = stems(quantity.signal.name.replace("_", " "))
        asked = [word for word in anchor.words if stem(word) in self.words - name]
        ways = named(anchor.words).items()
        if any(ways & part.ask.ways.items() for part in self.asks if not part.ask.refused):
            asked.append(anchor.words[-1])
        related = [word for word in anchor.words if stem(word) in self.related]
        return next(iter(asked + related), "")


def _lessened(grounded: Grounded) -> Grounded:
    """As little of a quantity as possible: low for what is measured up from somewhere, else 0."""
    if grounded.quantity.signal.kind == "position":
        return replace(grounded, sign=-1)
    return replace(grounded, sign=-1, target=0.0)


def _centrality(quantity: Quantity) -> float:
    """How far a quantity is about the whole robot rather than about one of its limbs."""
    if TRUNK & _document(quantity):
        return 1.0
    return 0.4 if quantity.column is None else 0.2


def _document(quantity: Quantity) -> frozenset[str]:
    signal = quantity.signal
    axes = " ".join(signal.axes) if quantity.column is None else quantity.axis
    return stems(f"{signal.name.replace('_', ' ')} {signal.meaning} {axes}")


def _poles(quantity: Quantity) -> list[Ways]:
    """Which way a quantity is positive; what says it best comes first."""
    signal = quantity.signal
    turns = signal.kind in ("angle", "angular_velocity", "orientation")
    axis = "" if _tells_apart(quantity) else quantity.axis
    poles = poles_of(axis, signal.name, signal.meaning, turns=turns)
    if signal.kind not in PLACED:
        return poles
    # Something lies ahead or above there: that is no way to go, but all of it together is a gap.
    if quantity.column is not None:
        return []
    gap = {"toward": -1}
    return [*({"toward": ways["toward"]} for ways in poles if "toward" in ways), gap]


def _tells_apart(quantity: Quantity) -> bool:
    """Whether columns are called by two sides alone, as left and right: these are no directions."""
    own = _named(quantity.axis)
    for other in quantity.signal.axes:
        ways = _named(other)
        opposite = any(ways.get(axis) == -sign for axis, sign in own.items())
        if opposite and len(stems(other)) == len(stems(quantity.axis)) == 1:
            return True
    return False


def _named(axis: str) -> Ways:
    return named(re.findall(r"[a-z]+", axis.lower()))


def _anchors(quantity: Quantity) -> list[Anchor]:
    """The values that a quantity's documentation puts into words."""
    if quantity.whole:
        return []
    text = f"{quantity.axis}; {quantity.signal.meaning}".lower()
    anchors = []
    for number, tail in re.findall(r"(?<![\w.<>])(?<![<>] )(-?\d+(?:\.\d+)?)\s*([^,;:.\d]*)", text):
        words = tuple(re.findall(r"[a-z]+", tail))
        if words and words[0] not in UNITS:
            anchors.append(Anchor(float(number), words))
    if quantity.signal.kind in ("angle", "distance", "position"):
        for tail in re.findall(r"\b(?:from|to)\s+(?:the\s+)?([a-z]+(?:\s[a-z]+)?)", text):
            anchors.append(Anchor(0.0, tuple(tail.split())))
    return anchors
