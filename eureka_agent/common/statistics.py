"""Means, differences and scores with 95 % intervals over a handful of training runs.

It does without scipy and numpy, which are slow to import.
"""

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["better", "worse", "tie", "unknown"]

# The 97.5 % quantiles of Student's t for 1 to 10 degrees of freedom; beyond, a series will do.
T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
NORMAL_QUANTILE = 1.959964
RESAMPLES = 10_000
BOOTSTRAP_SEED = 0
"""Fixed, so that the same results always show the same interval."""
NO_SCORE: dict[Verdict, str] = {
    "worse": "the human reward does worse than the bare fitness",
    "tie": "the human reward is as good as the bare fitness",
    "unknown": "too few training runs to distinguish the human reward from the bare fitness",
}
"""Why there is no human-normalised score, by the human reward's relation to the bare fitness."""
FEWEST_TRAININGS = 2
"""One training run says nothing about how far seeds differ."""
EQUAL = 0.1
"""Two rewards are as good as each other if the whole interval of their difference is within this
fraction of the better one's gain over untrained policies."""
Bounds = tuple[float | None, float | None]
"""The lowest and the highest possible value; None where there is no bound."""
UNBOUNDED: Bounds = (None, None)


@dataclass(frozen=True)
class Estimate:
    """A mean with its uncertainty.

    Attributes:
        values: the results, one number per training run.
        mean: None without values.
        interval: the 95 % t-interval of the mean within `bounds`; None with fewer than two values.
        failed: the number of training runs without a result.
        bounds: the lowest and the highest possible value.
    """

    values: tuple[float, ...]
    mean: float | None
    interval: tuple[float, float] | None
    failed: int
    bounds: Bounds = UNBOUNDED


@dataclass(frozen=True)
class Difference:
    """The difference of two means.

    Attributes:
        difference: None if a mean is missing.
        interval: its 95 % interval by Welch; None if a side has fewer than two values.
        verdict: "better" or "worse" if the interval excludes 0; "tie" if it lies so near to 0 that
            the two are as good as each other; "unknown" if there are too few training runs.
    """

    difference: float | None
    interval: tuple[float, float] | None
    verdict: Verdict


@dataclass(frozen=True)
class Score:
    """A human-normalised score: (winner - bare) / (human - bare) of the means.

    Attributes:
        value: None if there is no such score.
        interval: its 95 % interval; None if there is none.
        reason: why something is None; otherwise empty.
    """

    value: float | None
    interval: tuple[float, float] | None
    reason: str


def t_quantile(degrees: float) -> float:
    """The 97.5 % quantile of Student's t with at least 1 degree of freedom.

    Between whole degrees it is interpolated in their reciprocals, which errs to the wide side.
    """
    degrees = max(degrees, 1.0)  # what is 1 in exact numbers may be rounded
    low = math.floor(degrees)
    if low < degrees and low < len(T_QUANTILES):
        part = (1 / low - 1 / degrees) / (1 / low - 1 / (low + 1))
        return t_quantile(low) + part * (t_quantile(low + 1) - t_quantile(low))
    if low <= len(T_QUANTILES):
        return T_QUANTILES[low - 1]
    z = NORMAL_QUANTILE
    second = (z**3 + z) / (4 * degrees)
    third = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    fourth = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    return z + second + third + fourth


def estimate(values: Sequence[float], failed: int = 0, bounds: Bounds = UNBOUNDED) -> Estimate:
    """The mean of independent values with its 95 % t-interval within `bounds`; `failed` stays."""
    mean = statistics.fmean(values) if values else None
    interval = None
    if mean is not None and len(values) > 1:
        error = statistics.stdev(values) / math.sqrt(len(values))
        margin = t_quantile(len(values) - 1) * error
        interval = clipped((mean - margin, mean + margin), values, bounds)
    return Estimate(tuple(values), mean, interval, failed, bounds)


def clipped(
    interval: tuple[float, float], values: Sequence[float], bounds: Bounds
) -> tuple[float, float]:
    """An interval inside the bounds, unless a value shows that the bounds are wrong."""
    if not all(within(value, bounds) for value in values):
        return interval
    low, high = _edges(bounds)
    return max(low, interval[0]), min(high, interval[1])


def within(value: float, bounds: Bounds) -> bool:
    """Whether a value is possible."""
    low, high = _edges(bounds)
    return low <= value <= high


def _edges(bounds: Bounds) -> tuple[float, float]:
    low, high = bounds
    return -math.inf if low is None else low, math.inf if high is None else high


