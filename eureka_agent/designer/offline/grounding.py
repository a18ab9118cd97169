"""Which quantities a task sentence is about, judged by the words of their documentation."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from eureka_agent.designer.offline.lexicon import (
    CONCEPTS,
    HEIGHT,
    TRUNK,
    TURNS,
    UNITS,
    Clause,
    Directions,
    Role,
    named_directions,
    positive_directions,
    read_clauses,
    sign_toward,
    stem,
    stems,
    words_of,
)
from eureka_agent.reward import Signal

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

MOST_COLUMNS = 12
"""A wider signal is only used as a whole."""
# A moderate amount of each unit: about what a robot of human size does at ease.
MODERATE = {"m": 1.0, "m/s": 1.0, "rad": 0.5, "rad/s": 5.0, "deg": 30.0, "deg/s": 300.0, "N": 100.0}
MODERATE_TORQUE = 10.0
MODERATE_ORIENTATION = 0.5
ASKED = 0.4
"""From this plausibility on, relative to the best aim, the task asks for a quantity."""
PLACED = ("distance", "goal")
"""Kinds of signals that say where something else is."""
RELATED = 0.5
"""Value of a word of the same concept, relative to a word of the task itself."""


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
        """The phrase that says what the column is; may be empty."""
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
        column = "" if self.column is None else f"column {self.column}"
        axis = self.axis.split("(")[0].split(",")[0].strip() or column
        return f"{meaning} ({axis})" if axis else meaning

    @property
    def moderate(self) -> float:
        """A moderate amount of it, in its unit: a natural width or scale."""
        if self.signal.kind == "orientation":
            return MODERATE_ORIENTATION
        if self.signal.unit.replace("*", " ").replace("·", " ") in ("N m", "Nm"):
            return MODERATE_TORQUE
        return MODERATE.get(self.signal.unit, 1.0)

    @cached_property
    def words(self) -> frozenset[str]:
        """Stems of its documentation."""
        signal = self.signal
        axes = " ".join(signal.axes) if self.column is None else self.axis
        return stems(f"{signal.name.replace('_', ' ')} {signal.meaning} {axes}")

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
    """What the designer sees of a task; if blind, only the number and sizes of the signals."""
    signals = [(signal.name, signal) for signal in task.signals]
    if blind:  # in a random order, under meaningless names and without documentation
        order = np.random.default_rng([seed, len(signals)]).permutation(len(signals))
        signals = [
            (task.signals[i].name, Signal(f"signal_{n}", task.signals[i].size, "1", "", "other"))
            for n, i in enumerate(order, start=1)
        ]
    return VisibleTask(
        task="" if blind else " ".join(task.task.split()),
        quantities=tuple(q for name, signal in signals for q in _quantities(name, signal)),
        control_step=task.control_step,
        can_end=bool(task.termination.strip()),
    )


def _quantities(parameter: str, signal: Signal) -> list[Quantity]:
    whole = [Quantity(parameter, signal, None)]
    if signal.size is None or signal.size > MOST_COLUMNS:
        return whole
    columns = [Quantity(parameter, signal, c) for c in range(signal.size)]
    return columns if signal.size == 1 else columns + whole


@dataclass(frozen=True)
class Grounded:
    """How a quantity relates to a task; scores are plausibilities, 0 to 1.

    Attributes:
        quantity: the quantity.
        aim: that getting it right is the task.
        keep: that the task asks to keep it in place meanwhile.
        posture: that it should stay as it starts (robots rarely do better by tumbling).
        calm: that it is a speed that should be low.
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


def ground(visible: VisibleTask) -> tuple[Grounded, ...]:
    """Score every quantity against the task sentence; all alike if there is no sentence."""
    if not visible.task:
        return tuple(Grounded(q, float(not q.whole), 0.5, 0.5, 0.5) for q in visible.quantities)
    sentence = _Sentence(visible)
    found = [sentence.ground(quantity) for quantity in visible.quantities]
    most_aim = max((g.aim for g in found), default=0.0) or 1.0
    most_keep = max((g.keep for g in found), default=0.0) or 1.0
    found = [replace(g, aim=g.aim / most_aim, keep=g.keep / most_keep) for g in found]
    asked = {g.quantity for g in found if g.aim >= ASKED}
    parameters = {quantity.parameter for quantity in asked}
    # What the task asks to change need not stay as it is, alone or among other columns.
    return tuple(
        replace(g, keep=0.0, posture=0.0, calm=0.0)
        if g.quantity in asked or (g.quantity.whole and g.quantity.parameter in parameters)
        else g
        for g in found
    )


