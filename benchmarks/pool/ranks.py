"""Rank correlations, and how sure one can be of them with a few dozen programs.

Both kinds come from one picture: who beats whom, for all pairs. Values may be infinite; ties count
as ties (mean ranks, tau-b).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eureka_agent.common.errors import UsageError

Values: TypeAlias = NDArray[np.float64]
Statistic: TypeAlias = Callable[[Values, Values], float]
"""A correlation of two pictures of `N` things, as `duels` draws them."""
RESAMPLES = 2000
FEWEST = 4
"""Things below which an order says nothing."""


@dataclass(frozen=True)
class Correlation:
    """A rank correlation, and how it would differ with other things of the kind.

    Attributes:
        value: from -1 to 1.
        count: things that were compared.
        drawn: its values with other draws of the things `[RESAMPLES]`.
    """

    value: float
    count: int
    drawn: Values

    def as_dict(self) -> dict[str, Any]:
        """Its value with the 95 % interval and the count, rounded for keeping."""
        low, high = np.nanquantile(self.drawn, [0.025, 0.975]).tolist()
        numbers = {"value": self.value, "low": low, "high": high}
        return {name: round(v, 4) for name, v in numbers.items()} | {"count": self.count}


def duels(values: Values) -> Values:
    """1 where the one of the row has more than that of the column, -1 where less `[N, N]`."""
    more = values[:, None] > values[None, :]
    return more.astype(np.float64) - more.T


def kendall(first: Values, second: Values) -> float:
    """Kendall's tau-b of two pictures; NaN where one of them is all ties."""
    return _cosine(first.reshape(-1), second.reshape(-1))


def spearman(first: Values, second: Values) -> float:
    """Spearman's rho of two pictures; NaN where one of them is all ties."""
    return _cosine(first.sum(axis=1), second.sum(axis=1))  # twice the ranks, from their mean


def correlate(
    measures: Values, truths: Values, statistic: Statistic, chance: int = 0
) -> Correlation | None:
    """How far measures order things as the truth does, on average over seeds.

    Things of which a measure is not known on some seed are left out.

    Args:
        measures: `[S, N]`, NaN where unknown.
        truths: `[S, N]`.
        statistic: `spearman` or `kendall`.
        chance: seed of the draws of things, with replacement; the same results with the same seed
            always have the same interval.

    Returns:
        None for fewer than `FEWEST` things, or if some side is the same for all.

    Raises:
        UsageError: shapes differ.
    """
    if measures.shape != truths.shape or measures.ndim != 2:
        raise UsageError(
            f"Measures {measures.shape} and truths {truths.shape} do not fit.", "Give [S, N] both."
        )
    known = ~np.isnan(measures).any(axis=0) & ~np.isnan(truths).any(axis=0)
    count = int(known.sum())
    if count < FEWEST:
        return None
    pairs = [
        (duels(m), duels(t)) for m, t in zip(measures[:, known], truths[:, known], strict=True)
    ]

    def mean(which: NDArray[np.int64]) -> float:
        square = np.ix_(which, which)
        return float(np.mean([statistic(m[square], t[square]) for m, t in pairs]))

    value = mean(np.arange(count))
    if np.isnan(value):
        return None
    generator = np.random.default_rng(chance)
    drawn = [mean(generator.integers(0, count, count)) for _ in range(RESAMPLES)]
    return Correlation(value, count, np.array(drawn))


def mean_of(correlations: Sequence[Correlation]) -> Correlation:
    """The mean of at least one correlation, each of other things."""
    return Correlation(
        float(np.mean([c.value for c in correlations])),
        sum(c.count for c in correlations),
        np.mean([c.drawn for c in correlations], axis=0),
    )


def _cosine(first: Values, second: Values) -> float:
    size = float((first @ first) * (second @ second)) ** 0.5
    return float(first @ second) / size if size else float("nan")
