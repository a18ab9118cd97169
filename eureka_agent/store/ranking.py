"""Which candidate stands where: what a search chooses by, and what every view shows.

Candidates rank by the mean fitness of their trainings in the search and, where that is equal, by
the environment's dense measure of its task; in a run that does without a fitness, by how often the
rewards of others prefer their policy.
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
        trainings: how many trainings the mean is of.
    """

    row: CandidateRow
    value: float
    progress: float | None
    trainings: int

    @property
    def rank_key(self) -> tuple[float, float]:
        """Sorts candidates; equal ones cannot be told apart by anything that was measured."""
        return rank_key(self.value, self.progress)


def rank_key(value: float, progress: float | None) -> tuple[float, float]:
    """What candidates are sorted by, the worse one lower: their value, then their progress."""
    known = progress is not None and math.isfinite(progress)
    return _rounded(value), _rounded(progress) if known and progress is not None else -math.inf


def ranking(run: RunReader) -> list[RankedCandidate]:
    """How candidates stand, the best first, of equals the earlier one.

    Candidates without a result are left out, and so are those that broke on a second seed.
    """
    trainings: defaultdict[int | None, list[TrainingRow]] = defaultdict(list)
    for training in run.trainings("candidate"):
        trainings[training.candidate_id].append(training)
    found = [_ranked_candidate(row, trainings[row.id]) for row in run.candidates()]
    known = [standing for standing in found if standing is not None]
    if not run.measured:
        known = _by_peers(run, known)
    return sorted(
        known, key=lambda standing: (*(-part for part in standing.rank_key), standing.row.id)
    )


def solved(run: RunReader, ranked: Sequence[RankedCandidate] | None = None) -> bool | None:
    """Whether a candidate did better than policies without training; None where nothing says so.

    Args:
        run: any run.
        ranked: its `ranking`, where that is known.
    """
    row = run.row()
    untrained = row.measure.get("untrained")
    ranked = ranking(run) if ranked is None else ranked
    if untrained is None or not ranked or not run.measured:
        return None
    return ranked[0].rank_key[0] > _rounded(untrained)


def _ranked_candidate(
    row: CandidateRow, trainings: Sequence[TrainingRow]
) -> RankedCandidate | None:
    """A candidate by the means of its trainings that are over; None without a sound result."""
    if row.state != "finished" or any(training.state == "failed" for training in trainings):
        return None
    over = [t for t in trainings if t.ranking_fitness is not None]
    values = [t.ranking_fitness for t in over if t.ranking_fitness is not None]
    if not values:
        return RankedCandidate(
            row, UNCOMPARED if row.fitness is None else row.fitness, row.progress, 1
        )
    nearer = [t.progress for t in over if t.progress is not None]
    progress = statistics.fmean(nearer) if len(nearer) == len(values) else None
    return RankedCandidate(row, statistics.fmean(values), progress, len(values))


def _by_peers(run: RunReader, known: Sequence[RankedCandidate]) -> list[RankedCandidate]:
    reward_comparison = run.reward_comparison()
    rates = reward_comparison.peers if reward_comparison else {}
    given = [rates.get(str(standing.row.id)) for standing in known]
    return [
        replace(standing, value=UNCOMPARED if rate is None else rate, progress=None)
        for standing, rate in zip(known, given, strict=True)
    ]


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def leader(run: RunReader) -> CandidateRow | None:
    """The candidate that ranks first."""
    return next((standing.row for standing in ranking(run)), None)
