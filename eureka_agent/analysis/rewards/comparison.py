"""Compare rewards: which ask for the same, and do other rewards agree that a policy is good?

Scoring a program on recorded episodes costs next to nothing. So the search finds a program that
asks for the same as an earlier one before it trains, and after each generation every program ranks
every policy. To its own reward a policy always looks good; the rewards of others are opinions that
it was not trained to please.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from eureka_agent.analysis.rewards.bank import Bank, Entry, Scorer
from eureka_agent.analysis.rewards.distance import (
    OPPOSITE,
    SAME,
    RewardDistances,
    clusters,
    distances,
    diversity,
)
from eureka_agent.common.text import prompt_number, prompt_percent
from eureka_agent.environment.episodes import BoolArray, FloatArray, IntArray
from eureka_agent.store import CandidateRow, Run

LEAST_CHANGE = 0.1
"""Standard deviations by which opinions must move before an alarm is raised."""
FEWEST_PEERS = 3
"""Fewest opinions with a median that is not a single program's."""
ROUNDING = 1e-6
"""Spread, relative to the size of the values, that rounding alone can make."""
TRAINED = ("accepted", "training", "finished")
"""States of candidates that have a training run, or wait for one."""
EQUIVALENT = 0.01
"""Distance up to which a program goes back instead of being trained. It is below `SAME`: sound
programs often lie that near to each other, and only training shows which is best."""
NO_LONGER_EQUIVALENT = 2 * EQUIVALENT
"""Distance beyond which a candidate was no equivalent after all."""

FirstEqual = Callable[[Sequence[int]], IntArray]
"""For each candidate of a list, the index of the first one whose program equals its own.
"""


class ReviewSummary(Protocol):
    """How often a reviewer's objections were right, in numbers and for a person."""

    def as_dict(self) -> dict[str, Any]:
        """The counts as stored."""
        ...

    def sentence(self) -> str:
        """The counts in a sentence."""
        ...


@dataclass(frozen=True)
class Opinions:
    """Opinions of `K` programs on `P` policies.

    Attributes:
        z: mean reward per step as a standard score over the bank `[P, K]`; NaN where it is not
            known, and throughout for programs that return the same everywhere.
        own: the program that each policy was trained on `[P]`.
    """

    z: FloatArray
    own: IntArray

    @property
    def own_z(self) -> FloatArray:
        """The opinion of each policy's own program `[P]`."""
        return self.z[np.arange(len(self.own)), self.own]

    @property
    def peers(self) -> BoolArray:
        """Mask of known opinions, without the own program's `[P, K]`."""
        mine = self.own[:, None] == np.arange(self.z.shape[1])
        return np.isfinite(self.z) & ~mine


@dataclass(frozen=True)
class Alarm:
    """A policy that its own reward likes better than before, and others like less.

    Attributes:
        policy: its place in the input.
        own: the own program's opinion before and now.
        peers: the median of the other programs' before and now.
    """

    policy: int
    own: tuple[float, float]
    peers: tuple[float, float]

    def reason(self, name: str) -> str:
        """The alarm in a sentence."""
        (own_before, own_now), (before, now) = (
            map(prompt_number, pair) for pair in (self.own, self.peers)
        )
        return (
            f"{name}: its own reward rose from {own_before} to {own_now} standard deviations while "
            f"the median of the other programs' rewards fell from {before} to {now}: it may "
            "exploit its reward."
        )

    def as_dict(self, candidate: int) -> dict[str, Any]:
        """The alarm as stored."""
        return {"candidate": candidate, "own": list(self.own), "peers": list(self.peers)}


