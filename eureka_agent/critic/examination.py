"""The exam's rules: what a program's returns on labelled episodes say about it, before training.

They refuse only what is certainly wrong, rank the rest, and accept programs without evidence: on a
bank of random episodes alone most questions have no answer, but where the environment declares what
success looks like, synthetic episodes stand for good ones.

They use knowledge of the task, such as the fitness of episodes, but no other reward. The exam must
stay off in a search that is compared with the human reward: the author of that reward had no such
help, and the Designer may not have it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eureka_agent.analysis.trajectories.episodes import kendall_tau
from eureka_agent.analysis.trajectories.failures import EXPLOIT
from eureka_agent.common.errors import UsageError
from eureka_agent.common.text import prompt_number, prompt_percent
from eureka_agent.environment.contrasts import GOOD, UNTRAINED, Contrast
from eureka_agent.environment.episodes import EvaluatedEpisodes, FloatArray

UNKNOWN = ""
"""The label of episodes that may be good or bad."""
NEGATION = -0.5
"""Rank correlation with the fitness from which a program is refused, if good and failed episodes
are known. Among random ones alone, which differ by luck, even a sound program may have it."""
DOUBT = -0.2
"""Rank correlation from which it is suspect, if both are known; among random episodes only
`NEGATION` is."""
FEWEST_CONTRARY = 2
"""Contrasts that must go the wrong way, and most of them, for a program to be refused."""
HALF = 0.5
"""Fraction of comparisons that must go right; guessing gets as many."""
SOME = 0.1
"""Fraction of episodes of unknown quality that must return more than terminating at once: bad ones
may well not. So there must be enough of them for one to be expected."""
RIGHT = 0.8
"""Fraction of the episodes, or pairs, on which a reward must move as expected."""
LEAST = 0.05
"""Part of the difference between good and failed episodes below which a move is as good as none:
training would not find it among all else that moves the reward."""
ROUNDING = 1e-6
"""Relative difference that float32 makes of nothing."""


@dataclass(frozen=True)
class Standing:
    """Returns of good episodes, compared with one way to fail or with all of them.

    Attributes:
        kind: the way to fail; "all failures" for all.
        above_all: fraction of the good episodes that return more than every failure.
        pairs: fraction of pairs of a good and a failed episode in which the good one returns more,
            a tie being half (the area under the ROC curve).
        failures: number of failed episodes.
    """

    kind: str
    above_all: float
    pairs: float
    failures: int

    @property
    def reason(self) -> str:
        """The comparison in a sentence."""
        return (
            f"Good episodes earn more than {self.kind} ({self.failures}) in "
            f"{prompt_percent(self.pairs)} of pairs; {prompt_percent(self.above_all)} of them earn "
            "more than every one."
        )


@dataclass(frozen=True)
class LivingFloor:
    """Whether it pays to end an episode at once, where that is possible.

    Attributes:
        ending: mean reward of the last step of failed episodes.
        living: the median return of the episodes that are compared with that.
        share: fraction of these that return more.
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
        """The objection to the program if it did not pass."""
        who = "good episodes" if self.good else "episodes"
        return (
            f"Ending pays {prompt_number(self.ending)} and then nothing, {who} return "
            f"{prompt_number(self.living)}, more than that in {prompt_percent(self.share)} of "
            "them: ending at once pays more than going on."
        )


@dataclass(frozen=True)
class ContrastResult:
    """The moves of a program's returns under a contrast.

    Attributes:
        contrast: as declared.
        share: fraction of the episodes or pairs on which they moved as expected; NaN without any.
        count: number of them.
        contrary: fraction on which they moved the other way, where they must move.
    """

    contrast: Contrast
    share: float
    count: int
    contrary: float = 0.0

    @property
    def must_move(self) -> bool:
        """Whether returns must move, rather than not move the wrong way."""
        return self.contrast.expect in ("less", "more")

    @property
    def passed(self) -> bool:
        """Whether the reward moves as it must; true if unknown."""
        return not self.share < RIGHT

    @property
    def reason(self) -> str:
        """The result in a sentence."""
        contrast = self.contrast
        verb = "must earn" if self.must_move else "may earn"
        unit = "pairs" if contrast.change is None else "episodes"
        return (
            f"{contrast.name}: {contrast.meaning} {verb} {contrast.expect}, and do on "
            f"{prompt_percent(self.share)} of {self.count} {unit}."
        )


