"""Making new specs from earlier ones: small changes, and crosses of two."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np

from eureka_agent.designer.offline.program_text import names
from eureka_agent.designer.offline.term_grammar import (
    GATES,
    PENALTIES,
    TUNABLE,
    Factor,
    Form,
    Production,
    Spec,
    Term,
    TermGrammar,
    contradicts,
    tidy,
    usual_weight,
)

MOST_TERMS = 6
LEAST_WEIGHT, MOST_WEIGHT = 1e-3, 1e3

T = TypeVar("T")
Child = tuple[Spec, str]


class Mutator:
    """Changes specs at random.

    Args:
        menu: what can be added.
        rng: the only source of chance.
        steps: the factors by which numbers are multiplied, up or down; finer in later generations.
    """

    def __init__(
        self, menu: TermGrammar, rng: np.random.Generator, steps: tuple[float, ...]
    ) -> None:
        self.menu = menu
        self.rng = rng
        self.steps = steps

    def mutate(self, spec: Spec) -> Child | None:
        """One change of one kind, and what it was; None where that kind cannot be made here."""
        changes: tuple[Callable[[Spec], Child | None], ...] = (
            self._reweigh,
            self._reweigh,
            self._rescale,
            self._add,
            self._add,
            self._drop,
            self._swap,
            self._multiply,
            self._divide,
        )
        child = changes[self.rng.integers(len(changes))](spec)
        if child is None or len({term.ideas for term in child[0]}) < len(child[0]):
            return None  # two terms about one idea would only hide its weight
        return None if contradicts(child[0]) else child

    def cross(self, first: Spec, second: Spec) -> Child | None:
        """The leading term of one parent and each other term of either, if drawn."""
        terms = {first[0].ideas: first[0]}
        for term in (*first[1:], *second):
            if self.rng.random() < 0.6:
                terms.setdefault(term.ideas, term)
        spec = tuple(terms.values())
        if len(spec) > MOST_TERMS or contradicts(spec):
            return None
        return spec, "crossed"

    def turn(self, spec: Spec) -> Iterator[Child]:
        """Specs that lead another way: the opposite direction first, then the menu's other aims."""
        leader, *rest = spec
        aim = leader.factors[0]
        others = [o.factor for o in self.menu.of("aim") if o.factor.quantity != aim.quantity]
        opposite = aim.opposite
        for factor in [opposite, *others] if opposite else others:
            if any(f.quantity == factor.quantity for f in leader.factors[1:]):
                continue  # it would be gated by itself
            factors = (factor, *leader.factors[1:])
            kept = [t for t in rest if all(f.quantity != factor.quantity for f in t.factors)]
            note = f"{next(names(factor))} instead of {_name(leader)}"
            if factor == opposite:
                note = f"the opposite of {_name(leader)}"
            yield (replace(leader, factors=factors), *kept), note

    def _reweigh(self, spec: Spec) -> Child | None:
        if len(spec) < 2:
            return None
        place = int(self.rng.integers(len(spec)))
        term, step = spec[place], self._step()
        weight = min(MOST_WEIGHT, max(LEAST_WEIGHT, tidy(term.weight * step)))
        changed = _put(spec, place, replace(term, weight=weight))
        return changed, f"weight of {_name(term)} x {step:.2g}"

    def _rescale(self, spec: Spec) -> Child | None:
        places = [
            (i, j)
            for i, term in enumerate(spec)
            for j, factor in enumerate(term.factors)
            if factor.form in TUNABLE
        ]
        if not places:
            return None
        i, j = places[self.rng.integers(len(places))]
        factor, step = spec[i].factors[j], self._step()
        assert factor.scale is not None
        changed = replace(factor, scale=tidy(factor.scale * step))
        term = replace(spec[i], factors=_put(spec[i].factors, j, changed))
        return _put(spec, i, term), f"width of {next(names(factor))} x {step:.2g}"

    def _add(self, spec: Spec) -> Child | None:
        offer = draw(self.menu.offers, self.rng)
        ideas = {factor.idea for term in spec for factor in term.factors}
        if offer.factor.idea in ideas or len(spec) == MOST_TERMS:
            return None
        leader = spec[0]
        weight = leader.weight * usual_weight(offer, leader.factors[0]) * self._step()
        term = Term(tidy(weight), (offer.factor,))
        return (*spec, term), f"added {_name(term)}"

    def _drop(self, spec: Spec) -> Child | None:
        if len(spec) < 2:
            return None
        place = int(self.rng.integers(len(spec)))
        return (*spec[:place], *spec[place + 1 :]), f"dropped {_name(spec[place])}"

    def _swap(self, spec: Spec) -> Child | None:
        """Another form for a factor about the same quantity."""
        place = int(self.rng.integers(len(spec)))
        term = spec[place]
        old = term.factors[0]
        alone = len(term.factors) == 1
        others = [
            offer
            for offer in self.menu.offers
            if offer.factor.quantity == old.quantity
            and offer.factor.idea != old.idea
            and (alone or offer.factor.form not in PENALTIES)
        ]
        if not others or old.quantity is None:
            return None
        new = draw(others, self.rng).factor
        changed = replace(term, factors=(new, *term.factors[1:]))
        note = f"{new.form} instead of {old.form} for {old.quantity.label}"
        return _put(spec, place, changed), note

    def _multiply(self, spec: Spec) -> Child | None:
        """Pay a term only where another condition holds."""
        places = [i for i, t in enumerate(spec) if t.factors[0].form not in PENALTIES]
        gates = [o for o in self.menu.of("aim", "keep", "posture") if o.factor.form in GATES]
        if not places or not gates:
            return None
        place = places[self.rng.integers(len(places))]
        term, gate = spec[place], draw(gates, self.rng).factor
        if len(term.factors) == 3 or any(f.quantity == gate.quantity for f in term.factors):
            return None
        changed = replace(term, factors=(*term.factors, gate))
        return _put(spec, place, changed), f"{_name(term)} only where {next(names(gate))}"

    def _divide(self, spec: Spec) -> Child | None:
        """Pay the last factor of a product on its own."""
        places = [i for i, term in enumerate(spec) if len(term.factors) > 1]
        if not places or len(spec) == MOST_TERMS:
            return None
        place = places[self.rng.integers(len(places))]
        term = spec[place]
        rest, loose = replace(term, factors=term.factors[:-1]), term.factors[-1]
        alone = replace(term, factors=(loose,))
        return (*_put(spec, place, rest), alone), f"{next(names(loose))} as a term of its own"

    def _step(self) -> float:
        step = float(self.rng.choice(self.steps))
        return step if self.rng.random() < 0.5 else 1 / step


