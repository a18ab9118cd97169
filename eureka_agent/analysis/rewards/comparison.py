"""What programs ask for and what they think of each other's policies, from the run's bank.

To score a program on recorded episodes costs next to nothing. So a program that asks for the same
as an earlier one is found before it is trained, and after each generation every program has a say
on every policy.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray, IntArray
from eureka_agent.analysis.review_accuracy import ReviewerPrecision
from eureka_agent.analysis.rewards.bank import SAMPLE_SIZE, Bank, Entry, Scorer
from eureka_agent.analysis.rewards.distance import (
    OPPOSITE,
    SAME,
    RewardDistances,
    clusters,
    distances,
    diversity,
)
from eureka_agent.common.errors import UsageError
from eureka_agent.common.text import prompt_number, prompt_percent
from eureka_agent.store import CandidateRow, Run

UNTRAINED_POLICY = -1
"""In place of a program: the policy was trained on none, as random and scripted ones are."""
LEAST_CHANGE = 0.1
"""Standard deviations by which opinions must move before an alarm is raised."""
FEWEST_PEERS = 3
"""Opinions without which their median would be somebody's."""
_FLAT = 1e-6
"""Spread, relative to the size of the values, that rounding alone can make."""


@dataclass(frozen=True)
class Opinions:
    """What `K` programs think of `P` policies.

    Attributes:
        z: mean reward per step in standard deviations from the mean of the bank `[P, K]`; NaN where
            it is not known, and throughout for programs that pay the same everywhere.
        own: the program that each policy was trained on, or `NOBODY` `[P]`.
    """

    z: FloatArray
    own: IntArray

    @property
    def own_z(self) -> FloatArray:
        """What each policy's own program thinks of it `[P]`; NaN where there is none."""
        values = self.z[np.arange(len(self.own)), np.maximum(self.own, 0)]
        return np.where(self.own >= 0, values, np.nan)

    @property
    def peers(self) -> BoolArray:
        """Which opinions are known and not the own program's `[P, K]`."""
        mine = self.own[:, None] == np.arange(self.z.shape[1])
        return np.isfinite(self.z) & ~mine


@dataclass(frozen=True)
class Alarm:
    """A policy that its own reward likes better than before, and others like less.

    Attributes:
        policy: its place in the input.
        own: the own program's opinion before and now.
        peers: likewise the median of the peers.
    """

    policy: int
    own: tuple[float, float]
    peers: tuple[float, float]

    def reason(self, name: str) -> str:
        """The same in a sentence."""
        return (
            f"{name}: its own reward rose from {prompt_number(self.own[0])} to {prompt_number(self.own[1])} "
            "standard deviations while the median of the other programs' rewards fell from "
            f"{prompt_number(self.peers[0])} to {prompt_number(self.peers[1])}: it may exploit its reward."
        )


@dataclass(frozen=True)
class PeerRanking:
    """Policies ranked by what the rewards of others say, for want of a fitness.

    Attributes:
        order: the policies, best first; those that nobody could compare last `[P]`.
        rates: share of comparisons with other policies that each wins, a tie being half `[P]`; NaN
            without comparisons.
        comparisons: how many there were `[P]`.
    """

    order: IntArray
    rates: FloatArray
    comparisons: IntArray

    def reasons(self, names: Sequence[str]) -> list[str]:
        """What the ranking says, and what it cannot say."""
        if not self.comparisons.any():
            return ["The reward of no third program compared two policies."]
        order: list[int] = self.order.tolist()
        best = order[0]
        unknown = [names[p] for p in order if not self.comparisons[p]]
        said = [
            f"{names[best]} wins {prompt_percent(float(self.rates[best]))} of {self.comparisons[best]} "
            "comparisons with other policies by the rewards of programs that neither was trained "
            "on.",
            "There is no fitness: this tells what most programs agree on, and a mistake that most "
            "of them share does not show.",
        ]
        if unknown:
            said.append(f"Nothing is known of {', '.join(unknown)}.")
        return said


