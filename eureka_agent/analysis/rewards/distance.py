"""Distances between rewards by what they ask for, whatever their scale and shaping.

Rewards that differ by a positive factor, by a potential (`gamma * P(after) - P(before)`) or, where
episodes never end early, by a constant, have the same best policies. So each is brought into a form
without such differences, `r - V(before) + gamma * V(after)`, which takes away what its own value
function `V` expects. The distance is the sine of half the angle between the forms, `sqrt((1 - cos)
/ 2)`.

The idea is that of STARC metrics (Skalse et al., 2024, "STARC: A General Framework For Quantifying
Differences Between Reward Functions"). The values are fitted by least-squares temporal differences
(LSTD; Bradtke and Barto, 1996) on recorded transitions, all programs at once; the same bank always
gives the same distances.

A bank knows only what policies have visited: rewards that differ elsewhere are equal here, until
the bank grows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eureka_agent.environment.episodes import BoolArray, FloatArray, IntArray

SAME = 0.03
"""Distance up to which rewards are the same: what the fit leaves of shaping is about 0.02."""
OPPOSITE = 0.95
"""Distance from which one reward asks for the contrary of the other."""

COSINES = 256
"""Random Fourier features (Rahimi and Recht, 2007) of the value function."""
CLIP = 5.0
"""Standard deviations at which states are clipped."""
PENALTY = 1e-5
"""Ridge penalty on the weights of the value function: with it a bank of a few thousand transitions,
which may not hold where a policy stays for long, gives the same distances as a large one."""
NOTHING = 1e-6
"""Size of a form, relative to its reward, that rounding to float32 alone can make."""
_SEED = 20_240_311


@dataclass(frozen=True)
class RewardDistances:
    """Distances between `K` programs, by their place in the input.

    Attributes:
        matrix: 0 the same, 1 the contrary, about 0.7 unrelated `[K, K]`; symmetric, and NaN in the
            rows and columns of programs that are `degenerate`.
        degenerate: programs that return the same whatever a policy does, or a number that is not
            finite somewhere `[K]`: they have no distance from anything.
    """

    matrix: FloatArray
    degenerate: BoolArray

    def reasons(self, names: Sequence[str]) -> list[str]:
        """Sentences on programs that ask for the same, for the contrary, or for nothing."""
        said = [
            f"{names[k]} has no distance to others: on the recorded steps it pays the same "
            "whatever a policy does, up to shaping, or numbers that are not finite."
            for k in np.flatnonzero(self.degenerate).tolist()
        ]
        for k, first in enumerate(clusters(self.matrix).tolist()):
            if first != k:
                apart = f"distance {self.matrix[k, first]:.3f}"
                said.append(f"{names[k]} asks for the same as {names[first]} ({apart}).")
        for j, k in opposites(self.matrix):
            said.append(f"{names[k]} asks for the contrary of {names[j]}.")
        return said


class ValueFeatures:
    """Features of a value function: a constant, the columns, their squares and random cosines.

    The columns are standardised and clipped. The directions of the cosines are random but fixed,
    the same ones for the same number of columns.

    Args:
        states: columns of all states that will be seen `[M, S]`; an entry that is not finite is
            unknown and counts as the mean.
        discount: of the rewards, gamma.
    """

    def __init__(self, states: FloatArray, discount: float) -> None:
        self._standardise = _Standardise(states)
        self._constant = 1.0 / (1.0 - discount)
        generator = np.random.default_rng(_SEED)
        columns = states.shape[1]
        scale = 1.0 / max(self._standardise.moving, 1) ** 0.5
        self._directions = generator.normal(size=(columns, COSINES)) * scale
        self._phases = generator.uniform(0.0, 2.0 * np.pi, COSINES)

    def __call__(self, states: FloatArray) -> FloatArray:
        """Features `[M, 1 + 2 S + COSINES]` of states `[M, S]`.

        The constant comes first. Its size is such that a reward of 1 is a change of 1 in its
        weight: then it needs no penalty, and a constant is taken away exactly.
        """
        z = self._standardise(states)
        constant = np.full((len(z), 1), self._constant)
        waves = np.cos(z @ self._directions + self._phases)
        return np.concatenate([constant, z, z * z, waves], axis=1)


class _Standardise:
    """Columns with mean 0 and spread 1, clipped; those that never move become 0."""

    def __init__(self, values: FloatArray) -> None:
        known = np.isfinite(values)
        count = np.maximum(known.sum(axis=0), 1)
        self._mean = np.where(known, values, 0.0).sum(axis=0) / count
        apart = np.where(known, values - self._mean, 0.0)
        spread = np.sqrt((apart * apart).sum(axis=0) / count)
        moves = spread > NOTHING * np.abs(self._mean)
        self.moving = int(moves.sum())
        self._factor = np.where(moves, 1.0 / np.where(moves, spread, 1.0), 0.0)

    def __call__(self, values: FloatArray) -> FloatArray:
        known = np.isfinite(values)
        z = np.where(known, (np.where(known, values, 0.0) - self._mean) * self._factor, 0.0)
        return np.clip(z, -CLIP, CLIP)


def distances(
    before: NDArray[Any],
    after: NDArray[Any],
    terminated: BoolArray,
    rewards: NDArray[Any],
    discount: float,
    components: tuple[NDArray[Any], NDArray[Any]] | None = None,
) -> RewardDistances:
    """Distances between all programs, from their rewards on the same transitions.

    Args:
        before: columns of the state before each step `[M, S]`: all signals, and `prev_action`.
        after: the same columns after the step and before any reset `[M, S]`; the action of the
            step stands for `prev_action`.
        terminated: whether the episode ended there, time limits apart `[M]`.
        rewards: of each program `[M, K]`.
        discount: of the training, gamma, in [0, 1).
        components: the programs' components at the states before and after `[M, C]` each, as on a
            transition that stands still there; NaN where unknown. A shaping potential is mostly one
            of them.
    """
    before, after = _float(before), _float(after)
    rewards = _float(rewards)
    broken = ~np.isfinite(rewards).all(axis=0)
    rewards = np.where(broken, 0.0, rewards)
    make = ValueFeatures(np.concatenate([before, after]), discount)
    here, there = make(before), make(after)
    if components is not None:
        # Without cosines: among hundreds of components random directions would see nothing else.
        first, second = map(_float, components)
        standardise = _Standardise(np.concatenate([first, second]))
        here = np.concatenate([here, standardise(first)], axis=1)
        there = np.concatenate([there, standardise(second)], axis=1)
    forms = rewards - _temporal_difference(here, there, terminated, rewards, discount)
    sizes = np.linalg.norm(forms, axis=0)
    degenerate = broken | (sizes <= NOTHING * np.linalg.norm(rewards, axis=0))
    unit = forms / np.where(degenerate, 1.0, sizes)
    matrix = np.sqrt(np.clip((1.0 - unit.T @ unit) / 2.0, 0.0, 1.0))
    np.fill_diagonal(matrix, 0.0)
    matrix[degenerate, :] = matrix[:, degenerate] = np.nan
    return RewardDistances((matrix + matrix.T) / 2.0, degenerate)


def _temporal_difference(
    here: FloatArray,
    there: FloatArray,
    terminated: BoolArray,
    rewards: FloatArray,
    discount: float,
) -> FloatArray:
    """`V(before) - gamma * V(after)` of each reward's own value `[M, K]`; `there` is overwritten.

    With features `Z` before and `Z'` after a step and `X = Z - gamma * Z'`, the weights `w` solve
    LSTD's `Z^T (r - X w) = 0` by penalised least squares. The plainer `Z^T X + penalty` can become
    singular, as it is not symmetric, and then magnifies noise.
    """
    there *= (discount * ~terminated)[:, None]  # an end is worth 0; a time limit is no end
    differences = here - there
    tests = here  # not needed any more as they are
    tests[:, 0] = 1.0
    system = tests.T @ differences / len(tests)
    target = tests.T @ rewards / len(tests)
    penalty = np.full(len(system), PENALTY)
    penalty[0] = 0.0
    weights = np.linalg.solve(system.T @ system + np.diag(penalty), system.T @ target)
    return differences @ weights


def clusters(matrix: FloatArray, threshold: float = SAME) -> IntArray:
    """The first program that each program equals `[K]`; itself if there is none.

    Each equals that program itself, not only over others in between; and a later program changes
    nothing for earlier ones.

    Args:
        matrix: distances `[K, K]`; those with NaN equal nothing.
        threshold: distance up to which two are the same.
    """
    first = np.arange(len(matrix))
    for k in range(len(matrix)):
        for j in range(k):
            if first[j] == j and matrix[k, j] <= threshold:
                first[k] = j
                break
    return first


def diversity(matrix: FloatArray) -> float:
    """Mean distance over all pairs `[K, K]` that have one: 0 for one idea, 0.7 for unrelated ones.

    NaN if no pair has one.
    """
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    known = pairs[np.isfinite(pairs)]
    return float(known.mean()) if len(known) else float("nan")


def opposites(matrix: FloatArray) -> list[tuple[int, int]]:
    """Pairs of programs, the earlier first, that ask for the contrary of each other.

    One of the two is wrong; which one does not show.
    """
    first, second = np.nonzero(np.triu(matrix, 1) >= OPPOSITE)
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _float(values: NDArray[Any]) -> FloatArray:
    return np.asarray(values, dtype=np.float64)