@dataclass(frozen=True)
class PeerRanking:
    """Policies ranked by the rewards of other programs, where there is no fitness.

    Attributes:
        rates: fraction of comparisons with other policies that each wins, a tie being half `[P]`;
            NaN without comparisons.
        comparisons: their number `[P]`.
    """

    rates: FloatArray
    comparisons: IntArray

    def reasons(self, names: Sequence[str]) -> list[str]:
        """Sentences about the ranking and its limits."""
        if not self.comparisons.any():
            return ["The reward of no third program compared two policies."]
        best = int(np.nanargmax(self.rates))
        unknown = [names[p] for p in np.flatnonzero(self.comparisons == 0).tolist()]
        said = [
            f"{names[best]} wins {prompt_percent(float(self.rates[best]))} of "
            f"{self.comparisons[best]} comparisons with other policies by the rewards of programs "
            "that neither was trained on.",
            "There is no fitness: this tells what most programs agree on, and a mistake that most "
            "of them share does not show.",
        ]
        if unknown:
            said.append(f"Nothing is known of {', '.join(unknown)}.")
        return said


def opinions(
    means: FloatArray, own: IntArray, bank: FloatArray, equals: IntArray | None = None
) -> Opinions:
    """Bring the rewards of all programs to one scale.

    Evaluations at different times are comparable if they use the same bank.

    Args:
        means: mean reward per step of each policy under each program, NaN if unknown `[P, K]`.
        own: the program that each policy was trained on `[P]`.
        bank: reward of each program on the recorded steps that give the scale `[M, K]`.
        equals: for each program the first one that it equals, see `distance.clusters` `[K]`. Equal
            programs have one opinion together, and it is no peer's opinion of their policies.
    """
    programs = means.shape[1]
    sound = np.isfinite(bank).all(axis=0)
    finite = np.where(sound, bank, 0.0)
    middle, spread = finite.mean(axis=0), finite.std(axis=0)
    sound &= spread > ROUNDING * np.abs(middle)
    z = np.where(sound, (means - middle) / np.where(sound, spread, 1.0), np.nan)
    if equals is not None:
        z = np.where(equals == np.arange(programs), z, np.nan)
        own = equals[own]
    return Opinions(z, own)


def alarms(earlier: Opinions, later: Opinions, least: float = LEAST_CHANGE) -> list[Alarm]:
    """Policies that please their own reward more and others less than at an earlier evaluation.

    Only peers that have an opinion both times count; too few of them raise no alarm.

    Args:
        earlier: on the same policies, programs and scale as `later`.
        later: the present ones.
        least: standard deviations by which both must have moved.
    """
    both = earlier.peers & later.peers
    own = np.stack([earlier.own_z, later.own_z], axis=1)
    raised = []
    for p in np.flatnonzero(both.sum(axis=1) >= FEWEST_PEERS).tolist():
        before, now = (float(np.median(found.z[p, both[p]])) for found in (earlier, later))
        own_before, own_now = own[p].tolist()
        if own_now - own_before >= least and before - now >= least:
            raised.append(Alarm(p, (own_before, own_now), (before, now)))
    return raised


def rank_by_peers(given: Opinions) -> PeerRanking:
    """Rank policies by the comparisons that they win under the rewards of third programs.

    Every program compares the policies that were not trained on it: under its own reward a policy
    would win, and against another one's it would lose.
    """
    policies, programs = given.z.shape
    wins, count = np.zeros(policies), np.zeros(policies, dtype=np.int64)
    for k in range(programs):
        judged = np.flatnonzero(given.peers[:, k])
        values = given.z[judged, k]
        beats = np.sign(values[:, None] - values[None, :])
        wins[judged] += ((beats + 1.0) / 2.0).sum(axis=1) - 0.5  # not against itself
        count[judged] += len(judged) - 1
    rates = np.where(count > 0, wins / np.maximum(count, 1), np.nan)
    return PeerRanking(rates, count)