def opinions(
    means: FloatArray, own: IntArray, bank: FloatArray, equals: IntArray | None = None
) -> Opinions:
    """Bring what the programs pay to one scale.

    Looks at different times compare when they are given the same bank.

    Args:
        means: mean reward per step of each policy under each program, NaN if unknown `[P, K]`.
        own: the program that each policy was trained on, or `NOBODY` `[P]`.
        bank: what each program pays for the recorded steps that give the scale `[M, K]`.
        equals: for each program the first one that it equals `[K]`, as `distance.clusters` tells:
            equal programs have one opinion together, and it is no peer's for their policies.

    Raises:
        UsageError: shapes do not fit, or `own` names programs that are not there.
    """
    policies, programs = means.shape
    if bank.ndim != 2 or bank.shape[1] != programs or not len(bank) or own.shape != (policies,):
        raise UsageError(
            f"Means {means.shape}, own programs {own.shape} and a bank {bank.shape} do not fit "
            "each other.",
            "Give [P, K], [P] and [M, K], M at least 1.",
        )
    if policies and not (UNTRAINED_POLICY <= own.min() and own.max() < programs):
        raise UsageError(
            f"A policy's own program is not among the {programs} given.",
            f"Count from 0; {UNTRAINED_POLICY} stands for none.",
        )
    sound = np.isfinite(bank).all(axis=0)
    finite = np.where(sound, bank, 0.0)
    middle, spread = finite.mean(axis=0), finite.std(axis=0)
    sound &= spread > _FLAT * np.abs(middle)
    z = np.where(sound, (means - middle) / np.where(sound, spread, 1.0), np.nan)
    if equals is not None:
        z = np.where(equals == np.arange(programs), z, np.nan)
        own = np.where(own >= 0, equals[own], UNTRAINED_POLICY)
    return Opinions(z, own)


def alarms(earlier: Opinions, later: Opinions, least: float = LEAST_CHANGE) -> list[Alarm]:
    """Policies that please their own reward more and others less than at an earlier look.

    Only peers that have an opinion at both looks are asked; too few of them raise no alarm.

    Args:
        earlier: of the same policies and programs as `later`, on the same scale.
        later: what they are now.
        least: standard deviations by which both must have moved.

    Raises:
        UsageError: the looks are not at the same policies and programs.
    """
    if earlier.z.shape != later.z.shape or not np.array_equal(earlier.own, later.own):
        raise UsageError(
            f"A look at {earlier.z.shape} and one at {later.z.shape} policies and programs do not "
            "compare.",
            "Give both the same policies and programs in the same order.",
        )
    both = earlier.peers & later.peers
    heard = both.sum(axis=1) >= FEWEST_PEERS
    before, now = _median(earlier.z, both), _median(later.z, both)
    raised = heard & (later.own_z - earlier.own_z >= least) & (before - now >= least)
    return [
        Alarm(
            int(p),
            (float(earlier.own_z[p]), float(later.own_z[p])),
            (float(before[p]), float(now[p])),
        )
        for p in np.flatnonzero(raised)
    ]