class _Part:
    """A part of a task sentence, and the quantities whose direction it names.

    Attributes:
        clause: what it asks for.
        signs: the sign with which each such quantity goes there.
        overlaps: how many words it shares with each quantity's documentation.
    """

    def __init__(self, clause: Clause, quantities: Sequence[Quantity]) -> None:
        self.clause = clause
        self.overlaps = {q: len(clause.words & q.words) for q in quantities}
        self.signs: dict[Quantity, int] = {}
        for quantity in quantities:
            sign = sign_toward(clause, _positive_directions(quantity))
            if sign is not None and (self.overlaps[quantity] or not clause.refused):
                self.signs[quantity] = sign
        rivals = self.signs or self.overlaps
        self._nearest = max((self.overlaps[q] for q in rivals), default=0)

    def is_nearest(self, quantity: Quantity) -> bool:
        """Whether no quantity that it can be about shares more words with it."""
        return self.overlaps[quantity] >= self._nearest

    def means(self, quantity: Quantity) -> bool:
        """Whether it asks to go where this quantity leads, more than any other."""
        return quantity in self.signs and self.is_nearest(quantity) and not self.clause.refused


class _Sentence:
    """A task sentence, compared with the documentation of all signals."""

    def __init__(self, visible: VisibleTask) -> None:
        self.words = stems(visible.task)
        self.turns = frozenset(TURNS[word] for word in self.words & TURNS.keys())
        self.active = [concept for concept in CONCEPTS if concept.words & self.words]
        signs: frozenset[str] = frozenset().union(*(concept.signs for concept in self.active))
        self.related = signs - self.words
        self.parts = [_Part(c, visible.quantities) for c in read_clauses(visible.task)]
        documents = {q.parameter: q.words for q in visible.quantities if q.column in (None, 0)}
        # Inverse document frequency of each word.
        self.rarity = {
            word: math.log((len(documents) + 1) / sum(word in d for d in documents.values()))
            for word in frozenset().union(*documents.values())
        }

    def ground(self, quantity: Quantity) -> Grounded:
        """Score one quantity."""
        overlap = self._overlap(quantity)
        agreement, sign = self._agreement(quantity)
        kind, less = quantity.signal.kind, self._less(quantity)
        # The task may say to approach what a distance is measured to, or to leave it.
        led = any(part.means(quantity) and part.overlaps[quantity] for part in self.parts)
        fit = 1.0 if led and kind in PLACED else self._fit("aim", kind)
        aim = fit * (0.5 + overlap) * agreement * (less or 1.0)
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
        if not less:
            return self._with_target(grounded)
        # As little as possible: low for what is measured from somewhere, else 0.
        return replace(grounded, sign=-1, target=None if kind == "position" else 0.0)

    def _fit(self, role: Role, kind: str) -> float:
        """How well a kind of signal measures what the sentence asks for."""
        asked = [concept.kinds.get(kind, 0.0) for concept in self.active if concept.role == role]
        if role == "aim":
            return max(asked, default=0.5) or 0.1
        return max(asked, default=0.0)

    def _overlap(self, quantity: Quantity) -> float:
        """Words that the task and the documentation share; rare ones count more."""
        words = quantity.words
        if not named_directions(words_of(quantity.axis)):
            # Words that say which side a part is on, where the task means a direction by them.
            asked = {axis for part in self.parts for axis in part.clause.directions}
            words -= {w for w in stems(quantity.axis) if named_directions([w]).keys() & asked}
        shared = sum(self.rarity.get(word, 1.0) for word in self.words & words)
        related = sum(self.rarity.get(word, 1.0) for word in self.related & words)
        return shared + RELATED * related

    def _agreement(self, quantity: Quantity) -> tuple[float, int]:
        """How a quantity's direction agrees with the task's: a factor, and the reward's sign."""
        parts = [part for part in self.parts if quantity in part.signs]
        best = max(parts, key=lambda p: (not p.clause.refused, p.overlaps[quantity]), default=None)
        sign = best.signs[quantity] if best else 1
        if best and best.means(quantity):
            return 2.0, sign
        column_beside = any(
            q.parameter == quantity.parameter and part.means(q)
            for part in self.parts
            for q in part.signs
        )
        return (0.3 if column_beside and quantity.column is not None else 1.0), sign

    def _less(self, quantity: Quantity) -> float:
        """How much the task asks for less of a quantity, 0 to 1."""
        parts = [part for part in self.parts if part.clause.less and quantity not in part.signs]
        parts = [part for part in parts if part.overlaps[quantity] and part.is_nearest(quantity)]
        return max((1.0 if part.clause.first else 0.5 for part in parts), default=0.0)

    def _posture(self, quantity: Quantity) -> float:
        kind = quantity.signal.kind
        score = {"orientation": 1.0, "angle": 0.8}.get(kind, 0.0)
        if kind == "position" and not quantity.whole and HEIGHT & quantity.words:
            score = 0.5
        if score and self._fit("aim", kind) >= 0.5:
            return 0.0  # the task itself asks for another posture
        return score * _centrality(quantity)

    def _calm(self, quantity: Quantity, overlap: float) -> float:
        if quantity.signal.kind not in ("velocity", "angular_velocity"):
            return 0.0
        asked = self._fit("calm", quantity.signal.kind)
        if self.turns & quantity.words:
            return asked  # the task asks for this very turn
        return max(asked, min(0.6, 0.4 * _centrality(quantity) + 0.1 * overlap))

    def _with_target(self, grounded: Grounded) -> Grounded:
        """Add the value that the task asks for, if the documentation or the kind names one."""
        quantity = grounded.quantity
        kind, anchors = quantity.signal.kind, _anchors(quantity)
        directed = any(part.means(quantity) for part in self.parts)
        if directed and kind in PLACED and grounded.sign > 0:
            return grounded  # away from it, whatever is at 0
        meant = [
            (word, value) for value, words in anchors if (word := self._meant(words, quantity))
        ]
        if not meant:
            if kind in PLACED:
                return replace(grounded, sign=-1, target=0.0)
            if kind == "orientation":
                return replace(grounded, aim=0.5 * grounded.aim)
            upright = kind == "angle" and not directed
            return replace(grounded, target=0.0) if upright else grounded
        word, target = meant[0]
        values = {value for value, _ in anchors} | ({-1.0, 1.0} if kind == "orientation" else set())
        low, high = min(values), max(values)
        if low == high or target not in (low, high):
            return replace(grounded, target=target, word=word)
        sign, origin = (1, low) if target == high else (-1, high)
        return replace(grounded, target=target, word=word, sign=sign, origin=origin)

    def _meant(self, words: Sequence[str], quantity: Quantity) -> str:
        """The word of an anchor by which the sentence asks for it; empty if it does not."""
        name = stems(quantity.signal.name.replace("_", " "))
        asked = [word for word in words if stem(word) in self.words - name]
        directions = named_directions(words).items()
        clauses = [part.clause for part in self.parts if not part.clause.refused]
        if any(directions & clause.directions.items() for clause in clauses):
            asked.append(words[-1])
        related = [word for word in words if stem(word) in self.related]
        return next(iter(asked + related), "")


