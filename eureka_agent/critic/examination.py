"""The exam: what a program pays for recorded episodes of which it is known how good they are.

It costs no training. It refuses only what is certainly wrong, ranks the rest, and what nothing is
known about passes: on a bank of random episodes alone most of its questions have no answer, but
where the environment declares what success looks like, imagined episodes stand for good ones.

It uses what is known of the task, such as the fitness of episodes, but no other reward. Where a
search is to be compared with the human reward it must stay switched off: the author of that reward
had no such help, and the Designer is denied that knowledge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray, IntArray, kendall_tau
from eureka_agent.analysis.trajectories.failures import EXPLOIT
from eureka_agent.common.errors import UsageError
from eureka_agent.common.text import prompt_number, prompt_percent
from eureka_agent.environment.contrasts import GOOD, UNTRAINED, Contrast

RIGHT = 0.8
"""Share of the episodes, or pairs, on which a reward must move as expected."""
LEAST = 0.05
"""Share of what is at stake, between good and failed episodes, below which a move is as good as
none: training would not find it among all else that moves the reward."""
_ROUNDING = 1e-6
"""Relative difference that float32 makes of nothing."""


@dataclass(frozen=True)
class ContrastResult:
    """How a program's returns moved.

    Attributes:
        contrast: as declared.
        share: of the episodes or pairs on which they moved as expected; NaN without any.
        count: how many there were.
        contrary: share on which they moved the other way, where they must move.
    """

    contrast: Contrast
    share: float
    count: int
    contrary: float = 0.0

    @property
    def must_move(self) -> bool:
        """Whether returns were told to move, rather than not to."""
        return self.contrast.expect in ("less", "more")

    @property
    def passed(self) -> bool:
        """Whether the reward moves as it must; it does as long as nothing tells otherwise."""
        return not self.share < RIGHT

    @property
    def reason(self) -> str:
        """The same in a sentence."""
        contrast = self.contrast
        if not self.count:
            return f"{contrast.name}: not tried, for want of recorded episodes."
        verb = "must earn" if self.must_move else "may earn"
        unit = "pairs" if contrast.change is None else "episodes"
        return (
            f"{contrast.name}: {contrast.meaning} {verb} {contrast.expect}, and do on "
            f"{prompt_percent(self.share)} of {self.count} {unit}."
        )


def contrast_result(
    contrast: Contrast, first: FloatArray, others: FloatArray, at_stake: float = 0.0
) -> ContrastResult:
    """Compare what a program pays for both sides of a contrast.

    Args:
        contrast: as declared.
        first: returns of the episodes that it begins with `[E]`.
        others: returns of the same episodes after the change `[E]`, or of the other kind `[F]`.
            Those that are not finite are left out.
        at_stake: by how much good and failed episodes differ; 0 if that is not known.

    Raises:
        UsageError: a change gave another number of episodes.
    """
    if contrast.change is None:
        gain = (others[None, :] - first[:, None]).ravel()
    elif first.shape == others.shape:
        gain = others - first
    else:
        raise UsageError(
            f'The change of the contrast "{contrast.name}" makes {others.shape} returns of '
            f"{first.shape}.",
            "It must keep the episodes and their order.",
        )
    gain = gain[np.isfinite(gain)]
    if not len(gain):
        return ContrastResult(contrast, float("nan"), 0)
    both = np.concatenate([first, others])
    rounding = _ROUNDING * float(np.abs(both[np.isfinite(both)]).max())
    nothing = max(rounding, LEAST * at_stake)
    moved = {
        "less": gain < -nothing,
        "more": gain > nothing,
        "no more": gain <= nothing,
        "no less": gain >= -nothing,
    }[contrast.expect]
    contrary = {"less": gain > nothing, "more": gain < -nothing}.get(
        contrast.expect, np.isnan(gain)
    )
    return ContrastResult(contrast, float(moved.mean()), len(gain), float(contrary.mean()))


UNKNOWN = ""
"""The kind of episodes of which nothing is known but perhaps their fitness."""


@dataclass(frozen=True)
class Cases:
    """What is known about `E` recorded episodes, whatever a program pays for them.

    Attributes:
        lengths: steps until the end of each `[E]`, at least 1.
        terminated: whether it ended before its time limit `[E]`.
        kinds: `GOOD`, `EXPLOIT`, `UNTRAINED`, `UNKNOWN`, or any other word for a way to fail, E of
            them.
        fitness: of each, NaN if unknown `[E]`; None without a fitness.
        imagined: whether nobody did what is in the good ones.
    """

    lengths: IntArray
    terminated: BoolArray
    kinds: tuple[str, ...]
    fitness: FloatArray | None = None
    imagined: bool = False

    def of(self, kind: str) -> BoolArray:
        """Which episodes are of a kind `[E]`."""
        return np.array([k == kind for k in self.kinds], dtype=np.bool_)

    @property
    def failures(self) -> list[str]:
        """The ways to fail that occur, in order of appearance."""
        others = (GOOD, EXPLOIT, UNTRAINED, UNKNOWN)
        return [k for k in dict.fromkeys(self.kinds) if k not in others]


def returns(rewards: FloatArray, cases: Cases, discount: float) -> FloatArray:
    """Discounted return of each episode over the same horizon, 0 after an early end `[E]`.

    Args:
        rewards: of each step `[L, E]`.
        cases: what is known about the episodes.
        discount: of the training.

    Returns:
        NaN for episodes that were cut off before the horizon without having ended: nobody knows
        what they would have earned.

    Raises:
        UsageError: shapes do not fit.
    """
    alive = alive_steps(rewards, cases)
    weights = discount ** np.arange(len(rewards), dtype=np.float64)
    sums = weights @ np.where(alive, rewards, 0.0)
    return np.where(cases.terminated | (cases.lengths >= len(rewards)), sums, np.nan)


def alive_steps(rewards: FloatArray, cases: Cases) -> BoolArray:
    """Which steps belong to their episode `[L, E]`.

    Raises:
        UsageError: rewards `[L, E]` do not fit the episodes.
    """
    count = len(cases.kinds)
    shapes = {cases.lengths.shape, cases.terminated.shape, rewards.shape[1:]}
    shapes |= set() if cases.fitness is None else {cases.fitness.shape}
    if shapes != {(count,)} or not ((cases.lengths >= 1) & (cases.lengths <= len(rewards))).all():
        raise UsageError(
            f"Rewards of shape {rewards.shape} do not fit what is known of {count} episodes.",
            "Give [L, E], and for each of E episodes a length from 1 to L, whether it terminated, "
            "its kind and perhaps its fitness.",
        )
    return np.arange(len(rewards))[:, None] < cases.lengths


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
            f"Good episodes earn more than {self.kind} ({self.failures}) in {prompt_percent(self.pairs)} "
            f"of pairs; {prompt_percent(self.above_all)} of them earn more than every one."
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
            f"Ending pays {prompt_number(self.ending)} and then nothing, {who} return "
            f"{prompt_number(self.living)}, more than that in {prompt_percent(self.share)} of them: {verdict}."
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


NEGATION = -0.5
"""Rank correlation with the fitness from which a program is refused, if good and failed episodes
are known. Among random ones alone, which differ by luck, even a sound program may have it."""
DOUBT = -0.2
"""Rank correlation from which it is suspect, likewise; among random episodes it takes the other."""
FEWEST_CONTRARY = 2
"""Contrasts that must go the wrong way, and most of them, for a program to be refused."""
_FLAT = 1e-6
"""Spread, relative to the size of the values, that rounding alone can make."""


@dataclass(frozen=True)
class Examination:
    """What the exam found out about one program. None stands for what nothing is known about.

    Attributes:
        finite: whether every reward is.
        constant: whether it pays good episodes and failures the same.
        standings: good episodes against all failures, and then against each kind.
        tau: Kendall's rank correlation of return and fitness over the episodes.
        living: the living floor.
        exploits: share of the archived exploits that earn less than the median good episode.
        contrasts: those that the environment declares.
        imagined: whether the good episodes are imagined ones.
    """

    finite: bool
    constant: bool
    standings: tuple[Standing, ...] = ()
    tau: float | None = None
    living: LivingFloor | None = None
    exploits: float | None = None
    contrasts: tuple[ContrastResult, ...] = ()
    imagined: bool = False

    @property
    def refused(self) -> bool:
        """Whether to train it would be a waste for certain."""
        ranked = self.tau is not None and self.tau <= NEGATION and self._good_known
        return not self.finite or self.constant or ranked or self._contrary

    @property
    def suspect(self) -> bool:
        """Whether anything speaks against it: then others train before it is chosen."""
        return bool(self.objections)

    @property
    def score(self) -> float:
        """What it ranks by, from 0 to 1: the mean of what is known; a half if nothing is."""
        tried = [result.share for result in self.contrasts if result.count]
        parts = [standing.pairs for standing in self.standings[:1]]
        parts += [(1.0 + self.tau) / 2.0] if self.tau is not None else []
        parts += [self.living.share] if self.living else []
        parts += [self.exploits] if self.exploits is not None else []
        parts += [float(np.mean(tried))] if tried else []
        return float(np.mean(parts)) if parts and self.finite else HALF * self.finite

    @property
    def objections(self) -> list[str]:
        """What speaks against the program, a sentence each."""
        if not self.finite:
            return ["It pays numbers that are not finite for some recorded steps."]
        said = ["It pays good and failed episodes the same."] if self.constant else []
        said += ["It moves the wrong way where it must move."] if self._contrary else []
        if self.tau is not None and self.tau <= (DOUBT if self._good_known else NEGATION):
            said.append(self._correlation)
        said += [standing.reason for standing in self.standings[1:] if standing.pairs < HALF]
        said += [self.living.reason] if self.living and not self.living.passed else []
        said += [self._regression] if self.exploits is not None and self.exploits < 1.0 else []
        return said + [result.reason for result in self.contrasts if not result.passed]

    @property
    def reasons(self) -> list[str]:
        """All that the exam says: first what speaks against the program, then the rest."""
        against = self.objections
        rest = [self._correlation] if self.tau is not None else []
        rest += [standing.reason for standing in self.standings]
        rest += [self.living.reason] if self.living else []
        rest += [self._regression] if self.exploits is not None else []
        rest += [result.reason for result in self.contrasts]
        missing = {
            "rank correlation with the fitness": self.tau is None,
            "good episodes above failures": not self.standings,
            "the living floor": self.living is None,
            "archived exploits": self.exploits is None,
        }
        unknown = [name for name, gone in missing.items() if gone and self.finite]
        last = [f"Not tried, for want of recorded episodes: {', '.join(unknown)}."] * bool(unknown)
        last += ["No good episodes are known yet: imagined ones stand for them."] * self.imagined
        return against + [s for s in rest if s not in against] + last

    @property
    def _contrary(self) -> bool:
        """Whether it moves the wrong way under most of the contrasts under which it must move."""
        asked = [result for result in self.contrasts if result.must_move and result.count]
        contrary = sum(result.contrary >= RIGHT for result in asked)
        return contrary >= FEWEST_CONTRARY and contrary > len(asked) / 2

    @property
    def _good_known(self) -> bool:
        """Whether good episodes and failures have been recorded."""
        return bool(self.standings) and not self.imagined

    @property
    def _correlation(self) -> str:
        said = f"Its return has a rank correlation of {prompt_number(self.tau)} with the fitness"
        if self.tau is None or self.tau > NEGATION:
            return f"{said}."
        if not self._good_known:
            return f"{said}, though no good episodes are known yet."
        return f"{said}: it asks for the contrary of the task."

    @property
    def _regression(self) -> str:
        return f"{prompt_percent(self.exploits)} of the archived exploits earn less than a good episode."


def examine(
    rewards: FloatArray,
    cases: Cases,
    discount: float,
    contrasts: Sequence[ContrastResult] = (),
) -> Examination:
    """Examine one program.

    Args:
        rewards: what it pays for each step of the episodes `[L, E]`, L being the time limit; rows
            beyond an episode's end are ignored.
        cases: what is known about the episodes.
        discount: of the training.
        contrasts: as `contrasts.contrast_result` found them.

    Raises:
        UsageError: shapes do not fit.
    """
    alive = alive_steps(rewards, cases)
    if not np.isfinite(rewards[alive]).all():
        return Examination(False, False, contrasts=tuple(contrasts), imagined=cases.imagined)
    paid = returns(rewards, cases, discount)
    known = np.isfinite(paid)
    good = paid[cases.of(GOOD) & known]
    failed = {kind: paid[cases.of(kind) & known] for kind in cases.failures}
    return Examination(
        finite=True,
        constant=_constant(good, np.concatenate([[], *failed.values()])),
        standings=standings(good, failed),
        tau=None if cases.fitness is None else kendall_tau(paid, cases.fitness),
        living=living_floor(rewards, paid, cases),
        exploits=exploits_below_good(paid[cases.of(EXPLOIT) & known], good),
        contrasts=tuple(contrasts),
        imagined=cases.imagined,
    )


def _constant(good: FloatArray, failed: FloatArray) -> bool:
    """Whether both are known and all are equal."""
    both = np.concatenate([good, failed])
    if not len(good) or not len(failed):
        return False
    return bool(both.max() - both.min() <= _FLAT * np.abs(both).max())


def _pairs(good: FloatArray, bad: FloatArray) -> float:
    """Share of pairs in which the good one is larger, a tie being half."""
    return float(((np.sign(good[:, None] - bad[None, :]) + 1.0) / 2.0).mean())