def rank_by_peers(given: Opinions) -> PeerRanking:
    """Rank policies by the comparisons that they win under the rewards of third ones.

    Two policies are compared by every program that neither was trained on: under its own reward a
    policy would win, and against another one's it would lose.
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
    order = np.argsort(-np.where(count > 0, rates, -1.0), kind="stable")
    return PeerRanking(order.astype(np.int64), rates, count)


def _median(values: FloatArray, which: BoolArray) -> FloatArray:
    """Median over the chosen values of each row `[P]`; NaN for rows without any."""
    result = np.full(len(values), np.nan)
    for row in np.flatnonzero(which.any(axis=1)):
        result[row] = np.median(values[row, which[row]])
    return result


Equals = Callable[[Sequence[int]], IntArray]
"""For each of some candidates the place among them of the first one whose program equals its own.
"""


class CrossRewardAgreement:
    """The shipped policies of candidates, and what all of their programs think of them.

    Args:
        candidates: finished ones.
        bank: has their episodes.
        scorer: scores their programs.
        equals: which programs have one opinion together.

    Raises:
        ChildFailed: programs cannot be scored.
        JobFailed: the environment cannot be set up.
    """

    def __init__(
        self, candidates: Sequence[CandidateRow], bank: Bank, scorer: Scorer, equals: Equals
    ) -> None:
        self._scorer = scorer
        sample = bank.sample(SAMPLE_SIZE)
        numbers = {row.id for row in candidates}
        held = [entry for entry in bank.entries if entry.candidate in numbers]
        scorer.score([row.text for row in candidates], [*sample, *held])
        self._judges = [row for row in candidates if row.text not in scorer.failures]
        self._place = {row.id: k for k, row in enumerate(self._judges)}
        self._scale = [entry for entry in sample if scorer.steps(entry) is not None]
        self._equals = equals([row.id for row in self._judges])
        usable = [e for e in held if e.candidate in self._place and scorer.steps(e) is not None]
        self._early = {e.candidate: e for e in usable if e.kind == "early"}
        self._shipped = [e for e in usable if e.kind != "early"]
        self._opinions = self._of(self._shipped)
        self._ranking = rank_by_peers(self._opinions) if self._opinions else None

    def rates(self) -> dict[int, float | None]:
        """By candidate the share of comparisons that its policy wins; None without any."""
        if self._ranking is None:
            return {}
        rates = self._ranking.rates.tolist()
        return {
            entry.candidate: rate if np.isfinite(rate) else None
            for entry, rate in zip(self._shipped, rates, strict=True)
        }

    def alarms(self) -> list[tuple[Entry, Entry, Alarm]]:
        """Policies that please their own reward more and others less than at the early look.

        Returns:
            The early record, the shipped one, and what changed between them.
        """
        pairs = [
            (self._early[late.candidate], late)
            for late in self._shipped
            if late.candidate in self._early and self._early[late.candidate].step < late.step
        ]
        before = self._of([early for early, _ in pairs])
        after = self._of([late for _, late in pairs])
        if before is None or after is None:
            return []
        return [(*pairs[alarm.policy], alarm) for alarm in alarms(before, after)]

    def said(self, with_fitness: bool) -> list[str]:
        """Whom the peers prefer and, where nothing measures the task, what that cannot say."""
        names = [f"#{entry.candidate}" for entry in self._shipped]
        reasons = self._ranking.reasons(names) if self._ranking else []
        return reasons[:1] if with_fitness else reasons

    def document(self) -> dict[str, Any]:
        """As stored."""
        return {
            "programs": [row.id for row in self._judges],
            "policies": [
                {"candidate": e.candidate, "step": e.step, "kind": e.kind} for e in self._shipped
            ],
            "z": self._opinions.z.tolist() if self._opinions else [],
        }

    def _of(self, entries: Sequence[Entry]) -> Opinions | None:
        """Opinions on the policies of some records; None where there are none to have."""
        if not entries or not self._judges or not self._scale:
            return None
        scale = np.concatenate([self._read(entry, "total") for entry in self._scale])
        means = np.stack([self._read(entry, "mean") for entry in entries])
        own = np.array([self._place[entry.candidate] for entry in entries])
        return opinions(means, own, scale, self._equals)

    def _read(self, entry: Entry, name: str) -> FloatArray:
        """What all judges pay for a record, `[K]` or `[R, K]`."""
        digests = [self._scorer.digest(row.text, entry) for row in self._judges]
        return np.stack([getattr(digest, name) for digest in digests], axis=-1)


TRAINED = ("accepted", "training", "finished")
"""States of candidates of which a training exists or waits."""
EQUIVALENT = 0.01
"""Distance up to which a program goes back instead of being trained. It is below `SAME`, as sound
programs often lie as near to each other as that, and which of them trains best no look tells."""
RENEWED = 2 * EQUIVALENT
"""Distance beyond which a candidate was no equivalent after all."""


@dataclass(frozen=True)
class Equivalent:
    """An earlier candidate that a program equals.

    Attributes:
        candidate: its number.
        distance: how far apart they are, at most `TWIN`.
    """

    candidate: int
    distance: float


class RewardComparison:
    """Compares the programs of a run on its bank.

    Args:
        run: where candidates are, and what is found out about them.
        bank: recorded episodes.
        scorer: scores programs on them.
        discount: of the training.
        human: text of the human reward, whose distance is reported; empty without one.
    """

    def __init__(
        self, run: Run, bank: Bank, scorer: Scorer, discount: float, human: str = ""
    ) -> None:
        self._run, self._bank, self._scorer = run, bank, scorer
        self._discount, self._human = discount, human

    def twins(self, candidates: Sequence[CandidateRow]) -> dict[int, Equivalent]:
        """Which of some new candidates equal an earlier one, or one before them among them.

        Before any policy was trained nothing tells whether programs differ where it matters, so
        that none equals another.

        Raises:
            ChildFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        sample = self._bank.sample(SAMPLE_SIZE)
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
        """Distances between programs; those that cannot be scored are at none from any.

        Raises:
            ChildFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        sample = self._bank.sample(SAMPLE_SIZE)
        self._scorer.score(texts, sample)
        entries = [entry for entry in sample if self._scorer.steps(entry) is not None]
        known = [k for k, text in enumerate(texts) if text not in self._scorer.failures]
        matrix = np.full((len(texts), len(texts)), np.nan)
        np.fill_diagonal(matrix, 0.0)
        degenerate = np.ones(len(texts), dtype=np.bool_)
        if known and entries:
            found = self._measure([texts[k] for k in known], entries)
            matrix[np.ix_(known, known)] = found.matrix
            degenerate[known] = found.degenerate
        return RewardDistances(matrix, degenerate)

    def learn(
        self,
        generation: int,
        with_fitness: bool = True,
        reviewer_precision: ReviewerPrecision | None = None,
    ) -> None:
        """Record what is known after a generation, once, and tell it to its candidates.

        Args:
            generation: that has been trained.
            with_fitness: whether the fitness may tell an exploit from a success, and a reviewer
                who was right from one who was not.
            reviewer_precision: how often the reviewer's objections were right so far.

        Raises:
            ChildFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        if self._run.reward_comparison(generation) is not None:
            return
        candidates = self._run.candidates()
        programs = _Programs(
            self, [r for r in candidates if r.state in TRAINED or r.twin is not None], self._human
        )
        finished = [row for row in candidates if row.state == "finished"]
        peers = CrossRewardAgreement(finished, self._bank, self._scorer, programs.equals)
        raised = {late.candidate: (early, late, alarm) for early, late, alarm in peers.alarms()}
        for early, late, _ in raised.values():
            known = late.kind == "exploit"
            if not known and (not with_fitness or self._fitness(late) <= self._fitness(early)):
                self._bank.mark(late, "exploit")
        reasons = {number: alarm.reason(f"#{number}") for number, (_, _, alarm) in raised.items()}
        reviewer_precision = reviewer_precision if with_fitness else None
        reviews = [reviewer_precision.sentence()] if reviewer_precision else []
        with self._run.transaction():
            self._run.add_reward_comparison(
                generation,
                distances=programs.document(),
                matrix=peers.document(),
                peers=peers.rates(),
                alarms=[_alarm(number, alarm) for number, (_, _, alarm) in raised.items()],
                said=[
                    *reviews,
                    *reasons.values(),
                    *programs.diversity(generation),
                    *programs.said(),
                    *peers.said(with_fitness),
                ],
                reviews=reviewer_precision.as_dict() if reviewer_precision else {},
            )
            self._recheck(programs)
            self._tell(generation, programs, reasons)

    def _measure(self, texts: Sequence[str], entries: Sequence[Entry]) -> RewardDistances:
        """Distances between programs that were scored on all of these records."""
        steps = [s for e in entries if (s := self._scorer.steps(e)) is not None]
        paid = [
            [d for text in texts if (d := self._scorer.digest(text, e)) is not None]
            for e in entries
        ]
        return distances(
            before=np.concatenate([s.before for s in steps]),
            after=np.concatenate([s.after for s in steps]),
            terminated=np.concatenate([s.terminated for s in steps]),
            rewards=np.concatenate([np.stack([d.total for d in row], axis=1) for row in paid]),
            discount=self._discount,
            components=(
                np.concatenate([np.concatenate([d.here for d in row], axis=1) for row in paid]),
                np.concatenate([np.concatenate([d.there for d in row], axis=1) for row in paid]),
            ),
        )

    def _fitness(self, entry: Entry) -> float:
        """Mean fitness of a record's episodes; NaN, which is below nothing, if it is lost."""
        return next((float(r.seen.fitness.mean()) for r in self._bank.read([entry])), float("nan"))

    def _recheck(self, programs: "_Programs") -> None:
        """Say of candidates that were rejected as equivalents which of them are none any more."""
        for row in self._run.candidates():
            apart = None if row.twin is None else programs.apart(row.id, row.twin)
            if apart is not None and apart > RENEWED:
                self._run.clear_twin(row.id)
                self._run.event(
                    "equivalent",
                    f"was rejected as an equivalent of #{row.twin}, but by the episodes recorded "
                    f"since then their distance is {apart:.2f}.",
                    row.id,
                )

    def _tell(self, generation: int, programs: "_Programs", alarmed: dict[int, str]) -> None:
        """Add to the reflections of a generation how its programs compare with others.

        The distance to the human reward stays out of it: a designer may not know that reward.
        """
        for row in self._run.candidates(generation):
            if row.state != "finished":
                continue
            lines = programs.neighbours(row.id)
            lines += [alarmed[row.id]] if row.id in alarmed else []
            text = "\n".join([row.reflection, *(f"- {line}" for line in lines)])
            self._run.set_reflection(row.id, text.strip())


