"""Making new specs from earlier ones: small changes, and crosses of two."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np

from eureka_agent.designer.menu import Menu, usual_weight
from eureka_agent.designer.opening import draw
from eureka_agent.designer.phrases import names
from eureka_agent.designer.terms import GATES, PENALTIES, TUNABLE, Spec, Term, contradicts, tidy

MOST_TERMS = 6
LEAST_WEIGHT, MOST_WEIGHT = 1e-3, 1e3

T = TypeVar("T")
Child = tuple[Spec, str]


class Breeder:
    """Changes specs at random.

    Args:
        menu: what can be added.
        rng: the only source of chance.
        steps: the factors by which numbers are multiplied, up or down; finer in later generations.
    """

    def __init__(self, menu: Menu, rng: np.random.Generator, steps: tuple[float, ...]) -> None:
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