class CrossRewardAgreement:
    """Opinions of all programs on the selected policies of candidates.

    Args:
        candidates: finished ones.
        bank: has their episodes.
        scorer: scores their programs.
        equals: the programs that have one opinion together.

    Raises:
        WorkerFailed: programs cannot be scored.
        JobFailed: the environment cannot be set up.
    """

    def __init__(
        self, candidates: Sequence[CandidateRow], bank: Bank, scorer: Scorer, equals: FirstEqual
    ) -> None:
        self._scorer = scorer
        sample = bank.sample()
        numbers = {row.id for row in candidates}
        held = [entry for entry in bank.entries if entry.candidate in numbers]
        scorer.score([row.text for row in candidates], [*sample, *held])
        self._judges = [row for row in candidates if row.text not in scorer.failures]
        self._place = {row.id: k for k, row in enumerate(self._judges)}
        self._scale = [entry for entry in sample if scorer.steps(entry) is not None]
        self._equals = equals([row.id for row in self._judges])
        usable = [e for e in held if e.candidate in self._place and scorer.steps(e) is not None]
        self._early = {e.candidate: e for e in usable if e.kind == "early"}
        self._selected = [e for e in usable if e.kind != "early"]
        self._opinions = self._of(self._selected)
        self._ranking = rank_by_peers(self._opinions) if self._opinions else None

    def rates(self) -> dict[int, float | None]:
        """Fraction of comparisons that each candidate's policy wins; None without any."""
        if self._ranking is None:
            return {}
        rates = self._ranking.rates.tolist()
        return {
            entry.candidate: rate if np.isfinite(rate) else None
            for entry, rate in zip(self._selected, rates, strict=True)
        }

    def alarms(self) -> list[tuple[Entry, Entry, Alarm]]:
        """Policies that please their own reward more and others less than at the early evaluation.

        Returns:
            The early record, the selected one, and what changed between them.
        """
        pairs = [
            (self._early[late.candidate], late)
            for late in self._selected
            if late.candidate in self._early and self._early[late.candidate].step < late.step
        ]
        before = self._of([early for early, _ in pairs])
        after = self._of([late for _, late in pairs])
        if before is None or after is None:
            return []
        return [(*pairs[alarm.policy], alarm) for alarm in alarms(before, after)]

    def said(self, with_fitness: bool) -> list[str]:
        """Sentences on the peers' favourite policy and, without a fitness, on its limits."""
        names = [f"#{entry.candidate}" for entry in self._selected]
        reasons = self._ranking.reasons(names) if self._ranking else []
        return reasons[:1] if with_fitness else reasons

    def document(self) -> dict[str, Any]:
        """The opinions as stored."""
        return {
            "programs": [row.id for row in self._judges],
            "policies": [
                {"candidate": e.candidate, "step": e.step, "kind": e.kind} for e in self._selected
            ],
            "z": self._opinions.z.tolist() if self._opinions else [],
        }

    def _of(self, entries: Sequence[Entry]) -> Opinions | None:
        """Opinions on the policies of some records; None without any."""
        if not entries or not self._judges or not self._scale:
            return None
        scale = np.concatenate([self._read(entry, "total") for entry in self._scale])
        means = np.stack([self._read(entry, "mean") for entry in entries])
        own = np.array([self._place[entry.candidate] for entry in entries])
        return opinions(means, own, scale, self._equals)

    def _read(self, entry: Entry, name: str) -> FloatArray:
        """Rewards of all programs on a record, `[K]` or `[R, K]`."""
        samples = [self._scorer.rewards(row.text, entry) for row in self._judges]
        return np.stack([getattr(sample, name) for sample in samples], axis=-1)


@dataclass(frozen=True)
class Equivalent:
    """An earlier candidate that a program equals.

    Attributes:
        candidate: its number.
        distance: between the two, at most `EQUIVALENT`.
    """

    candidate: int
    distance: float