@dataclass(frozen=True)
class Examination:
    """The exam's results for one program; None stands for unknown.

    Attributes:
        finite: whether every reward is.
        constant: whether it pays good episodes and failures the same.
        standings: good episodes against all failures, and then against each kind.
        tau: Kendall's rank correlation of return and fitness over the episodes.
        living: the living floor.
        exploits: fraction of the recorded reward hacks that return less than the median good one.
        contrasts: those that the environment declares.
        imagined: whether the good episodes are synthetic.
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
        """Whether training it would certainly be a waste."""
        ranked = self.tau is not None and self.tau <= NEGATION and self._good_known
        return not self.finite or self.constant or ranked or self._contrary

    @property
    def suspect(self) -> bool:
        """Whether anything speaks against it: then others train first."""
        return bool(self.objections)

    @property
    def score(self) -> float:
        """Its rank from 0 to 1: the mean of what is known; a half if nothing is."""
        tried = [result.share for result in self.contrasts if result.count]
        parts = [standing.pairs for standing in self.standings[:1]]
        parts += [(1.0 + self.tau) / 2.0] if self.tau is not None else []
        parts += [self.living.share] if self.living else []
        parts += [self.exploits] if self.exploits is not None else []
        parts += [float(np.mean(tried))] if tried else []
        return float(np.mean(parts)) if parts and self.finite else HALF * self.finite

    @property
    def objections(self) -> list[str]:
        """The objections to the program, a sentence each."""
        if not self.finite:
            return ["It pays numbers that are not finite for some recorded steps."]
        said = ["It pays good and failed episodes the same."] if self.constant else []
        said += ["It moves the wrong way where it must move."] if self._contrary else []
        if self.tau is not None and self.tau <= (DOUBT if self._good_known else NEGATION):
            correlation = f"Its return has a rank correlation of {prompt_number(self.tau)} with the"
            meaning = "." if self.tau > NEGATION else ": it asks for the contrary of the task."
            if not self._good_known:
                meaning = ", though no good episodes are known yet."
            said.append(f"{correlation} fitness{meaning}")
        said += [standing.reason for standing in self.standings[1:] if standing.pairs < HALF]
        said += [self.living.reason] if self.living and not self.living.passed else []
        if self.exploits is not None and self.exploits < 1.0:
            part = prompt_percent(self.exploits)
            said.append(f"{part} of the archived exploits earn less than a good episode.")
        return said + [result.reason for result in self.contrasts if not result.passed]

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


def examine(
    rewards: FloatArray,
    cases: EvaluatedEpisodes,
    discount: float,
    contrasts: Sequence[ContrastResult] = (),
    *,
    imagined: bool = False,
) -> Examination:
    """Examine one program.

    Args:
        rewards: of each step of the episodes `[L, E]`, L being the time limit.
        cases: the episodes, labelled `GOOD`, `EXPLOIT`, `UNTRAINED`, `UNKNOWN`, or with any other
            word for a way to fail.
        discount: of the training, gamma.
        contrasts: how the program's returns moved under those that the environment declares.
        imagined: whether the good episodes are synthetic.
    """
    if not np.isfinite(rewards[cases.alive]).all():
        return Examination(False, False, contrasts=tuple(contrasts), imagined=imagined)
    paid = returns(rewards, cases, discount)
    good, failed = _good_and_failed(paid, cases)
    exploits = paid[cases.labelled(EXPLOIT) & np.isfinite(paid)]
    both_known = len(exploits) > 0 and len(good) > 0
    return Examination(
        finite=True,
        constant=_constant(good, np.concatenate([[], *failed.values()])),
        standings=standings(good, failed),
        tau=kendall_tau(paid, cases.fitness),
        living=living_floor(rewards, paid, cases),
        exploits=float((exploits < np.median(good)).mean()) if both_known else None,
        contrasts=tuple(contrasts),
        imagined=imagined,
    )


def returns(rewards: FloatArray, cases: EvaluatedEpisodes, discount: float) -> FloatArray:
    """Discounted return of each episode over the same horizon, 0 after an early end `[E]`.

    Args:
        rewards: of each step `[L, E]`.
        cases: the episodes.
        discount: of the training, gamma.

    Returns:
        NaN for episodes that were cut off before the horizon without having ended: what they would
        have returned is unknown.
    """
    weights = discount ** np.arange(len(rewards), dtype=np.float64)
    sums = weights @ np.where(cases.alive, rewards, 0.0)
    return np.where(cases.terminated | (cases.lengths >= len(rewards)), sums, np.nan)


def _good_and_failed(
    paid: FloatArray, cases: EvaluatedEpisodes
) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Known returns of the good episodes, and of the failed ones by their way to fail."""
    known = np.isfinite(paid)
    others = (GOOD, EXPLOIT, UNTRAINED, UNKNOWN)
    ways = [label for label in dict.fromkeys(cases.labels) if label not in others]
    good = paid[cases.labelled(GOOD) & known]
    return good, {way: paid[cases.labelled(way) & known] for way in ways}


