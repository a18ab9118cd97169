"""The first generation: the plausible aim in several forms and with several kinds of support."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from eureka_agent.designer.menu import Menu, Offer, usual_weight
from eureka_agent.designer.terms import PENALTIES, Factor, Form, Spec, Term, tidy

RIVALS = 0.9
"""Aims at least this plausible, beside the best, are as good a first guess as it."""
ALIKE = 0.8
"""A form of the aim at least this plausible, beside the best, is another way to say the same."""
WORTH_GUARDING = 0.25

Composed = tuple[Spec, str]


class Opening:
    """Composes specs from the menu alone.

    A guard is a kernel around the value that a quantity had better keep. The first slots are four
    ways to say one thing: the aim and its guards, the aim paid only where the guards hold, the aim
    alone, and the aim with guards and low speeds. Then come mixtures.
    """

    def __init__(self, menu: Menu) -> None:
        self.menu = menu
        self.aims = menu.of("aim")
        self.guards = [o for o in menu.of("keep", "posture") if o.prior >= WORTH_GUARDING]

    def specs(self, slot: int, rng: np.random.Generator) -> Iterator[Composed]:
        """Specs for a slot, the intended one first, then mixtures without end; with a note each."""
        if not self.aims:
            yield (Term(1.0, (Factor("effort"),)),), "nothing but effort to go by"
        if self.aims and slot < len(_STYLES):
            yield _STYLES[slot](self, rng)
        while True:
            yield self.mixture(rng)

    def guarded(self, rng: np.random.Generator) -> Composed:
        """The aim, a reward for each guard that holds, a little effort."""
        aim = self._aim(rng)
        terms = (Term(1.0, (aim,)), *self._beside(aim, float(rng.choice([1.0, 2.0]))))
        return (*terms, self._thrift("effort", aim)), "the most plausible aim with guards"

    def gated(self, rng: np.random.Generator) -> Composed:
        """The aim times kernels that are 1 where the guards hold, and smooth actions."""
        aim = self._aim(rng)
        forms = (o.factor for o in self.aims if o.factor.quantity == aim.quantity)
        aim = next((factor for factor in forms if factor.form not in PENALTIES), aim)
        wide = float(rng.choice([1.0, 2.0]))  # a gate that is too narrow hides the aim
        gates = tuple(_widened(guard.factor, wide) for guard in self._guards(aim))
        spec = (Term(1.0, (aim, *gates)), self._thrift("smoothness", aim))
        return spec, "the most plausible aim, paid where the guards hold"

    def plain(self, rng: np.random.Generator) -> Composed:
        """The aim and a little effort."""
        aim = self._aim(rng)
        return (Term(1.0, (aim,)), self._thrift("effort", aim)), "the most plausible aim alone"

    def other(self, rng: np.random.Generator) -> Composed:
        """Another form of the aim if one is as plausible, guards, and one speed kept low."""
        first = self._aim(rng)
        forms = [o for o in self.aims if o.factor.quantity == first.quantity]
        aim = [o for o in forms if o.prior >= ALIKE * forms[0].prior][-1].factor
        terms = [Term(1.0, (aim,)), *self._beside(aim, 1.0)]
        calm = [o for o in self.menu.of("calm") if o.factor.quantity != aim.quantity]
        terms += [Term(usual_weight(o, aim), (o.factor,)) for o in calm[:1]]
        return tuple(terms), "the most plausible aim with guards, and speeds kept low"

    def mixture(self, rng: np.random.Generator) -> Composed:
        """An aim and up to three other offers, drawn by plausibility, with weights spread about."""
        aim = draw(self.aims or self.menu.offers, rng)
        chosen: dict[object, Offer] = {aim.factor.quantity: aim}
        for _ in range(rng.integers(1, 4)):
            offer = draw(self.menu.offers, rng)
            chosen.setdefault(offer.factor.quantity or offer.factor.form, offer)
        terms = [Term(1.0, (aim.factor,))]
        for offer in list(chosen.values())[1:]:
            spread = 2.0 ** float(rng.integers(-2, 3))
            terms.append(Term(tidy(spread * usual_weight(offer, aim.factor)), (offer.factor,)))
        return tuple(terms), "a mixture of plausible terms"

    def _aim(self, rng: np.random.Generator) -> Factor:
        """The most plausible aim; one of them, where several are as plausible."""
        rivals = [o for o in self.aims if o.prior >= RIVALS * self.aims[0].prior]
        return rivals[int(rng.integers(len(rivals)))].factor

    def _guards(self, aim: Factor) -> list[Offer]:
        """Up to two kernels, about other quantities than the aim, about as plausible."""
        kernels = [o for o in self.guards if o.factor.form == "near"]
        fitting = [o for o in kernels if o.factor.quantity != aim.quantity]
        return [o for o in fitting if o.prior >= ALIKE * fitting[0].prior][:2]

    def _beside(self, aim: Factor, strength: float) -> Iterator[Term]:
        """The guards as terms, and a reward for not ending early where that can happen."""
        for guard in [*self._guards(aim), *self.menu.of("alive")]:
            yield Term(tidy(strength * usual_weight(guard, aim)), (guard.factor,))

    def _thrift(self, form: Form, aim: Factor) -> Term:
        offer = next(o for o in self.menu.of("thrift") if o.factor.form == form)
        return Term(usual_weight(offer, aim), (offer.factor,))


def _widened(factor: Factor, times: float) -> Factor:
    return replace(factor, scale=tidy((factor.scale or 1.0) * times))


_STYLES = (Opening.guarded, Opening.gated, Opening.plain, Opening.other)


def draw(offers: list[Offer], rng: np.random.Generator) -> Offer:
    """One of some offers, the more plausible the likelier."""
    priors = np.array([offer.prior**2 for offer in offers])
    return offers[int(rng.choice(len(offers), p=priors / priors.sum()))]
