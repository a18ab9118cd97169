"""The grammar of the programs that the offline designer writes: factors, terms and specs."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

from eureka_agent.designer.offline.grounding import Grounded, Quantity, VisibleTask, ground

Form = Literal[
    "linear",
    "bounded",
    "share",
    "cosine",
    "near",
    "stray",
    "square",
    "progress",
    "effort",
    "smoothness",
    "alive",
]
TUNABLE: frozenset[Form] = frozenset({"bounded", "near"})
"""Forms whose scale changes more than their weight."""
GATES: frozenset[Form] = frozenset({"share", "cosine", "near"})
"""Forms between 0 and 1, which may multiply another factor."""
PENALTIES: frozenset[Form] = frozenset({"stray", "square", "effort", "smoothness"})
"""Forms that are never positive."""
Use = Literal["aim", "keep", "posture", "calm", "thrift", "alive"]
Target = float | Literal["start"] | None

AIM_REACH = 2.0
"""Kernels around an aim are this much wider than moderate, so that they reach far."""
OPPOSITE = 0.1
"""Plausibility of the direction opposite to the one that the task seems to ask for."""
SCALE_NAME = "scale_0"
"""Stands for the name of a scale when expressions are compared."""

_WITHOUT_QUANTITY: dict[Form, str] = {
    "effort": "-action.square().mean(-1)",
    "smoothness": "-(action - prev_action).square().mean(-1)",
    "alive": "(~terminated).float()",
}
# A kernel is bounded: unlike a penalty that grows with the error it cannot drown the aim.
_FORMS_OF_PLACE: tuple[tuple[Form, float], ...] = (("near", 1.0), ("stray", 0.8), ("square", 0.6))


@dataclass(frozen=True)
class Factor:
    """One expression over a quantity.

    Attributes:
        form: the shape of the expression.
        quantity: what it is about; None for effort, smoothness and alive.
        sign: 1 to ask for more of the quantity, -1 for less (linear, bounded); 1 to ask for
            progress towards the target, or up without one, -1 for the opposite (progress).
        target: the value asked for (share, cosine, near, stray, square, progress).
        origin: the value at which a share is 0.
        word: name of the target; may be empty.
        scale: the width or scale, in the quantity's unit; None if the form needs none.
    """

    form: Form
    quantity: Quantity | None = None
    sign: int = 1
    target: Target = None
    origin: float | None = None
    word: str = field(default="", compare=False)  # the same is asked for, whatever its name
    scale: float | None = None

    @cached_property
    def idea(self) -> "Factor":
        """The factor without its number: two widths of one kernel are one idea."""
        return replace(self, scale=None)

    @cached_property
    def opposite(self) -> "Factor | None":
        """The factor that asks for the opposite direction; None if it asks for a place."""
        match self.form:
            case "linear" | "bounded" | "progress":
                return replace(self, sign=-self.sign)
            case "share":
                return replace(self, target=self.origin, origin=self.target, word="")
            case _:
                return None

    def code(self, scale: str) -> str:
        """The expression `[M]`, in which `scale` names the scale.

        All columns of a signal together count by their Euclidean distance from the target.
        """
        if self.quantity is None:
            return _WITHOUT_QUANTITY[self.form]
        x, whole, error = self.quantity.read(), self.quantity.whole, self._error()
        over = f" / {scale}" if self.scale is not None else ""
        ratio = f"{_bracketed(error)}{over}" if over else error
        square = f"{_bracketed(ratio)}.square()"
        signed = f"-{x}{over}" if self.sign < 0 else f"{x}{over}"
        match self.form:
            case "linear":
                return signed
            case "bounded":
                return f"torch.tanh({signed})"
            case "share":
                return self._share(x)
            case "cosine":
                return f"(1.0 + torch.cos({error})) / 2.0"
            case "near":
                return f"torch.exp(-{square}{'.sum(-1)' if whole else ''})"
            case "stray":
                return f"-{self._distance()}{over}"
            case "square":
                return f"-{square}{'.mean(-1)' if whole else ''}"
            case _:
                return f"({self._gain()}){over}"

    def _error(self, prefix: str = "") -> str:
        """The quantity minus its target."""
        assert self.quantity is not None
        x = self.quantity.read(prefix)
        if self.target == "start":
            return f"{x} - {self.quantity.read('start_')}"
        return _minus(x, self.target or 0.0)

    def _distance(self, prefix: str = "") -> str:
        """The distance of the quantity from its target."""
        assert self.quantity is not None
        norm = ".square().sum(-1).sqrt()" if self.quantity.whole else ".abs()"
        return f"{_bracketed(self._error(prefix))}{norm}"

    def _share(self, x: str) -> str:
        assert isinstance(self.target, float) and self.origin is not None
        if self.target > self.origin:
            return f"({_minus(x, self.origin)}) / {self.target - self.origin!r}"
        return f"({self.origin!r} - {x}) / {self.origin - self.target!r}"

    def _gain(self) -> str:
        """The change for the better in one control step."""
        assert self.quantity is not None
        more, less = self.quantity.read(), self.quantity.read("prev_")
        if self.quantity.whole or self.target is not None:
            more, less = self._distance("prev_"), self._distance()  # a distance should shrink
        return f"{more} - {less}" if self.sign > 0 else f"{less} - {more}"


@dataclass(frozen=True)
class Term:
    """A weight and the factors it is multiplied by."""

    weight: float
    factors: tuple[Factor, ...]

    @cached_property
    def ideas(self) -> frozenset[Factor]:
        """What the term is about, without its numbers."""
        return frozenset(factor.idea for factor in self.factors)


Spec = tuple[Term, ...]
"""A whole reward: the sum of its terms."""


def contradicts(spec: Spec) -> bool:
    """Whether two terms of a spec ask for opposite directions."""
    asked = {factor.idea for term in spec for factor in term.factors}
    return any(f.opposite is not None and f.opposite.idea in asked for f in asked)


def canonical(spec: Spec) -> frozenset[object]:
    """Equal for specs that ask for the same, in any order and with all weights times a constant."""
    largest = max((abs(term.weight) for term in spec), default=0.0) or 1.0
    return frozenset(
        (frozenset(term.factors), round(term.weight / largest, 3)) for term in spec if term.weight
    )


def tidy(number: float) -> float:
    """A number as a person would write it: two digits."""
    return float(f"{number:.2g}")


def _minus(x: str, value: float) -> str:
    if value == 0.0:
        return x
    return f"{x} - {value!r}" if value > 0.0 else f"{x} + {-value!r}"


def _bracketed(code: str) -> str:
    return f"({code})" if any(sign in code for sign in (" - ", " + ", " / ")) else code


@dataclass(frozen=True)
class Production:
    """A factor that a program could contain.

    Attributes:
        factor: the factor, with its usual scale.
        use: what it would be good for.
        prior: plausibility, 0 to 1.
    """

    factor: Factor
    use: Use
    prior: float


class TermGrammar:
    """All productions of a task, the most plausible first.

    Attributes:
        productions: one per idea; if an idea has several uses, the most plausible one.
    """

    def __init__(self, visible: VisibleTask) -> None:
        found = [p for grounded in ground(visible) for p in _productions(grounded, visible)]
        found.append(Production(Factor("effort"), "thrift", 0.5))
        found.append(Production(Factor("smoothness"), "thrift", 0.4))
        if visible.can_end:
            found.append(Production(Factor("alive"), "alive", 0.5))
        self._by_idea: dict[Factor, Production] = {}
        self._by_code: dict[str, Factor] = {}
        for production in sorted(found, key=lambda p: -p.prior):
            if production.prior and production.factor.idea not in self._by_idea:
                self._by_idea[production.factor.idea] = production
                code = ast.unparse(ast.parse(production.factor.code(SCALE_NAME)))
                self._by_code.setdefault(code, production.factor)
        self.productions = list(self._by_idea.values())

    def for_use(self, *uses: Use) -> list[Production]:
        """The productions for some uses, the most plausible first."""
        return [production for production in self.productions if production.use in uses]

    def production(self, factor: Factor) -> Production:
        """The production that a factor came from."""
        return self._by_idea[factor.idea]

    def recognise(self, code: str) -> Factor | None:
        """The factor that an expression stands for; its scale must be called `SCALE_NAME`."""
        return self._by_code.get(code)


def usual_weight(production: Production, aim: Factor) -> float:
    """A weight for a production beside an aim of weight 1.

    An aim that never exceeds 1 is easily drowned, so everything beside it weighs less. A robot
    that stands still keeps its posture, so beside a motion the posture weighs little as well.
    """
    beside_bounded = aim.form not in ("linear", "progress")
    match production.use:
        case "aim":
            return 1.0
        case "posture" if _is_motion(aim):
            return 0.1 if beside_bounded else 0.2
        case "keep" | "posture" | "alive":
            return 0.2 if beside_bounded else 1.0
        case _:
            return 0.03 if beside_bounded else 0.1


def _is_motion(aim: Factor) -> bool:
    kind = aim.quantity.signal.kind if aim.quantity else ""
    moves = kind in ("velocity", "angular_velocity") and aim.form in ("linear", "bounded")
    return moves or aim.form == "progress"


def _productions(grounded: Grounded, visible: VisibleTask) -> Iterator[Production]:
    """All productions about one quantity."""
    for factor, fit in _aims(grounded, visible):
        yield Production(factor, "aim", grounded.aim * fit)
        if visible.task and (opposite := factor.opposite):  # without a task both are there already
            yield Production(opposite, "aim", OPPOSITE * grounded.aim * fit)
    target = 0.0 if grounded.target is None else grounded.target
    kept: Target = target if grounded.word else "start"
    places: list[tuple[Use, float, Target]] = [
        ("keep", grounded.keep, kept),
        ("posture", grounded.posture, "start"),
    ]
    for use, score, place in places:
        for form, fit in _FORMS_OF_PLACE:
            yield Production(_placed(grounded, form, place), use, 0.8 * score * fit)
    still = Factor("square", grounded.quantity, target=0.0, scale=_scale(grounded, "square"))
    yield Production(still, "calm", 0.5 * grounded.calm)


def _aims(grounded: Grounded, visible: VisibleTask) -> Iterator[tuple[Factor, float]]:
    """The forms in which a quantity can be the aim, and how well each suits it."""
    quantity, target, sign = grounded.quantity, grounded.target, grounded.sign
    step = visible.control_step
    if not visible.task:
        yield from _blind_aims(grounded, step)
    elif grounded.origin is not None:
        yield Factor("share", quantity, 1, target, grounded.origin, grounded.word), 1.0
        yield _placed(grounded, "near", target), 0.8
        yield _progress(grounded, step, target), 0.3
    elif target is not None:
        wrapped = quantity.signal.unit == "rad" and not quantity.whole
        if wrapped:
            yield Factor("cosine", quantity, 1, target, word=grounded.word), 1.0
        yield _placed(grounded, "near", target), 0.8
        yield _placed(grounded, "stray", target), 0.5 if wrapped else 1.0
        yield _progress(grounded, step, target), 0.3 if wrapped else 0.8
    elif quantity.whole:  # away from the point where all columns are 0
        yield replace(_progress(grounded, step, 0.0), sign=-1), 1.0
    elif quantity.signal.kind in ("position", "distance", "goal"):
        yield _progress(grounded, step, None), 1.0
        yield _towards(grounded, "linear", sign), 0.7
    else:
        yield _towards(grounded, "linear", sign), 1.0
        yield _towards(grounded, "bounded", sign), 0.7


def _blind_aims(grounded: Grounded, step: float) -> Iterator[tuple[Factor, float]]:
    """Without documentation a column may have to be high, low, at 0 or where it started."""
    if grounded.quantity.whole:
        return
    for sign in (1, -1):
        yield _towards(grounded, "linear", sign), 1.0
        yield _towards(grounded, "bounded", sign), 1.0
    yield _placed(grounded, "near", 0.0), 1.0
    yield _placed(grounded, "stray", 0.0), 1.0
    yield _progress(grounded, step, None), 1.0


def _towards(grounded: Grounded, form: Form, sign: int) -> Factor:
    return Factor(form, grounded.quantity, sign, scale=_scale(grounded, form))


def _placed(grounded: Grounded, form: Form, target: Target) -> Factor:
    word = grounded.word if target == grounded.target else ""
    return Factor(form, grounded.quantity, 1, target, word=word, scale=_scale(grounded, form))


def _progress(grounded: Grounded, step: float, target: float | None) -> Factor:
    sign, word = (grounded.sign, "") if target is None else (1, grounded.word)
    return Factor("progress", grounded.quantity, sign, target, word=word, scale=step)


def _scale(grounded: Grounded, form: Form) -> float | None:
    """The usual scale; none if it would only divide by 1."""
    moderate = grounded.quantity.moderate
    if form == "bounded":
        return 2.0 * AIM_REACH * moderate
    if form == "near":
        aimed = grounded.aim > max(grounded.keep, grounded.posture)
        return AIM_REACH * moderate if aimed else moderate
    return None if moderate == 1.0 or form in ("share", "cosine") else moderate