class RewardComparison:
    """Compares the programs of a run on its bank.

    Args:
        run: has the candidates, and keeps the results.
        bank: recorded episodes.
        scorer: scores programs on them.
        discount: of the training, gamma.
        human: text of the human reward, whose distance is reported; empty without one.
    """

    def __init__(
        self, run: Run, bank: Bank, scorer: Scorer, discount: float, human: str = ""
    ) -> None:
        self._run, self._bank, self._scorer = run, bank, scorer
        self._discount, self._human = discount, human

    def equivalents(self, candidates: Sequence[CandidateRow]) -> dict[int, Equivalent]:
        """New candidates that equal an earlier one, or one before them in the list.

        Before any policy was trained there are none: nothing shows yet whether programs
        differ where it matters.

        Raises:
            WorkerFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        sample = self._bank.sample()
        if not candidates or all(entry.kind == "reference" for entry in sample):
            return {}
        new = {row.id for row in candidates}
        earlier = [r for r in self._run.candidates() if r.state in TRAINED and r.id not in new]
        rows = [*earlier, *candidates]
        matrix = self.distances([row.text for row in rows]).matrix
        return {
            rows[k].id: Equivalent(rows[first].id, float(matrix[k, first]))
            for k, first in enumerate(clusters(matrix, EQUIVALENT).tolist())
            if rows[k].id in new and first != k
        }

    def distances(self, texts: Sequence[str]) -> RewardDistances:
        """Distances between programs; those that cannot be scored have none.

        Raises:
            WorkerFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        sample = self._bank.sample()
        self._scorer.score(texts, sample)
        steps = [(e, s) for e in sample if (s := self._scorer.steps(e)) is not None]
        known = [k for k, text in enumerate(texts) if text not in self._scorer.failures]
        matrix = np.full((len(texts), len(texts)), np.nan)
        np.fill_diagonal(matrix, 0.0)
        degenerate = np.ones(len(texts), dtype=np.bool_)
        if known and steps:
            rewards = [
                [r for k in known if (r := self._scorer.rewards(texts[k], e)) is not None]
                for e, _ in steps
            ]
            found = distances(
                before=np.concatenate([s.before for _, s in steps]),
                after=np.concatenate([s.after for _, s in steps]),
                terminated=np.concatenate([s.terminated for _, s in steps]),
                rewards=np.concatenate([np.stack([r.total for r in row], 1) for row in rewards]),
                discount=self._discount,
                components=(
                    np.concatenate([np.concatenate([r.here for r in row], 1) for row in rewards]),
                    np.concatenate([np.concatenate([r.there for r in row], 1) for row in rewards]),
                ),
            )
            matrix[np.ix_(known, known)] = found.matrix
            degenerate[known] = found.degenerate
        return RewardDistances(matrix, degenerate)

    def learn(
        self,
        generation: int,
        with_fitness: bool = True,
        precision: ReviewSummary | None = None,
    ) -> None:
        """Compare programs and policies after a generation, once, and add that to the reflections.

        Args:
            generation: the last that trained.
            with_fitness: whether the fitness may separate reward hacks from successes, and right
                objections from wrong ones.
            precision: how often the reviewer's objections were right so far.

        Raises:
            WorkerFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        if self._run.reward_comparison(generation) is not None:
            return
        candidates = self._run.candidates()
        programs = _Programs(
            self, [r for r in candidates if r.state in TRAINED or r.twin is not None], self._human
        )
        finished = [row for row in candidates if row.state == "finished"]
        agreement = CrossRewardAgreement(finished, self._bank, self._scorer, programs.first_equal)
        raised = {late.candidate: (early, late, alarm) for early, late, alarm in agreement.alarms()}
        for early, late, _ in raised.values():
            known = late.kind == "exploit"
            if not known and (not with_fitness or self._fitness(late) <= self._fitness(early)):
                self._bank.mark_exploit(late)
        reasons = {number: alarm.reason(f"#{number}") for number, (_, _, alarm) in raised.items()}
        precision = precision if with_fitness else None
        with self._run.transaction():
            self._run.add_reward_comparison(
                generation,
                distances=programs.document(),
                matrix=agreement.document(),
                peers=agreement.rates(),
                alarms=[alarm.as_dict(number) for number, (_, _, alarm) in raised.items()],
                said=[
                    *([precision.sentence()] if precision else []),
                    *reasons.values(),
                    *programs.diversity(generation),
                    *programs.said(),
                    *agreement.said(with_fitness),
                ],
                reviews=precision.as_dict() if precision else {},
            )
            self._recheck_equivalents(programs)
            for row in self._run.candidates(generation):
                if row.state == "finished":
                    # Without the distance to the human reward, which no designer may know.
                    lines = programs.neighbours(row.id)
                    lines += [reasons[row.id]] if row.id in reasons else []
                    text = "\n".join(f"- {line}" for line in lines)
                    self._run.set_reflection(row.id, text, "comparison")

    def _fitness(self, entry: Entry) -> float:
        """Mean fitness of a record's episodes; NaN, which is below nothing, if it is lost."""
        records = self._bank.read([entry])
        return next((float(r.evaluated.fitness.mean()) for r in records), float("nan"))

    def _recheck_equivalents(self, programs: "_Programs") -> None:
        """Clear candidates that were rejected as equivalents and turn out not to be."""
        for row in self._run.candidates():
            apart = None if row.twin is None else programs.distance(row.id, row.twin)
            if apart is not None and apart > NO_LONGER_EQUIVALENT:
                self._run.clear_twin(row.id)
                self._run.event(
                    "equivalent",
                    f"was rejected as an equivalent of #{row.twin}, but by the episodes recorded "
                    f"since then their distance is {apart:.2f}.",
                    row.id,
                )


