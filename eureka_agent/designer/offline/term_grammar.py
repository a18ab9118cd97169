"""The grammar of the programs that the offline designer writes: factors, terms and specs."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
        word: what the target is called; may be empty.
        scale: the width or scale, in the quantity's unit; None if the form needs none.
    """

    form: Form
    quantity: Quantity | None = None
    sign: int = 1
    target: float | Literal["start"] | None = None
    origin: float | None = None
    word: str = field(default="", compare=False)  # the same is asked for, whatever it is called
    scale: float | None = None

    @property
    def idea(self) -> "Factor":
        """The factor without its number: two widths of one kernel are one idea."""
        return replace(self, scale=None)

    @property
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
        """The expression, `[M]`, in which `scale` names the scale."""
        if self.quantity is None:
            return {
                "effort": "-action.square().mean(-1)",
                "smoothness": "-(action - prev_action).square().mean(-1)",
                "alive": "(~terminated).float()",
            }[self.form]
        if self.quantity.whole:
            return self._vector_code(scale)
        x = self.quantity.read()
        minus = "-" if self.sign < 0 else ""
        over = f" / {scale}" if self.scale is not None else ""
        error = self._error()
        ratio = f"{_bracketed(error)}{over}" if over else error
        match self.form:
            case "linear":
                return f"{minus}{x}{over}"
            case "bounded":
                return f"torch.tanh({minus}{x}{over})"
            case "share":
                return self._share(x)
            case "cosine":
                return f"(1.0 + torch.cos({error})) / 2.0"
            case "near":
                return f"torch.exp(-{_bracketed(ratio)}.square())"
            case "stray":
                return f"-{_bracketed(error)}.abs(){over}"
            case "square":
                return f"-{_bracketed(ratio)}.square()"
            case _:
                return f"({self._gain()}){over}"

    def _vector_code(self, scale: str) -> str:
        """The expression for all columns together, by their Euclidean distance from the target."""
        over = f" / {scale}" if self.scale is not None else ""
        error = self._error()
        ratio = f"{_bracketed(error)}{over}" if over else error
        length = f"{_bracketed(error)}.square().sum(-1).sqrt()"
        match self.form:
            case "near":
                return f"torch.exp(-{_bracketed(ratio)}.square().sum(-1))"
            case "stray":
                return f"-{length}{over}"
            case "square":
                return f"-{_bracketed(ratio)}.square().mean(-1)"
            case _:
                before = f"{_bracketed(self._error('prev_'))}.square().sum(-1).sqrt()"
                near, far = (length, before) if self.sign > 0 else (before, length)
                return f"({far} - {near}){over}"

    def _error(self, prefix: str = "") -> str:
        """The quantity minus its target."""
        assert self.quantity is not None
        x = self.quantity.read(prefix)
        if self.target == "start":
            return f"{x} - {self.quantity.read('start_')}"
        return _minus(x, self.target or 0.0)

    def _share(self, x: str) -> str:
        assert isinstance(self.target, float) and self.origin is not None
        if self.target > self.origin:
            return f"({_minus(x, self.origin)}) / {self.target - self.origin!r}"
        return f"({self.origin!r} - {x}) / {self.origin - self.target!r}"

    def _gain(self) -> str:
        """One control step's change for the better."""
        assert self.quantity is not None
        now, before = self.quantity.read(), self.quantity.read("prev_")
        if self.target is not None:
            before, now = _bracketed(self._error("prev_")), _bracketed(self._error())
            near, far = (now, before) if self.sign > 0 else (before, now)
            return f"{far}.abs() - {near}.abs()"
        return f"{now} - {before}" if self.sign > 0 else f"{before} - {now}"


@dataclass(frozen=True)
class Term:
    """A weight and the factors it is multiplied by."""

    weight: float
    factors: tuple[Factor, ...]

    @property
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


Use = Literal["aim", "keep", "posture", "calm", "thrift", "alive"]

AIM_REACH = 2.0
"""Kernels around an aim are this much wider than moderate, so that they are felt from afar."""
OPPOSITE = 0.1
"""Plausibility of the opposite direction beside the one that the task seems to ask for."""
SCALE_NAME = "scale_0"
"""Stands for the name of a scale where expressions are compared."""

# A kernel is bounded: unlike a charge that grows with the error it cannot drown the aim.
_FORMS_OF_PLACE: tuple[tuple[Form, float], ...] = (("near", 1.0), ("stray", 0.8), ("square", 0.6))


@dataclass(frozen=True)
class Production:
    """A factor that a program could hold.

    Attributes:
        factor: the factor, with its usual scale.
        use: what it would be good for.
        prior: plausibility, 0 to 1.
    """

    factor: Factor
    use: Use
    prior: float