def _put(items: tuple[T, ...], place: int, item: T) -> tuple[T, ...]:
    return (*items[:place], item, *items[place + 1 :])


def _name(term: Term) -> str:
    return " x ".join(next(names(factor)) for factor in term.factors)


RIVALS = 0.9
"""Aims at least this plausible, beside the best, are as good a first guess as it."""
ALIKE = 0.8
"""A form of the aim at least this plausible, beside the best, is another way to say the same."""
WORTH_GUARDING = 0.25

Composed = tuple[Spec, str]


class InitialPopulation:
    """Composes specs from the menu alone.

    A guard is a kernel around the value that a quantity had better keep. The first slots are four
    ways to say one thing: the aim and its guards, the aim paid only where the guards hold, the aim
    alone, and the aim with guards and low speeds. Then come mixtures.
    """

    def __init__(self, menu: TermGrammar) -> None:
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
        chosen: dict[object, Production] = {aim.factor.quantity: aim}
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

    def _guards(self, aim: Factor) -> list[Production]:
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


_STYLES = (
    InitialPopulation.guarded,
    InitialPopulation.gated,
    InitialPopulation.plain,
    InitialPopulation.other,
)


def draw(offers: list[Production], rng: np.random.Generator) -> Production:
    """One of some offers, the more plausible the likelier."""
    priors = np.array([offer.prior**2 for offer in offers])
    return offers[int(rng.choice(len(offers), p=priors / priors.sum()))]
