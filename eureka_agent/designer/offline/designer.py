"""The offline designer: composes, learns and mutates, with no language model and no network."""

import functools
import math
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from eureka_agent.designer.base import (
    DUPLICATE_RULES,
    PastCandidate,
    Proposal,
    RepairRequest,
    by_merit,
)
from eureka_agent.designer.offline.grounding import visible_task
from eureka_agent.designer.offline.mutation import InitialPopulation, Mutator
from eureka_agent.designer.offline.program_text import read, write
from eureka_agent.designer.offline.term_grammar import Spec, TermGrammar, canonical

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

STEPS = (2.0, 4.0), (2.0, 3.0), (1.5, 2.0)
"""Factors by which numbers change in the second, the third and all later generations."""
CHILDREN = 32
"""Children that are made for each one that is proposed."""
PRESSURE = 2.0
"""The best past candidate is e^(2 x this) times as likely to become a parent as the worst."""
CROSSOVER_RATE = 0.3
PRIOR_SPREAD = 0.3
NOISE = 0.4
"""Standard deviation of a rank in [-1, 1] between training seeds of one program."""
PLAUSIBILITY = 0.4
"""What a fully plausible idea is expected to add to a rank before any evidence."""
PARSIMONY = 0.12
"""Cost of every further term: a shorter program is the better guess."""

Features = dict[Hashable, float]
Choice = tuple[Spec, tuple[int, ...], str]
"""A new spec, the numbers of its parents, and how it was made."""


class OfflineDesigner:
    """Writes reward programs from the documentation of a task's signals.

    The first generation expresses the task sentence in several ways. Later ones mutate and cross
    the fitter programs, and a linear model of what helped so far chooses among many children. While
    all programs do equally well, the next ones try other directions first. Past programs are read
    back from their text, so that a resumed run needs nothing else.

    Args:
        task: the task.
        seed: of all randomness.
        blind: see only the number and sizes of the signals, as a control experiment: what structure
            and search achieve without documentation.
    """

    def __init__(self, task: "TaskDescription", seed: int, *, blind: bool = False) -> None:
        self.name = "offline-blind" if blind else "offline"
        self.seed = seed
        self.visible = visible_task(task, seed, blind=blind)
        self.grammar = TermGrammar(self.visible)
        self.initial = InitialPopulation(self.grammar)
        self._spec_of = functools.cache(lambda text: read(text, self.grammar))

    def propose(self, generation: int, count: int, past: Sequence[PastCandidate]) -> list[Proposal]:
        """Write `count` programs, each different from all earlier ones."""
        readable = [(p, spec) for p in past if (spec := self._spec_of(p.text))]
        seen = {canonical(spec) for _, spec in readable}
        parents = _Parents(self.grammar, readable)
        proposals = []
        for slot in range(count):
            rng = np.random.default_rng([self.seed, generation, slot])
            spec, numbers, note = self._choose(generation, slot, parents, seen, rng)
            seen.add(canonical(spec))
            proposals.append(Proposal(write(spec, self.visible), numbers, note))
        return proposals

    def repair(self, broken: Sequence[RepairRequest]) -> list[Proposal | None]:
        """Change each program that is too near to an earlier one; None for all others."""
        return [self._another(program) for program in broken]

    def _another(self, broken: RepairRequest) -> Proposal | None:
        """A bold change, or a new mixture if that did not help; None for all other findings.

        The programs pass the critic by construction, so nothing else can be repaired.
        """
        spec = self._spec_of(broken.text)
        if spec is None or not any(finding.rule in DUPLICATE_RULES for finding in broken.findings):
            return None
        rng = np.random.default_rng([self.seed, broken.generation, broken.slot, broken.attempt])
        mutator = Mutator(self.grammar, rng, STEPS[0])
        tries = CHILDREN if broken.attempt == 1 else 0
        changes = (made for _ in range(tries) if (made := mutator.mutate(spec)))
        other, note = next(changes, None) or self.initial.mixture(rng)
        return Proposal(write(other, self.visible), (), note)

    def _choose(
        self,
        generation: int,
        slot: int,
        parents: "_Parents",
        seen: set[frozenset[object]],
        rng: np.random.Generator,
    ) -> Choice:
        """The spec for a slot: the most promising child, or one of the initial population."""
        if generation > 0 and parents.specs:
            mutator = Mutator(self.grammar, rng, STEPS[min(generation, len(STEPS)) - 1])
            turned = parents.turned(mutator, seen) if parents.undecided else None
            if turned:
                return turned
            made = parents.children(mutator, slot, rng)
            children = [child for child in made if canonical(child[0]) not in seen]
            if children:
                guess = parents.credit.sample([spec for spec, _, _ in children], rng)
                return children[int(guess.argmax())]
        initial = self.initial.specs(slot if generation == 0 else len(seen), rng)
        spec, note = next((s, n) for s, n in initial if canonical(s) not in seen)
        return spec, (), note


