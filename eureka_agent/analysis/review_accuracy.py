"""How often a reviewer was right, as soon as the programs that it looked at have trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eureka_agent.common.statistics import Proportion

NORMAL_QUANTILE = 1.959964
"""Of 97.5 %, for two-sided intervals of 95 %."""


@dataclass(frozen=True)
class Reviewed:
    """A program that was reviewed, and what became of it.

    Attributes:
        generation: in which it trained.
        objected: whether the reviewer objected to it.
        fitness: of its policy; None where the training failed, which counts as worst.
    """

    generation: int
    objected: bool
    fitness: float | None


@dataclass(frozen=True)
class ReviewerPrecision:
    """How objections went with results; low is who ends in the lower half of its generation.

    Attributes:
        precision: of the programs objected to, those that ended low.
        recall: of those that ended low, the programs objected to.
        chance: of all reviewed programs, those that ended low: the precision of a blind guess.
    """

    precision: Proportion
    recall: Proportion
    chance: Proportion

    def as_dict(self) -> dict[str, Any]:
        """As stored."""
        return {name: share.as_dict() for name, share in vars(self).items()}

    def sentence(self) -> str:
        """For a person."""
        if not self.precision.of:
            return f"The reviewer had no objection left to any of {self.chance.of} programs."
        right, sure = self.precision.said()
        seen, sure_of_seen = self.recall.said()
        return (
            f"Of the programs that the reviewer objected to, {right} ended in the lower half of "
            f"their generation ({sure}; of all reviewed ones {self.chance.said()[0]}). It had "
            f"objected to {seen} of those that ended there ({sure_of_seen})."
        )


def reviewer_precision(programs: Sequence[Reviewed]) -> ReviewerPrecision | None:
    """Compare objections with what became of the programs, each within its own generation.

    A program ends in the lower half if more of its generation did better than did worse, so that
    the middle of an odd number belongs to neither half, and equals share their fate.

    Args:
        programs: reviewed ones that were trained. Those alone in their generation tell nothing.

    Returns:
        None where nothing can be compared.
    """
    counts: dict[tuple[bool, bool], int] = {}
    for program in programs:
        peers = [other for other in programs if other.generation == program.generation]
        if len(peers) < 2:
            continue
        case = program.objected, _is_low(program, peers)
        counts[case] = counts.get(case, 0) + 1
    if not counts:
        return None
    hits = counts.get((True, True), 0)
    objected, low = (hits + counts.get(case, 0) for case in ((True, False), (False, True)))
    return ReviewerPrecision(
        Proportion(hits, objected), Proportion(hits, low), Proportion(low, sum(counts.values()))
    )


def _is_low(program: Reviewed, peers: Sequence[Reviewed]) -> bool:
    own = _value(program)
    better = sum(_value(peer) > own for peer in peers)
    worse = sum(_value(peer) < own for peer in peers)
    return better > worse


def _value(program: Reviewed) -> float:
    return -math.inf if program.fitness is None else program.fitness
