"""How far apart two rewards are in what they ask for, whatever they are scaled or shaped by.

Rewards that differ by a positive factor, by a potential (`discount * P(after) - P(before)`) or,
where episodes never end early, by a constant, have the same best policies. So each is brought into
a form in which such differences are gone: what its own value function `V` expects is taken away
from every step, `r - V(before) + discount * V(after)`. The distance is the angle between the forms.
The idea is that of STARC metrics (Skalse et al., 2024); the values are fitted by least-squares
temporal differences on recorded transitions, all programs at once, the same for the same bank.

A bank can only tell what it has seen: rewards that differ where no policy has been are equal here,
until the bank grows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eureka_agent.analysis.arrays import BoolArray, FloatArray, IntArray
from eureka_agent.common.errors import UsageError

SAME = 0.03
"""Distance up to which rewards are the same: what the fit leaves of shaping is about 0.02."""
OPPOSITE = 0.95
"""Distance from which one reward asks for the contrary of the other."""

COSINES = 256
CLIP = 5.0
"""Standard deviations beyond which a state says no more."""
PENALTY = 1e-5
"""Of the squared weights of the value function: so much that a bank of few thousand transitions,
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
        degenerate: which pay the same whatever a policy does, or a number that is not finite
            somewhere `[K]`: nothing is at any distance from them.
    """

    matrix: FloatArray
    degenerate: BoolArray

    def reasons(self, names: Sequence[str]) -> list[str]:
        """Which programs ask for the same or the contrary, or for nothing: a sentence on each."""
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


class Features:
    """What a value function is made of: a constant, the columns, their squares and random waves.

    The columns are standardised and clipped. The waves are cosines of fixed random directions,
    the same ones for the same number of columns.

    Args:
        states: columns of all states that will be seen `[M, S]`; what is not finite is unknown
            and counts as the mean.
        discount: of the rewards.
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


def distances(
    before: FloatArray,
    after: FloatArray,
    terminated: BoolArray,
    rewards: FloatArray,
    discount: float,
    components: tuple[FloatArray, FloatArray] | None = None,
) -> RewardDistances:
    """Distances between all programs, from what they pay on the same transitions.

    Args:
        before: columns of the state ahead of each step `[M, S]`: all signals, and `prev_action`.
        after: the same columns after the step and before any reset `[M, S]`; the action of the
            step stands for `prev_action`.
        terminated: whether the episode ended there, time limits apart `[M]`.
        rewards: what each program pays `[M, K]`.
        discount: of the training, in [0, 1).
        components: what the programs' components are at the states before and after `[M, C]`
            each, as on a transition that stands still there. What a program is shaped by is mostly
            one of them. NaN where it is not known.

    Raises:
        UsageError: shapes do not fit, or the discount is out of range.
    """
    before, after, rewards = _float(before), _float(after), _float(rewards)
    terminated = np.asarray(terminated, dtype=np.bool_)
    _check(before, after, terminated, rewards, discount)
    broken = ~np.isfinite(rewards).all(axis=0)
    rewards = np.where(broken, 0.0, rewards)
    here, there = _features(before, after, discount, components)
    forms = rewards - _temporal_difference(here, there, terminated, rewards, discount)
    sizes = np.linalg.norm(forms, axis=0)
    degenerate = broken | (sizes <= NOTHING * np.linalg.norm(rewards, axis=0))
    unit = forms / np.where(degenerate, 1.0, sizes)
    matrix = np.sqrt(np.clip((1.0 - unit.T @ unit) / 2.0, 0.0, 1.0))
    np.fill_diagonal(matrix, 0.0)
    matrix[degenerate, :] = matrix[:, degenerate] = np.nan
    return RewardDistances((matrix + matrix.T) / 2.0, degenerate)


def clusters(matrix: FloatArray, threshold: float = SAME) -> IntArray:
    """For each program the first one that it equals, `[K]`; itself if there is none.

    Each equals the named one itself, not only over others in between; and a program that comes
    later changes nothing for those before it.

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
    """How far apart programs are on average: 0 for one idea, 0.7 for unrelated ones.

    Args:
        matrix: distances `[K, K]`; pairs with NaN do not count.

    Returns:
        the mean over pairs; NaN if there is none.
    """
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    known = pairs[np.isfinite(pairs)]
    return float(known.mean()) if len(known) else float("nan")


def opposites(matrix: FloatArray, threshold: float = OPPOSITE) -> list[tuple[int, int]]:
    """Pairs of programs, the earlier first, of which one asks for the contrary of the other.

    This tells that one of the two is wrong, not which.
    """
    first, second = np.nonzero(np.triu(matrix, 1) >= threshold)
    return list(zip(first.tolist(), second.tolist(), strict=True))


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


def _features(
    before: FloatArray,
    after: FloatArray,
    discount: float,
    components: tuple[FloatArray, FloatArray] | None,
) -> tuple[FloatArray, FloatArray]:
    """Features `[M, D]` ahead of and after each step.

    Components enter without waves: among hundreds of them random directions would see nothing else.
    """
    make = Features(np.concatenate([before, after]), discount)
    here, there = make(before), make(after)
    if components is None:
        return here, there
    first, second = map(_float, components)
    if first.ndim != 2 or first.shape != second.shape or len(first) != len(before):
        raise UsageError(
            f"Components of shapes {first.shape} and {second.shape} do not fit {len(before)} "
            "transitions.",
            "Give their values before and after each step, [M, C] each.",
        )
    standardise = _Standardise(np.concatenate([first, second]))
    return (
        np.concatenate([here, standardise(first)], axis=1),
        np.concatenate([there, standardise(second)], axis=1),
    )


def _temporal_difference(
    here: FloatArray,
    there: FloatArray,
    terminated: BoolArray,
    rewards: FloatArray,
    discount: float,
) -> FloatArray:
    """`V(before) - discount * V(after)` of each reward's own value `[M, K]`.

    The weights solve `Z' (r - X w) = 0` in the sense of penalised least squares. The plainer
    `Z' X + penalty` can become singular, as it is not symmetric, and then magnifies noise.
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


def _check(
    before: FloatArray,
    after: FloatArray,
    terminated: BoolArray,
    rewards: FloatArray,
    discount: float,
) -> None:
    shapes = f"{before.shape}, {after.shape}, {terminated.shape} and {rewards.shape}"
    fits = before.ndim == rewards.ndim == 2 and before.shape == after.shape
    if not fits or terminated.shape != (len(before),) or len(rewards) != len(before):
        raise UsageError(
            f"States, ends and rewards of shapes {shapes} do not fit each other.",
            "Give [M, S], [M, S], [M] and [M, K].",
        )
    if not len(before):
        raise UsageError("Distances need transitions; there are none.", "Record some first.")
    if not 0.0 <= discount < 1.0:
        raise UsageError(
            f"A discount of {discount} gives no finite values.", "Give one from 0 to below 1."
        )


def _float(values: NDArray[Any]) -> FloatArray:
    return np.asarray(values, dtype=np.float64)
