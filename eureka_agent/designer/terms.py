"""The grammar of the programs that the offline designer writes: factors, terms and specs."""

from dataclasses import dataclass, field, replace
from typing import Literal

from eureka_agent.designer.sight import Quantity

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