class _Programs:
    """Programs of a run, and the distances between them."""

    def __init__(
        self, comparison: RewardComparison, rows: Sequence[CandidateRow], human: str
    ) -> None:
        self._rows = rows
        texts = [row.text for row in rows]
        found = comparison.distances([*texts, human] if human else texts)
        count = len(texts)
        self._found = RewardDistances(found.matrix[:count, :count], found.degenerate[:count])
        self._human = found.matrix[count, :count] if human else None
        self._place = {row.id: k for k, row in enumerate(rows)}

    def first_equal(self, numbers: Sequence[int]) -> IntArray:
        """For each candidate of a list, the index of the first one that it equals."""
        places = [self._place[number] for number in numbers]
        return clusters(self._found.matrix[np.ix_(places, places)])

    def distance(self, first: int, second: int) -> float | None:
        """The distance between two candidates, if it is known."""
        if first not in self._place or second not in self._place:
            return None
        value = float(self._found.matrix[self._place[first], self._place[second]])
        return value if np.isfinite(value) else None

    def neighbours(self, number: int) -> list[str]:
        """Sentences on the nearest earlier candidate, and on those that a program contradicts."""
        earlier = [row.id for row in self._rows if row.id < number and row.twin is None]
        known = {n: d for n in earlier if (d := self.distance(number, n)) is not None}
        lines = []
        nearest = min(known, key=lambda n: known[n], default=None)
        if nearest is not None and known[nearest] <= SAME:
            lines.append(
                f"It asks for much the same as #{nearest}: their distance is {known[nearest]:.2f}, "
                "where 0 is the same and 1 the contrary."
            )
        contrary = [f"#{n}" for n, apart in known.items() if apart >= OPPOSITE]
        if contrary:
            lines.append(f"It asks for the contrary of {', '.join(contrary)}.")
        return lines

    def diversity(self, generation: int) -> list[str]:
        """A sentence on the mean distance in a generation, if there are two programs to compare."""
        places = [k for k, row in enumerate(self._rows) if row.generation == generation]
        apart = diversity(self._found.matrix[np.ix_(places, places)])
        if np.isnan(apart):
            return []
        return [
            f"The programs of generation {generation} are {apart:.2f} apart on average, where 0 is "
            "the same and about 0.7 unrelated."
        ]

    def said(self) -> list[str]:
        """Sentences on programs that ask for the same, for the contrary, or for nothing."""
        return self._found.reasons([f"#{row.id}" for row in self._rows])

    def document(self) -> dict[str, Any]:
        """The distances as stored."""
        return {
            "candidates": [row.id for row in self._rows],
            "matrix": self._found.matrix.tolist(),
            "human": None if self._human is None else self._human.tolist(),
        }
