"""Which parts of earlier programs helped: a Bayesian linear model of fitness ranks."""

import math
from collections.abc import Hashable, Sequence

import numpy as np

from eureka_agent.designer.offline.terms import Menu, Spec

PRIOR_SPREAD = 0.3
NOISE = 0.4
"""Spread of a rank in [-1, 1] between trainings of one program: seeds differ a lot."""
PLAUSIBILITY = 0.4
"""What a fully plausible idea is expected to add to a rank before any evidence."""
PARSIMONY = 0.12
"""What every further term costs: a shorter program is the better guess."""

Features = dict[Hashable, float]


class Attribution:
    """What each idea, weight and width seems worth, after some specs and their fitness.

    Args:
        menu: knows how plausible ideas were before any evidence.
        specs: specs that were trained.
        merits: their `Past.merit`; None where training failed, which counts as worst.
    """

    def __init__(
        self, menu: Menu, specs: Sequence[Spec], merits: Sequence[tuple[float, ...] | None]
    ) -> None:
        self.menu = menu
        self.seen = [self._features(spec) for spec in specs]
        self.ranks = ranks(merits)

    def sample(self, specs: Sequence[Spec], rng: np.random.Generator) -> np.ndarray:
        """One plausible guess, `[len(specs)]`, of the ranks of specs, as Thompson sampling does."""
        asked = [self._features(spec) for spec in specs]
        keys = dict.fromkeys(key for features in self.seen + asked for key in features)
        columns = {key: place for place, key in enumerate(keys)}
        prior = np.array([self._expectation(key) for key in columns])
        known, wanted = _matrix(self.seen, columns), _matrix(asked, columns)
        precision = np.eye(len(columns)) / PRIOR_SPREAD**2 + known.T @ known / NOISE**2
        surprise = known.T @ (self.ranks - known @ prior) / NOISE**2
        mean = prior + np.linalg.solve(precision, surprise)
        root = np.linalg.cholesky(np.linalg.inv(precision))
        return wanted @ (mean + root @ rng.standard_normal(len(columns)))

    def _features(self, spec: Spec) -> Features:
        """Presence of ideas and quantities; log2 of weights and widths against the usual ones."""
        features: Features = {
            "terms": len(spec) - 1,
            "products": sum(len(term.factors) - 1 for term in spec),
        }
        largest = max(term.weight for term in spec)
        for term in spec:
            features["weight", term.ideas] = math.log2(term.weight / largest) / 4
            for factor in term.factors:
                features["idea", factor.idea] = 1
                if factor.quantity is not None:
                    features["about", factor.quantity] = 0.7
                usual = self.menu.offer(factor).factor.scale
                if factor.scale and usual:
                    features["width", factor.idea] = math.log2(factor.scale / usual) / 2
        return features

    def _expectation(self, key: Hashable) -> float:
        match key:
            case "terms":
                return -PARSIMONY
            case ("idea", factor):
                return PLAUSIBILITY * self.menu.offer(factor).prior
            case _:
                return 0.0


def ranks(merits: Sequence[tuple[float, ...] | None]) -> np.ndarray:
    """Ranks in [-1, 1], best 1, equals sharing theirs; None is worst."""
    order = sorted({merit for merit in merits if merit is not None})
    values = np.array([-1 if merit is None else order.index(merit) for merit in merits])
    if len(values) < 2:
        return np.zeros(len(values))
    below = (values[:, None] > values[None, :]).sum(1)
    above = (values[:, None] < values[None, :]).sum(1)
    return (below - above) / (len(values) - 1)


def _matrix(rows: Sequence[Features], columns: dict[Hashable, int]) -> np.ndarray:
    matrix = np.zeros((len(rows), len(columns)))
    for row, features in enumerate(rows):
        for key, value in features.items():
            matrix[row, columns[key]] = value
    return matrix