class TermGrammar:
    """All offers of a task, the most plausible first.

    Attributes:
        offers: one per idea; where an idea has several uses, the most plausible one.
    """

    def __init__(self, sight: VisibleTask) -> None:
        offers = [o for grounded in ground(sight) for o in _offers(grounded, sight)]
        offers += [
            Production(Factor("effort"), "thrift", 0.5),
            Production(Factor("smoothness"), "thrift", 0.4),
        ]
        if sight.can_end:
            offers.append(Production(Factor("alive"), "alive", 0.5))
        self.offers: list[Production] = []
        self._by_idea: dict[Factor, Production] = {}
        self._by_code: dict[str, Factor] = {}
        for offer in sorted(offers, key=lambda o: -o.prior):
            if offer.factor.idea in self._by_idea or not offer.prior:
                continue
            self.offers.append(offer)
            self._by_idea[offer.factor.idea] = offer
            code = ast.unparse(ast.parse(offer.factor.code(SCALE_NAME)))
            self._by_code.setdefault(code, offer.factor)

    def of(self, *uses: Use) -> list[Production]:
        """The offers for some uses, the most plausible first."""
        return [offer for offer in self.offers if offer.use in uses]

    def offer(self, factor: Factor) -> Production:
        """The offer that a factor came from."""
        return self._by_idea[factor.idea]

    def recognise(self, code: str) -> Factor | None:
        """The factor that an expression stands for; its scale must be called `SCALE_NAME`."""
        return self._by_code.get(code)


def usual_weight(offer: Production, aim: Factor) -> float:
    """A weight for an offer beside an aim of weight 1.

    An aim that is never above 1 is easily drowned, so what stands beside it weighs less. Who keeps
    still keeps its posture, so beside a motion that weighs little, too.
    """
    beside_bounded = aim.form not in ("linear", "progress")
    match offer.use:
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


def _offers(grounded: Grounded, sight: VisibleTask) -> Iterator[Production]:
    """All offers about one quantity."""
    for factor, fit in _aims(grounded, sight):
        yield Production(factor, "aim", grounded.aim * fit)
        if sight.task and (opposite := factor.opposite):  # without a task both are there already
            yield Production(opposite, "aim", OPPOSITE * grounded.aim * fit)
    target = 0.0 if grounded.target is None else grounded.target
    kept = target if grounded.word else "start"
    places: list[tuple[Use, float, float | Literal["start"]]] = [
        ("keep", grounded.keep, kept),
        ("posture", grounded.posture, "start"),
    ]
    for use, score, place in places:
        for form, fit in _FORMS_OF_PLACE:
            yield Production(_placed(grounded, form, place), use, 0.8 * score * fit)
    still = Factor("square", grounded.quantity, target=0.0, scale=_scale(grounded, "square"))
    yield Production(still, "calm", 0.5 * grounded.calm)


def _aims(grounded: Grounded, sight: VisibleTask) -> Iterator[tuple[Factor, float]]:
    """The forms in which a quantity can be the aim, and how well each suits it."""
    quantity, target, sign = grounded.quantity, grounded.target, grounded.sign
    kind = quantity.signal.kind
    if not sight.task:
        yield from _blind_aims(grounded, sight)
    elif grounded.origin is not None:
        yield Factor("share", quantity, 1, target, grounded.origin, grounded.word), 1.0
        yield _placed(grounded, "near", target), 0.8
        yield _progress(grounded, sight, target), 0.3
    elif target is not None:
        wrapped = quantity.signal.unit == "rad" and not quantity.whole
        if wrapped:
            yield Factor("cosine", quantity, 1, target, word=grounded.word), 1.0
        yield _placed(grounded, "near", target), 0.8
        yield _placed(grounded, "stray", target), 0.5 if wrapped else 1.0
        yield _progress(grounded, sight, target), 0.3 if wrapped else 0.8
    elif quantity.whole:  # away from where all columns are 0
        yield replace(_progress(grounded, sight, 0.0), sign=-1), 1.0
    elif kind in ("position", "distance", "goal"):
        yield _progress(grounded, sight, None), 1.0
        yield _towards(grounded, "linear", sign), 0.7
    else:
        yield _towards(grounded, "linear", sign), 1.0
        yield _towards(grounded, "bounded", sign), 0.7


def _blind_aims(grounded: Grounded, sight: VisibleTask) -> Iterator[tuple[Factor, float]]:
    """Without documentation every column could be wanted high, low, at 0 or where it started."""
    if grounded.quantity.whole:
        return
    for sign in (1, -1):
        yield _towards(grounded, "linear", sign), 1.0
        yield _towards(grounded, "bounded", sign), 1.0
    yield _placed(grounded, "near", 0.0), 1.0
    yield _placed(grounded, "stray", 0.0), 1.0
    yield _progress(grounded, sight, None), 1.0


def _towards(grounded: Grounded, form: Form, sign: int) -> Factor:
    return Factor(form, grounded.quantity, sign, scale=_scale(grounded, form))


def _placed(grounded: Grounded, form: Form, target: float | Literal["start"] | None) -> Factor:
    word = grounded.word if target == grounded.target else ""
    return Factor(form, grounded.quantity, 1, target, word=word, scale=_scale(grounded, form))


def _progress(grounded: Grounded, sight: VisibleTask, target: float | None) -> Factor:
    word = grounded.word if target is not None else ""
    sign = 1 if target is not None else grounded.sign
    return Factor("progress", grounded.quantity, sign, target, word=word, scale=sight.control_step)


def _scale(grounded: Grounded, form: Form) -> float | None:
    """The usual scale; none where dividing by 1 would only clutter the program."""
    moderate = grounded.quantity.moderate
    if form == "bounded":
        return 2.0 * AIM_REACH * moderate
    if form == "near":
        aimed = grounded.aim > max(grounded.keep, grounded.posture)
        return AIM_REACH * moderate if aimed else moderate
    return None if moderate == 1.0 or form in ("share", "cosine") else moderate