def _constant(good: FloatArray, failed: FloatArray) -> bool:
    """Whether both are known and all are equal."""
    both = np.concatenate([good, failed])
    if not len(good) or not len(failed):
        return False
    return bool(both.max() - both.min() <= ROUNDING * np.abs(both).max())


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
        Standing(
            kind,
            above_all=float((good > bad.max()).mean()),
            pairs=float(((np.sign(good[:, None] - bad) + 1.0) / 2.0).mean()),
            failures=len(bad),
        )
        for kind, bad in groups.items()
    )


def living_floor(
    rewards: FloatArray, paid: FloatArray, cases: EvaluatedEpisodes
) -> LivingFloor | None:
    """Compare going on with ending at once; None without enough recorded episodes of either.

    Going on is worth what good episodes return or, without any, what all others do, whether they
    end later or not. Ending is worth what the last step of failed ones pays, so that a price on
    falling counts; then 0 up to the same horizon.

    Args:
        rewards: of each step `[L, E]`.
        paid: returns `[E]`.
        cases: the episodes, labelled.
    """
    good = cases.labelled(GOOD)
    ended = np.flatnonzero(cases.terminated & ~good)
    any_good = bool((good & np.isfinite(paid)).any())
    chosen = good if any_good else ~cases.labelled(EXPLOIT, UNTRAINED)
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


def stakes(paid: FloatArray, cases: EvaluatedEpisodes) -> float:
    """Difference of the median good and the median failed return; 0 without either.

    Args:
        paid: returns `[E]`.
        cases: the episodes, labelled.
    """
    good, by_way = _good_and_failed(paid, cases)
    failed = np.concatenate([[], *by_way.values()])
    return abs(float(np.median(good) - np.median(failed))) if len(good) and len(failed) else 0.0


def contrast_result(
    contrast: Contrast, first: FloatArray, others: FloatArray, at_stake: float = 0.0
) -> ContrastResult:
    """Compare a program's returns on both sides of a contrast.

    Args:
        contrast: as declared.
        first: returns of the episodes that it begins with `[E]`.
        others: returns of the same episodes after the change `[E]`, or of the other kind `[F]`.
            Those that are not finite are left out.
        at_stake: difference of good and failed episodes; 0 if unknown.

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
    rounding = ROUNDING * float(np.abs(both[np.isfinite(both)]).max())
    nothing = max(rounding, LEAST * at_stake)
    less, more = gain < -nothing, gain > nothing
    moved = {"less": less, "more": more, "no more": ~more, "no less": ~less}[contrast.expect]
    contrary = {"less": more, "more": less}.get(contrast.expect, np.isnan(gain))
    return ContrastResult(contrast, float(moved.mean()), len(gain), float(contrary.mean()))
