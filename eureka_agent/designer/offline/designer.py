"""The offline designer: composes, learns and mutates, with no language model and no network."""

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

BOLD, FINER, FINEST = (2.0, 4.0), (2.0, 3.0), (1.5, 2.0)
POOL = 32
"""Children that are made for each one that is proposed."""
PRESSURE = 2.0
"""How much likelier than the worst the best past candidate becomes a parent: e^(2 x this)."""
CROSSES = 0.3


class OfflineDesigner:
    """Writes reward programs from the documentation of a task's signals.

    The first generation says what the task sentence seems to ask for in several ways. Later ones
    change and cross the fitter programs; a linear model of what helped so far chooses among many
    such children. As long as all do equally well, the next ones lead another way first. Past
    programs are read back from their text, so nothing is kept in between.

    Args:
        task: the task.
        seed: of all chance.
        blind: see only how many signals there are and how wide, as a control: what structure and
            search achieve without documentation.
    """

    def __init__(self, task: "TaskDescription", seed: int, *, blind: bool = False) -> None:
        self.name = "offline-blind" if blind else "offline"
        self.seed = seed
        self.sight = visible_task(task, seed, blind=blind)
        self.menu = TermGrammar(self.sight)
        self.opening = InitialPopulation(self.menu)

    def propose(self, generation: int, count: int, past: Sequence[PastCandidate]) -> list[Proposal]:
        """Write `count` programs, each different from all earlier ones."""
        readable = [(p, spec) for p in past if (spec := read(p.text, self.menu))]
        seen = {canonical(spec) for _, spec in readable}
        family = _Family(self.menu, readable)
        proposals = []
        for slot in range(count):
            rng = np.random.default_rng([self.seed, generation, slot])
            spec, parents, note = self._choose(generation, slot, family, seen, rng)
            seen.add(canonical(spec))
            proposals.append(Proposal(write(spec, self.sight), parents, note))
        return proposals

    def repair(self, broken: Sequence[RepairRequest]) -> list[Proposal | None]:
        """Another change of each program that is too near to an earlier one; nothing for others."""
        return [self._another(program) for program in broken]

    def _another(self, broken: RepairRequest) -> Proposal | None:
        """A bold change, or a new mixture where that did not help; None for all other findings.

        These programs pass the critic by construction, so that nothing else can be mended.
        """
        spec = read(broken.text, self.menu)
        if spec is None or not any(finding.rule in DUPLICATE_RULES for finding in broken.findings):
            return None
        rng = np.random.default_rng([self.seed, broken.generation, broken.slot, broken.attempt])
        breeder = Mutator(self.menu, rng, BOLD)
        changes = (
            made for _ in range(POOL) if broken.attempt == 1 and (made := breeder.mutate(spec))
        )
        other, note = next(changes, None) or self.opening.mixture(rng)
        return Proposal(write(other, self.sight), (), note)

    def _choose(
        self,
        generation: int,
        slot: int,
        family: "_Family",
        seen: set[frozenset[object]],
        rng: np.random.Generator,
    ) -> tuple[Spec, tuple[int, ...], str]:
        """A new spec for a slot: the most promising child, or one of the opening."""
        if generation > 0 and family.parents:
            breeder = Mutator(self.menu, rng, (BOLD, FINER, FINEST)[min(generation - 1, 2)])
            turned = family.turned(breeder, seen) if family.undecided else None
            if turned:
                return turned
            made = family.children(breeder, slot, rng)
            children = [child for child in made if canonical(child[0]) not in seen]
            if children:
                guess = family.attribution.sample([spec for spec, _, _ in children], rng)
                return children[int(guess.argmax())]
        openings = self.opening.specs(slot if generation == 0 else len(seen), rng)
        spec, note = next((s, n) for s, n in openings if canonical(s) not in seen)
        return spec, (), note


