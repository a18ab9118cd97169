"""Everything that a term could be about in a task, and how plausible that is from the start."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from eureka_agent.designer.grounding import Grounded, ground
from eureka_agent.designer.sight import Sight
from eureka_agent.designer.terms import Factor, Form

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
class Offer:
    """A factor that a program could hold.

    Attributes:
        factor: the factor, with its usual scale.
        use: what it would be good for.
        prior: plausibility, 0 to 1.
    """

    factor: Factor
    use: Use
    prior: float


class Menu:
    """All offers of a task, the most plausible first.

    Attributes:
        offers: one per idea; where an idea has several uses, the most plausible one.
    """

    def __init__(self, sight: Sight) -> None:
        offers = [o for grounded in ground(sight) for o in _offers(grounded, sight)]
        offers += [
            Offer(Factor("effort"), "thrift", 0.5),
            Offer(Factor("smoothness"), "thrift", 0.4),
        ]
        if sight.can_end:
            offers.append(Offer(Factor("alive"), "alive", 0.5))
        self.offers: list[Offer] = []
        self._by_idea: dict[Factor, Offer] = {}
        self._by_code: dict[str, Factor] = {}
        for offer in sorted(offers, key=lambda o: -o.prior):
            if offer.factor.idea in self._by_idea or not offer.prior:
                continue
            self.offers.append(offer)
            self._by_idea[offer.factor.idea] = offer
            code = ast.unparse(ast.parse(offer.factor.code(SCALE_NAME)))
            self._by_code.setdefault(code, offer.factor)

    def of(self, *uses: Use) -> list[Offer]:
        """The offers for some uses, the most plausible first."""
        return [offer for offer in self.offers if offer.use in uses]

    def offer(self, factor: Factor) -> Offer:
        """The offer that a factor came from."""
        return self._by_idea[factor.idea]

    def recognise(self, code: str) -> Factor | None:
        """The factor that an expression stands for; its scale must be called `SCALE_NAME`."""
        return self._by_code.get(code)


def usual_weight(offer: Offer, aim: Factor) -> float:
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


def _offers(grounded: Grounded, sight: Sight) -> Iterator[Offer]:
    """All offers about one quantity."""
    for factor, fit in _aims(grounded, sight):
        yield Offer(factor, "aim", grounded.aim * fit)
        if sight.task and (opposite := factor.opposite):  # without a task both are there already
            yield Offer(opposite, "aim", OPPOSITE * grounded.aim * fit)
    target = 0.0 if grounded.target is None else grounded.target
    kept = target if grounded.word else "start"
    places: list[tuple[Use, float, float | Literal["start"]]] = [
        ("keep", grounded.keep, kept),
        ("posture", grounded.posture, "start"),
    ]
    for use, score, place in places:
        for form, fit in _FORMS_OF_PLACE:
            yield Offer(_placed(grounded, form, place), use, 0.8 * score * fit)
    still = Factor("square", grounded.quantity, target=0.0, scale=_scale(grounded, "square"))
    yield Offer(still, "calm", 0.5 * grounded.calm)


def _aims(grounded: Grounded, sight: Sight) -> Iterator[tuple[Factor, float]]:
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


def _blind_aims(grounded: Grounded, sight: Sight) -> Iterator[tuple[Factor, float]]:
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


def _progress(grounded: Grounded, sight: Sight, target: float | None) -> Factor:
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
