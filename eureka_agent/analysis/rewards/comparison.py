"""What programs ask for and what they think of each other's policies, from the run's bank.

To score a program on recorded episodes costs next to nothing. So a program that asks for the same
as an earlier one is found before it is trained, and after each generation every program has a say
on every policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eureka_agent.analysis.bank import Bank, Entry
from eureka_agent.analysis.review_accuracy import Hindsight
from eureka_agent.analysis.rewards.agreement import SAMPLE, Alarm, Peers
from eureka_agent.analysis.rewards.distance import (
    OPPOSITE,
    SAME,
    RewardDistances,
    clusters,
    distances,
    diversity,
)
from eureka_agent.analysis.rewards.scores import Scorer
from eureka_agent.store import CandidateRow, Run

TRAINED = ("accepted", "training", "finished")
"""States of candidates of which a training exists or waits."""
TWIN = 0.01
"""Distance up to which a program goes back instead of being trained. It is below `SAME`, as sound
programs often lie as near to each other as that, and which of them trains best no look tells."""
RENEWED = 2 * TWIN
"""Distance beyond which a candidate was no equivalent after all."""


@dataclass(frozen=True)
class Twin:
    """An earlier candidate that a program equals.

    Attributes:
        candidate: its number.
        distance: how far apart they are, at most `TWIN`.
    """

    candidate: int
    distance: float


class Insight:
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

    def twins(self, candidates: Sequence[CandidateRow]) -> dict[int, Twin]:
        """Which of some new candidates equal an earlier one, or one before them among them.

        Before any policy was trained nothing tells whether programs differ where it matters, so
        that none equals another.

        Raises:
            ChildFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        sample = self._bank.sample(SAMPLE)
        if not candidates or all(entry.kind == "reference" for entry in sample):
            return {}
        new = {row.id for row in candidates}
        earlier = [r for r in self._run.candidates() if r.state in TRAINED and r.id not in new]
        rows = [*earlier, *candidates]
        matrix = self.distances([row.text for row in rows]).matrix
        return {
            rows[k].id: Twin(rows[first].id, float(matrix[k, first]))
            for k, first in enumerate(clusters(matrix, TWIN).tolist())
            if rows[k].id in new and first != k
        }

    def distances(self, texts: Sequence[str]) -> RewardDistances:
        """Distances between programs; those that cannot be scored are at none from any.

        Raises:
            ChildFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        sample = self._bank.sample(SAMPLE)
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
        self, generation: int, with_fitness: bool = True, hindsight: Hindsight | None = None
    ) -> None:
        """Record what is known after a generation, once, and tell it to its candidates.

        Args:
            generation: that has been trained.
            with_fitness: whether the fitness may tell an exploit from a success, and a reviewer
                who was right from one who was not.
            hindsight: how often the reviewer's objections were right so far.

        Raises:
            ChildFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        if self._run.insight(generation) is not None:
            return
        candidates = self._run.candidates()
        programs = _Programs(
            self, [r for r in candidates if r.state in TRAINED or r.twin is not None], self._human
        )
        finished = [row for row in candidates if row.state == "finished"]
        peers = Peers(finished, self._bank, self._scorer, programs.equals)
        raised = {late.candidate: (early, late, alarm) for early, late, alarm in peers.alarms()}
        for early, late, _ in raised.values():
            known = late.kind == "exploit"
            if not known and (not with_fitness or self._fitness(late) <= self._fitness(early)):
                self._bank.mark(late, "exploit")
        reasons = {number: alarm.reason(f"#{number}") for number, (_, _, alarm) in raised.items()}
        hindsight = hindsight if with_fitness else None
        reviews = [hindsight.sentence()] if hindsight else []
        with self._run.transaction():
            self._run.add_insight(
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
                reviews=hindsight.as_dict() if hindsight else {},
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

    def __init__(self, insight: Insight, rows: Sequence[CandidateRow], human: str) -> None:
        self._rows = rows
        texts = [row.text for row in rows]
        found = insight.distances([*texts, human] if human else texts)
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