class _Programs:
    """Programs of a run, and how far they are apart."""

    def __init__(
        self, reward_comparison: RewardComparison, rows: Sequence[CandidateRow], human: str
    ) -> None:
        self._rows = rows
        texts = [row.text for row in rows]
        found = reward_comparison.distances([*texts, human] if human else texts)
        count = len(texts)
        self._found = RewardDistances(found.matrix[:count, :count], found.degenerate[:count])
        self._human = found.matrix[count, :count] if human else None
        self._place = {row.id: k for k, row in enumerate(rows)}

    def equals(self, numbers: Sequence[int]) -> np.ndarray:
        """For each of some candidates the place among them of the first one that it equals."""
        places = [self._place[number] for number in numbers]
        return clusters(self._found.matrix[np.ix_(places, places)])

    def apart(self, first: int, second: int) -> float | None:
        """The distance between two candidates, if it is known."""
        if first not in self._place or second not in self._place:
            return None
        value = float(self._found.matrix[self._place[first], self._place[second]])
        return value if np.isfinite(value) else None

    def neighbours(self, number: int) -> list[str]:
        """Which earlier candidate a program comes nearest to, and of which it is the contrary."""
        earlier = [row.id for row in self._rows if row.id < number and row.twin is None]
        known = {n: d for n in earlier if (d := self.apart(number, n)) is not None}
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
        """How far apart the programs of a generation are, if there are two to compare."""
        places = [k for k, row in enumerate(self._rows) if row.generation == generation]
        apart = diversity(self._found.matrix[np.ix_(places, places)])
        if np.isnan(apart):
            return []
        return [
            f"The programs of generation {generation} are {apart:.2f} apart on average, where 0 is "
            "the same and about 0.7 unrelated."
        ]

    def said(self) -> list[str]:
        """Which programs ask for the same, the contrary, or nothing."""
        return self._found.reasons([f"#{row.id}" for row in self._rows])

    def document(self) -> dict[str, Any]:
        """As stored."""
        return {
            "candidates": [row.id for row in self._rows],
            "matrix": self._found.matrix.tolist(),
            "human": None if self._human is None else self._human.tolist(),
        }


def _alarm(candidate: int, alarm: Alarm) -> dict[str, Any]:
    return {"candidate": candidate, "own": list(alarm.own), "peers": list(alarm.peers)}
