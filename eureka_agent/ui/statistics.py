"""Means with 95 % intervals over a handful of trainings, without scipy, which is slow to import."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

# The 97.5 % quantiles of Student's t for 1 to 10 degrees of freedom; beyond, a series will do.
T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
NORMAL_QUANTILE = 1.959964


@dataclass(frozen=True)
class Estimate:
    """A mean and how sure one can be of it.

    Attributes:
        values: what was measured, one number per training.
        mean: None without values.
        interval: the 95 % t-interval of the mean; None with fewer than two values.
        failed: how many trainings gave no number.
    """

    values: tuple[float, ...]
    mean: float | None
    interval: tuple[float, float] | None
    failed: int


def t_quantile(degrees: int) -> float:
    """The 97.5 % quantile of Student's t with at least 1 degree of freedom."""
    if degrees <= len(T_QUANTILES):
        return T_QUANTILES[degrees - 1]
    z = NORMAL_QUANTILE
    second = (z**3 + z) / (4 * degrees)
    third = (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)
    fourth = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * degrees**3)
    return z + second + third + fourth


def estimate(values: Sequence[float], failed: int = 0) -> Estimate:
    """The mean of independent values with its 95 % t-interval; `failed` is passed on."""
    mean = statistics.fmean(values) if values else None
    interval = None
    if mean is not None and len(values) > 1:
        error = statistics.stdev(values) / math.sqrt(len(values))
        margin = t_quantile(len(values) - 1) * error
        interval = (mean - margin, mean + margin)
    return Estimate(tuple(values), mean, interval, failed)