class _Parents:
    """Past specs with a fitness, and what all past specs teach.

    Attributes:
        credit: the model of what helped.
        specs: number and spec of each candidate with a fitness, the fittest first.
        undecided: whether all did equally well, so that nothing shows a direction yet.
    """

    def __init__(
        self, grammar: TermGrammar, readable: Sequence[tuple[PastCandidate, Spec]]
    ) -> None:
        judged = [(p, s) for p, s in readable if p.fitness is not None or p.failure is not None]
        self.credit = CreditModel(grammar, [s for _, s in judged], [p.rank_key for p, _ in judged])
        fit = sorted((f for f in judged if f[0].fitness is not None), key=lambda f: by_merit(f[0]))
        self.specs = [(p.id, s) for p, s in fit]
        count = len(fit)
        odds = np.exp(PRESSURE * (np.linspace(1.0, -1.0, count) if count > 1 else np.zeros(count)))
        self._odds = odds / odds.sum()
        self.undecided = count > 1 and len({past.rank_key for past, _ in fit}) == 1

    def turned(self, mutator: Mutator, seen: set[frozenset[object]]) -> Choice | None:
        """A new spec with another aim than a past one; opposite directions come first."""
        ways = [
            (place, number, made)
            for number, spec in self.specs
            for place, made in enumerate(mutator.turn(spec))
            if canonical(made[0]) not in seen
        ]
        if not ways:
            return None
        _, number, (spec, note) = min(ways, key=lambda way: way[:2])
        return spec, (number,), f"#{number}: {note}, as all did equally well"

    def children(self, mutator: Mutator, slot: int, rng: np.random.Generator) -> Iterator[Choice]:
        """Children for a slot; those of the first slot all have the fittest parent."""
        for _ in range(CHILDREN):
            parent, spec = self.specs[0] if slot == 0 else self._draw(rng)
            other, second = self._draw(rng)
            parents: tuple[int, ...] = (parent,)
            if other != parent and rng.random() < CROSSOVER_RATE:
                child = mutator.cross(spec, second)
                parents = (parent, other)
            else:
                child = mutator.mutate(spec)
            if child is not None:
                yield child[0], parents, f"{' and '.join(f'#{p}' for p in parents)}: {child[1]}"

    def _draw(self, rng: np.random.Generator) -> tuple[int, Spec]:
        """A parent, the likelier the better its rank."""
        return self.specs[int(rng.choice(len(self.specs), p=self._odds))]


class CreditModel:
    """What each idea, weight and width adds to a spec's rank.

    A Bayesian linear regression of ranks on features, with normal prior and noise (Bishop, Pattern
    Recognition and Machine Learning, section 3.3).

    Args:
        grammar: knows how plausible ideas were before any evidence.
        specs: specs that were trained.
        merits: the `PastCandidate.rank_key` of each; None if its training failed, which is worst.
    """

    def __init__(
        self,
        grammar: TermGrammar,
        specs: Sequence[Spec],
        merits: Sequence[tuple[float, ...] | None],
    ) -> None:
        self.grammar = grammar
        self.seen = [self._features(spec) for spec in specs]
        self.ranks = ranks(merits)

    def sample(self, specs: Sequence[Spec], rng: np.random.Generator) -> np.ndarray:
        """A draw of the specs' ranks `[len(specs)]` from the posterior (Thompson sampling)."""
        asked = [self._features(spec) for spec in specs]
        keys = dict.fromkeys(key for features in self.seen + asked for key in features)
        columns = {key: place for place, key in enumerate(keys)}
        prior = np.array([self._expectation(key) for key in columns])
        known, wanted = _matrix(self.seen, columns), _matrix(asked, columns)
        precision = np.eye(len(columns)) / PRIOR_SPREAD**2 + known.T @ known / NOISE**2
        surprise = known.T @ (self.ranks - known @ prior) / NOISE**2
        mean = prior + np.linalg.solve(precision, surprise)
        root = np.linalg.cholesky(np.linalg.inv(precision))
        return wanted @ (mean + root @ rng.standard_normal(len(columns)))

    def _features(self, spec: Spec) -> Features:
        """Presence of ideas and quantities; log2 of weights and widths relative to usual ones."""
        features: Features = {
            "terms": len(spec) - 1,
            "products": sum(len(term.factors) - 1 for term in spec),
        }
        largest = max(term.weight for term in spec)
        for term in spec:
            features["weight", term.ideas] = math.log2(term.weight / largest) / 4
            for factor in term.factors:
                features["idea", factor.idea] = 1
                if factor.quantity is not None:
                    features["about", factor.quantity] = 0.7
                usual = self.grammar.production(factor).factor.scale
                if factor.scale and usual:
                    features["width", factor.idea] = math.log2(factor.scale / usual) / 2
        return features

    def _expectation(self, key: Hashable) -> float:
        match key:
            case "terms":
                return -PARSIMONY
            case ("idea", factor):
                return PLAUSIBILITY * self.grammar.production(factor).prior
            case _:
                return 0.0


def ranks(merits: Sequence[tuple[float, ...] | None]) -> np.ndarray:
    """Ranks in [-1, 1], the best 1; equals share a rank; None is worst."""
    order = sorted({merit for merit in merits if merit is not None})
    values = np.array([-1 if merit is None else order.index(merit) for merit in merits])
    if len(values) < 2:
        return np.zeros(len(values))
    below = (values[:, None] > values[None, :]).sum(1)
    above = (values[:, None] < values[None, :]).sum(1)
    return (below - above) / (len(values) - 1)


def _matrix(rows: Sequence[Features], columns: dict[Hashable, int]) -> np.ndarray:
    matrix = np.zeros((len(rows), len(columns)))
    for row, features in enumerate(rows):
        for key, value in features.items():
            matrix[row, columns[key]] = value
    return matrix
