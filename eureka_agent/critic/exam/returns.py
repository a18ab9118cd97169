"""Comparisons of returns: good with failed, living with ending, and with the fitness."""

from dataclasses import dataclass

import numpy as np

from eureka_agent.analysis.arrays import FloatArray, _pairs
from eureka_agent.analysis.trajectories.labelled import EXPLOIT, Cases
from eureka_agent.common.plain_text import number, percent
from eureka_agent.environment.contrasts import GOOD, UNTRAINED

HALF = 0.5
"""Share of comparisons that must go right; guessing gets as many."""
SOME = 0.1
"""Share of episodes of unknown quality that must be worth living: bad ones may well be not. So
there must be enough of them for one to be expected."""


@dataclass(frozen=True)
class Standing:
    """How good episodes stand against one way to fail, or against all of them.

    Attributes:
        kind: the way to fail; "all failures" for all.
        above_all: share of the good episodes that earn more than every failure.
        pairs: share of pairs of a good and a failed episode in which the good one earns more, a tie
            being half: the mean rank of the good ones, 1 above all.
        failures: how many there are.
    """

    kind: str
    above_all: float
    pairs: float
    failures: int

    @property
    def reason(self) -> str:
        """The same in a sentence."""
        return (
            f"Good episodes earn more than {self.kind} ({self.failures}) in {percent(self.pairs)} "
            f"of pairs; {percent(self.above_all)} of them earn more than every one."
        )


@dataclass(frozen=True)
class LivingFloor:
    """Whether it pays to end an episode at once, where that is possible.

    Attributes:
        ending: what the last step of a failed episode pays, on average.
        living: the median return of the episodes that are compared with that.
        share: of these, those that earn more.
        good: whether they are good ones; else no good ones are known, and they are all others.
    """

    ending: float
    living: float
    share: float
    good: bool

    @property
    def passed(self) -> bool:
        """Whether living pays more."""
        return self.share >= (HALF if self.good else SOME)

    @property
    def reason(self) -> str:
        """The same in a sentence."""
        who = "good episodes" if self.good else "episodes"
        verdict = "living pays" if self.passed else "ending at once pays more than going on"
        return (
            f"Ending pays {number(self.ending)} and then nothing, {who} return "
            f"{number(self.living)}, more than that in {percent(self.share)} of them: {verdict}."
        )


def standings(good: FloatArray, failed: dict[str, FloatArray]) -> tuple[Standing, ...]:
    """Good episodes against all failures, and then against each kind; nothing without either.

    Args:
        good: returns of the good episodes.
        failed: returns of the failed ones by kind.
    """
    present = {kind: values for kind, values in failed.items() if len(values)}
    if not len(good) or not present:
        return ()
    groups = {"all failures": np.concatenate(list(present.values())), **present}
    return tuple(
        Standing(kind, float((good > bad.max()).mean()), _pairs(good, bad), len(bad))
        for kind, bad in groups.items()
    )


def living_floor(rewards: FloatArray, paid: FloatArray, cases: Cases) -> LivingFloor | None:
    """Compare going on with ending at once; None where too few recorded episodes tell of either.

    Going on is worth what good episodes return or, without any, what all others do, whether they
    end later or not. Ending is worth what the last step of failed ones pays, so that a price on
    falling counts; then 0 up to the same horizon.

    Args:
        rewards: of each step `[L, E]`.
        paid: returns `[E]`.
        cases: what is known about the episodes.
    """
    good = cases.of(GOOD)
    ended = np.flatnonzero(cases.terminated & ~good)
    any_good = bool((good & np.isfinite(paid)).any())
    chosen = good if any_good else ~(cases.of(EXPLOIT) | cases.of(UNTRAINED))
    going_on = paid[chosen & np.isfinite(paid)]
    if not len(ended) or len(going_on) < (1 if any_good else 1.0 / SOME):
        return None
    ending = float(rewards[cases.lengths[ended] - 1, ended].mean())
    return LivingFloor(
        ending=ending,
        living=float(np.median(going_on)),
        share=float((going_on > ending).mean()),
        good=any_good,
    )


def exploits_below_good(exploits: FloatArray, good: FloatArray) -> float | None:
    """Share of the exploits that return less than the median good episode.

    Returns:
        None without exploits or without good episodes.
    """
    if not len(exploits) or not len(good):
        return None
    return float((exploits < np.median(good)).mean())


def stakes(paid: FloatArray, cases: Cases) -> float:
    """How far the median good episode and the median failed one lie apart; 0 without either.

    Args:
        paid: returns `[E]`.
        cases: what is known about the episodes.
    """
    known = np.isfinite(paid)
    failed = np.isin(cases.kinds, cases.failures)
    good = paid[cases.of(GOOD) & known]
    bad = paid[failed & known]
    return abs(float(np.median(good) - np.median(bad))) if len(good) and len(bad) else 0.0