def _centrality(quantity: Quantity) -> float:
    """How much a quantity is about the whole robot rather than about one of its limbs."""
    if TRUNK & quantity.words:
        return 1.0
    return 0.4 if quantity.column is None else 0.2


def _positive_directions(quantity: Quantity) -> list[Directions]:
    """The positive direction of a quantity, the most explicit one first."""
    signal = quantity.signal
    turns = signal.kind in ("angle", "angular_velocity", "orientation")
    axis = "" if _only_tells_apart(quantity) else quantity.axis
    found = positive_directions(axis, signal.name, signal.meaning, turns=turns)
    if signal.kind not in PLACED:
        return found
    # "Ahead" or "above" is then where something is, not a way to go; all columns are a gap.
    if quantity.column is not None:
        return []
    return [*({"toward": d["toward"]} for d in found if "toward" in d), {"toward": -1}]


def _only_tells_apart(quantity: Quantity) -> bool:
    """Whether columns are named by two sides alone, such as left and right: not directions."""
    own = named_directions(words_of(quantity.axis))
    for other in quantity.signal.axes:
        directions = named_directions(words_of(other))
        opposite = any(directions.get(axis) == -sign for axis, sign in own.items())
        if opposite and len(stems(other)) == len(stems(quantity.axis)) == 1:
            return True
    return False


def _anchors(quantity: Quantity) -> list[tuple[float, tuple[str, ...]]]:
    """Values with their words in the documentation: `1 upright`, or 0 in `angle from upright`."""
    if quantity.whole:
        return []
    text = f"{quantity.axis}; {quantity.signal.meaning}".lower()
    anchors = []
    for number, tail in re.findall(r"(?<![\w.<>])(?<![<>] )(-?\d+(?:\.\d+)?)\s*([^,;:.\d]*)", text):
        words = tuple(words_of(tail))
        if words and words[0] not in UNITS:
            anchors.append((float(number), words))
    if quantity.signal.kind in ("angle", "distance", "position"):
        for tail in re.findall(r"\b(?:from|to)\s+(?:the\s+)?([a-z]+(?:\s[a-z]+)?)", text):
            anchors.append((0.0, tuple(tail.split())))
    return anchors
