"""The initial population, and new specs from earlier ones by mutation and crossover."""

from collections.abc import Iterator
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
RIVALS = 0.9
"""Aims at least this plausible, relative to the best, are as good a first guess."""
ALIKE = 0.8
"""A form of the aim at least this plausible, relative to the best, says the same."""
WORTH_GUARDING = 0.25

T = TypeVar("T")
Child = tuple[Spec, str]
"""A new spec, and how it was made."""


def draw(productions: list[Production], rng: np.random.Generator) -> Production:
    """One of some productions, the more plausible the likelier."""
    priors = np.array([production.prior**2 for production in productions])
    return productions[int(rng.choice(len(productions), p=priors / priors.sum()))]


class Mutator:
    """Changes specs at random.

    Args:
        grammar: what can be added.
        rng: the only source of chance.
        steps: the factors by which numbers are multiplied, up or down; finer in later generations.
    """

    def __init__(
        self, grammar: TermGrammar, rng: np.random.Generator, steps: tuple[float, ...]
    ) -> None:
        self.grammar, self.rng, self.steps = grammar, rng, steps

    def mutate(self, spec: Spec) -> Child | None:
        """One change of one kind; None if that kind is impossible here."""
        changes = (
            *(self._reweigh, self._reweigh, self._rescale, self._add, self._add),
            *(self._drop, self._swap, self._multiply, self._divide),
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
        return None if len(spec) > MOST_TERMS or contradicts(spec) else (spec, "crossed")

    def turn(self, spec: Spec) -> Iterator[Child]:
        """Specs with another aim: the opposite direction first, then all other aims."""
        leader, *rest = spec
        aim = leader.factors[0]
        aims = [p.factor for p in self.grammar.for_use("aim")]
        others = [factor for factor in aims if factor.quantity != aim.quantity]
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
        production = draw(self.grammar.productions, self.rng)
        ideas = {factor.idea for term in spec for factor in term.factors}
        if production.factor.idea in ideas or len(spec) == MOST_TERMS:
            return None
        leader = spec[0]
        weight = leader.weight * usual_weight(production, leader.factors[0]) * self._step()
        term = Term(tidy(weight), (production.factor,))
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
        others = [
            p
            for p in self.grammar.productions
            if p.factor.quantity == old.quantity
            and p.factor.idea != old.idea
            and (len(term.factors) == 1 or p.factor.form not in PENALTIES)
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
        conditions = self.grammar.for_use("aim", "keep", "posture")
        gates = [p for p in conditions if p.factor.form in GATES]
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
        rest, alone = term.factors[:-1], term.factors[-1:]
        changed = (*_put(spec, place, replace(term, factors=rest)), replace(term, factors=alone))
        return changed, f"{next(names(alone[0]))} as a term of its own"

    def _step(self) -> float:
        step = float(self.rng.choice(self.steps))
        return step if self.rng.random() < 0.5 else 1 / step


def _put(items: tuple[T, ...], place: int, item: T) -> tuple[T, ...]:
    return (*items[:place], item, *items[place + 1 :])


def _name(term: Term) -> str:
    return " x ".join(next(names(factor)) for factor in term.factors)


class InitialPopulation:
    """Composes specs from the grammar alone.

    A guard is a kernel around the value that a quantity should keep. The first slots say one thing
    in four ways: the aim and its guards, the aim paid only where the guards hold, the aim alone,
    and the aim with guards and low speeds. Then come mixtures.
    """

    def __init__(self, grammar: TermGrammar) -> None:
        self.grammar = grammar
        self.aims = grammar.for_use("aim")
        self.guards = [p for p in grammar.for_use("keep", "posture") if p.prior >= WORTH_GUARDING]

    def specs(self, slot: int, rng: np.random.Generator) -> Iterator[Child]:
        """Specs for a slot: the intended one first, then mixtures without end."""
        styles = (self._guarded, self._gated, self._plain, self._other)
        if not self.aims:
            yield (Term(1.0, (Factor("effort"),)),), "nothing but effort to go by"
        elif slot < len(styles):
            yield styles[slot](rng)
        while True:
            yield self.mixture(rng)

    def mixture(self, rng: np.random.Generator) -> Child:
        """An aim and up to three other productions, drawn by plausibility, with random weights."""
        aim = draw(self.aims or self.grammar.productions, rng)
        chosen: dict[object, Production] = {aim.factor.quantity: aim}
        for _ in range(rng.integers(1, 4)):
            other = draw(self.grammar.productions, rng)
            chosen.setdefault(other.factor.quantity or other.factor.form, other)
        terms = [Term(1.0, (aim.factor,))]
        for other in list(chosen.values())[1:]:
            spread = 2.0 ** float(rng.integers(-2, 3))
            terms.append(Term(tidy(spread * usual_weight(other, aim.factor)), (other.factor,)))
        return tuple(terms), "a mixture of plausible terms"

    def _guarded(self, rng: np.random.Generator) -> Child:
        """The aim, a reward for each guard that holds, a little effort."""
        aim = self._aim(rng)
        terms = (Term(1.0, (aim,)), *self._beside(aim, float(rng.choice([1.0, 2.0]))))
        return (*terms, self._thrift("effort", aim)), "the most plausible aim with guards"

    def _gated(self, rng: np.random.Generator) -> Child:
        """The aim times kernels that are 1 where the guards hold, and smooth actions."""
        aim = self._aim(rng)
        forms = (p.factor for p in self.aims if p.factor.quantity == aim.quantity)
        aim = next((factor for factor in forms if factor.form not in PENALTIES), aim)
        wide = float(rng.choice([1.0, 2.0]))  # a gate that is too narrow hides the aim
        guards = [guard.factor for guard in self._guards(aim)]
        gates = tuple(replace(g, scale=tidy((g.scale or 1.0) * wide)) for g in guards)
        spec = (Term(1.0, (aim, *gates)), self._thrift("smoothness", aim))
        return spec, "the most plausible aim, paid where the guards hold"

    def _plain(self, rng: np.random.Generator) -> Child:
        """The aim and a little effort."""
        aim = self._aim(rng)
        return (Term(1.0, (aim,)), self._thrift("effort", aim)), "the most plausible aim alone"

    def _other(self, rng: np.random.Generator) -> Child:
        """Another form of the aim if one is as plausible, guards, and one speed kept low."""
        first = self._aim(rng)
        forms = [p for p in self.aims if p.factor.quantity == first.quantity]
        aim = [p for p in forms if p.prior >= ALIKE * forms[0].prior][-1].factor
        calm = [p for p in self.grammar.for_use("calm") if p.factor.quantity != aim.quantity]
        terms = [Term(1.0, (aim,)), *self._beside(aim, 1.0)]
        terms += [Term(usual_weight(p, aim), (p.factor,)) for p in calm[:1]]
        return tuple(terms), "the most plausible aim with guards, and speeds kept low"

    def _aim(self, rng: np.random.Generator) -> Factor:
        """The most plausible aim, or one of several that are as plausible."""
        rivals = [p for p in self.aims if p.prior >= RIVALS * self.aims[0].prior]
        return rivals[int(rng.integers(len(rivals)))].factor

    def _guards(self, aim: Factor) -> list[Production]:
        """Up to two kernels, about as plausible as each other, about other quantities."""
        kernels = [p for p in self.guards if p.factor.form == "near"]
        fitting = [p for p in kernels if p.factor.quantity != aim.quantity]
        return [p for p in fitting if p.prior >= ALIKE * fitting[0].prior][:2]

    def _beside(self, aim: Factor, strength: float) -> Iterator[Term]:
        """The guards as terms, and a reward for not ending early where that can happen."""
        for guard in [*self._guards(aim), *self.grammar.for_use("alive")]:
            yield Term(tidy(strength * usual_weight(guard, aim)), (guard.factor,))

    def _thrift(self, form: Form, aim: Factor) -> Term:
        thrift = next(p for p in self.grammar.for_use("thrift") if p.factor.form == form)
        return Term(usual_weight(thrift, aim), (thrift.factor,))