def compare(one: Estimate, other: Estimate, floor: float | None = None) -> Difference:
    """Whether one mean is higher than another, by Welch's t-interval of their difference.

    It allows for unequal variances; if neither side varies at all, any difference counts. Rewards
    with the same result in every training run are as good as each other.

    Args:
        one: the first mean.
        other: the mean that is subtracted.
        floor: the fitness of untrained policies; 0 if it is not known.
    """
    if one.mean is None or other.mean is None:
        return Difference(None, None, "unknown")
    difference = one.mean - other.mean
    if min(len(one.values), len(other.values)) < FEWEST_TRAININGS:
        return Difference(difference, None, "unknown")
    margin = _welch_margin(one.values, other.values)
    low, high = difference - margin, difference + margin
    near = EQUAL * max(abs(one.mean - (floor or 0.0)), abs(other.mean - (floor or 0.0)))
    verdict: Verdict = "unknown"
    if low > 0 or high < 0:
        verdict = "better" if low > 0 else "worse"
    elif one.values == other.values or max(-low, high) <= near:
        verdict = "tie"
    return Difference(difference, _possible_difference((low, high), one, other), verdict)


def _possible_difference(
    interval: tuple[float, float], one: Estimate, other: Estimate
) -> tuple[float, float]:
    """The interval of a difference without what the bounds of both sides rule out."""
    low, high = one.bounds
    if low is None or high is None or other.bounds != one.bounds:
        return interval
    inside = all(within(value, one.bounds) for value in (*one.values, *other.values))
    return clipped(interval, (), (low - high, high - low)) if inside else interval


def _welch_margin(one: Sequence[float], other: Sequence[float]) -> float:
    """Half the width of the interval of a difference of means; Welch (1947)."""
    parts = [(statistics.variance(values) / len(values), len(values)) for values in (one, other)]
    total = sum(part for part, _ in parts)
    weights = sum((part / total) ** 2 / (count - 1) for part, count in parts) if total else 0.0
    return t_quantile(1 / weights) * math.sqrt(total) if weights else 0.0


def human_normalised(winner: Estimate, human: Estimate, bare: Estimate) -> Score:
    """The winner on a scale on which the bare fitness is 0 and the human reward 1.

    There is a score only if the human reward is better than the bare fitness, by Welch's interval
    as in `compare`: otherwise it would divide by noise, or invert the winner's relation to the
    human reward.
    """
    named = {"winner": winner, "human reward": human, "bare fitness": bare}
    for name, entry in named.items():
        count = len(entry.values)
        if count < FEWEST_TRAININGS:
            results = "no result" if count == 0 else "one result"
            reason = f"the {name} has {results}, and a score needs two or more training runs"
            return Score(None, None, reason)
    relation = compare(human, bare).verdict
    if relation in NO_SCORE:
        return Score(None, None, NO_SCORE[relation])
    interval = score_interval(winner.values, human.values, bare.values)
    reason = "" if interval else "the distance of human reward and bare fitness is too uncertain"
    means = (statistics.fmean(entry.values) for entry in named.values())
    return Score(_ratio(*means), interval, reason)


def score_interval(
    winner: Sequence[float], human: Sequence[float], bare: Sequence[float]
) -> tuple[float, float] | None:
    """The percentile-bootstrap 95 % interval of the score, over training seeds.

    Each of the three sets is resampled with replacement; Efron (1979). No draw is left out: one in
    which human and bare coincide scores infinite, to the side of its winner. If these reach the
    2.5 % at either end, nothing bounds the score on that side, and there is no interval.
    """
    generator = random.Random(BOOTSTRAP_SEED)

    def drawn(values: Sequence[float]) -> float:
        return statistics.fmean(generator.choices(values, k=len(values)))

    scores = sorted(_ratio(drawn(winner), drawn(human), drawn(bare)) for _ in range(RESAMPLES))
    cut = round(0.025 * RESAMPLES)
    low, high = scores[cut], scores[-1 - cut]
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _ratio(winner: float, human: float, bare: float) -> float:
    """The score of three means; without a distance infinite, or 0 for a winner at the bare fitness.

    A distance below the resolution of the means counts as none.
    """
    gain, distance = winner - bare, abs(human - bare)
    if distance > 1e-12 * max(abs(human), abs(bare)):
        return gain / distance
    return math.copysign(math.inf, gain) if gain else 0.0


@dataclass(frozen=True)
class Proportion:
    """A fraction of a few cases with its uncertainty.

    Attributes:
        hits: the cases that count.
        of: all cases.
    """

    hits: int
    of: int

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % score interval of Wilson (1927); from 0 to 1 without a case."""
        if not self.of:
            return 0.0, 1.0
        share, z2 = self.hits / self.of, NORMAL_QUANTILE**2
        centre = (share + z2 / (2 * self.of)) / (1 + z2 / self.of)
        spread = math.sqrt(share * (1 - share) / self.of + z2 / (4 * self.of**2))
        half = NORMAL_QUANTILE * spread / (1 + z2 / self.of)
        return max(0.0, centre - half), min(1.0, centre + half)

    def as_dict(self) -> dict[str, Any]:
        """As stored."""
        return {"hits": self.hits, "of": self.of, "interval": list(self.interval)}

    def said(self) -> tuple[str, str]:
        """The count and the interval, for a person."""
        low, high = self.interval
        return f"{self.hits} of {self.of}", f"95 % interval {100 * low:.0f} to {100 * high:.0f} %"
