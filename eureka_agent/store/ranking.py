"""Which candidate stands where: what a search chooses by, and what every view shows.

Candidates rank by the mean fitness of their training runs in the search and, where that is equal,
by the environment's dense measure of its task; in a run without a fitness, by how often the rewards
of others prefer their policy.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from eureka_agent.store.reading import RunReader
from eureka_agent.store.rows import CandidateRow, TrainingRow

UNCOMPARED = 0.5
"""Win rate of a policy that no third program could compare: as good as any."""
DIGITS = 9
"""Significant digits up to which two values are equal: sums of the same numbers may differ last."""


@dataclass(frozen=True)
class RankedCandidate:
    """A candidate with a result, as it stands among the others.

    Attributes:
        row: the candidate.
        value: what it ranks by: mean fitness on the ranking pool, or the peers' win rate.
        progress: what decides among equal values, higher is better; None where nothing does.
        trainings: the number of training runs behind the mean.
        rank: its place, 1 for the best.
    """

    row: CandidateRow
    value: float
    progress: float | None
    trainings: int
    rank: int = 0

    @property
    def rank_key(self) -> tuple[float, float]:
        """Sorts candidates; nothing that was measured distinguishes equal ones."""
        return rank_key(self.value, self.progress)


def rank_key(value: float, progress: float | None) -> tuple[float, float]:
    """What candidates are sorted by, the worse one lower: their value, then their progress."""
    known = progress is not None and math.isfinite(progress)
    return _rounded(value), _rounded(progress) if known and progress is not None else -math.inf


def ranking(run: RunReader) -> list[RankedCandidate]:
    """The candidates with a result, the best first; of equal ones the earlier first.

    Candidates without a result are left out, and so are those that broke on a second seed.
    """
    trainings: defaultdict[int | None, list[TrainingRow]] = defaultdict(list)
    for training in run.trainings("candidate"):
        trainings[training.candidate_id].append(training)
    found = [_ranked(row, trainings[row.id]) for row in run.candidates()]
    known = [candidate for candidate in found if candidate is not None]
    if not run.measured:
        comparison = run.reward_comparison()
        wins = comparison.peers if comparison else {}
        rates = [wins.get(str(candidate.row.id)) for candidate in known]
        known = [
            replace(candidate, value=UNCOMPARED if rate is None else rate, progress=None)
            for candidate, rate in zip(known, rates, strict=True)
        ]
    known.sort(key=lambda candidate: (*(-part for part in candidate.rank_key), candidate.row.id))
    return [replace(candidate, rank=rank) for rank, candidate in enumerate(known, 1)]


def solved(run: RunReader, ranked: Sequence[RankedCandidate] | None = None) -> bool | None:
    """Whether a candidate did better than untrained policies; None where that is not known.

    Args:
        run: any run.
        ranked: its `ranking`, where that is known.
    """
    untrained = run.row().measure.get("untrained")
    ranked = ranking(run) if ranked is None else ranked
    if untrained is None or not ranked or not run.measured:
        return None
    return ranked[0].rank_key[0] > _rounded(untrained)


def leader(run: RunReader) -> CandidateRow | None:
    """The candidate that ranks first."""
    return next((candidate.row for candidate in ranking(run)), None)


def _ranked(row: CandidateRow, trainings: Sequence[TrainingRow]) -> RankedCandidate | None:
    """A candidate by the means of its finished training runs; None without a sound result."""
    if row.state != "finished" or any(training.state == "failed" for training in trainings):
        return None
    over = [t for t in trainings if t.ranking_fitness is not None]
    values = [t.ranking_fitness for t in over if t.ranking_fitness is not None]
    if not values:
        value = UNCOMPARED if row.fitness is None else row.fitness
        return RankedCandidate(row, value, row.progress, 1)
    nearer = [t.progress for t in over if t.progress is not None]
    progress = statistics.fmean(nearer) if len(nearer) == len(values) else None
    return RankedCandidate(row, statistics.fmean(values), progress, len(values))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