class _Family:
    """Past specs with a fitness, the fittest first, and what they teach."""

    def __init__(self, menu: TermGrammar, readable: Sequence[tuple[PastCandidate, Spec]]) -> None:
        judged = [(p, s) for p, s in readable if p.fitness is not None or p.failure is not None]
        self.attribution = CreditModel(
            menu, [s for _, s in judged], [p.rank_key for p, _ in judged]
        )
        fit = [(p, s) for p, s in judged if p.fitness is not None]
        self.fit = sorted(fit, key=lambda f: by_merit(f[0]))
        self.parents = [(p.id, s) for p, s in self.fit]

    @property
    def undecided(self) -> bool:
        """Whether all did equally well, so that nothing tells yet which way to go."""
        return len(self.fit) > 1 and len({past.rank_key for past, _ in self.fit}) == 1

    def turned(
        self, breeder: Mutator, seen: set[frozenset[object]]
    ) -> tuple[Spec, tuple[int, ...], str] | None:
        """A new spec that leads another way than a past one; the opposite way before all others."""
        ways = [
            (place, number, made)
            for number, spec in self.parents
            for place, made in enumerate(breeder.turn(spec))
            if canonical(made[0]) not in seen
        ]
        if not ways:
            return None
        _, number, (spec, note) = min(ways, key=lambda way: way[:2])
        return spec, (number,), f"#{number}: {note}, as all did equally well"

    def children(
        self, breeder: Mutator, slot: int, rng: np.random.Generator
    ) -> Iterator[tuple[Spec, tuple[int, ...], str]]:
        """Children for a slot: the first slot's are all of the fittest, the others' of any."""
        for _ in range(POOL):
            parent, spec = self.parents[0] if slot == 0 else self._draw(rng)
            other, second = self._draw(rng)
            if other != parent and rng.random() < CROSSES:
                child = breeder.cross(spec, second)
                parents = (parent, other)
            else:
                child = breeder.mutate(spec)
                parents = (parent,)
            if child is not None:
                yield child[0], parents, f"{' and '.join(f'#{p}' for p in parents)}: {child[1]}"

    def _draw(self, rng: np.random.Generator) -> tuple[int, Spec]:
        """A parent, the likelier the better its rank."""
        place = np.linspace(1.0, -1.0, len(self.parents)) if len(self.parents) > 1 else np.zeros(1)
        odds = np.exp(PRESSURE * place)
        return self.parents[int(rng.choice(len(self.parents), p=odds / odds.sum()))]


PRIOR_SPREAD = 0.3
NOISE = 0.4
"""Spread of a rank in [-1, 1] between trainings of one program: seeds differ a lot."""
PLAUSIBILITY = 0.4
"""What a fully plausible idea is expected to add to a rank before any evidence."""
PARSIMONY = 0.12
"""What every further term costs: a shorter program is the better guess."""

Features = dict[Hashable, float]


class CreditModel:
    """What each idea, weight and width seems worth, after some specs and their fitness.

    Args:
        menu: knows how plausible ideas were before any evidence.
        specs: specs that were trained.
        merits: their `Past.merit`; None where training failed, which counts as worst.
    """

    def __init__(
        self, menu: TermGrammar, specs: Sequence[Spec], merits: Sequence[tuple[float, ...] | None]
    ) -> None:
        self.menu = menu
        self.seen = [self._features(spec) for spec in specs]
        self.ranks = ranks(merits)

    def sample(self, specs: Sequence[Spec], rng: np.random.Generator) -> np.ndarray:
        """One plausible guess, `[len(specs)]`, of the ranks of specs, as Thompson sampling does."""
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
        """Presence of ideas and quantities; log2 of weights and widths against the usual ones."""
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
                usual = self.menu.offer(factor).factor.scale
                if factor.scale and usual:
                    features["width", factor.idea] = math.log2(factor.scale / usual) / 2
        return features

    def _expectation(self, key: Hashable) -> float:
        match key:
            case "terms":
                return -PARSIMONY
            case ("idea", factor):
                return PLAUSIBILITY * self.menu.offer(factor).prior
            case _:
                return 0.0


def ranks(merits: Sequence[tuple[float, ...] | None]) -> np.ndarray:
    """Ranks in [-1, 1], best 1, equals sharing theirs; None is worst."""
    order = sorted({rank_key for rank_key in merits if rank_key is not None})
    values = np.array([-1 if rank_key is None else order.index(rank_key) for rank_key in merits])
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
