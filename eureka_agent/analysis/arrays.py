"""Names for the arrays that analysis takes and gives."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]


FEWEST_EPISODES = 20
"""Episodes with a fitness below which a rank correlation is not told."""


def kendall_tau(first: FloatArray, second: FloatArray) -> float | None:
    """Rank correlation of two measures of the same episodes, ties allowed for (tau-b).

    Args:
        first: `[E]`; episodes of which either value is not finite are left out.
        second: `[E]`.

    Returns:
        From -1 to 1; None for fewer than `FEWEST_EPISODES`, or if one measure is always the same.
    """
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both], second[both]
    if len(a) < FEWEST_EPISODES:
        return None
    agree = apart_a = apart_b = 0.0
    for i in range(1, len(a)):  # a row at a time: all pairs at once may be large
        by_a, by_b = np.sign(a[:i] - a[i]), np.sign(b[:i] - b[i])
        agree += float(by_a @ by_b)
        apart_a += float(np.abs(by_a).sum())
        apart_b += float(np.abs(by_b).sum())
    return agree / (apart_a * apart_b) ** 0.5 if apart_a and apart_b else None
