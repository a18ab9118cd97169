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

from eureka_agent.analysis.arrays import FloatArray, kendall_tau
from eureka_agent.analysis.trajectories.labelled import EXPLOIT, Cases, alive_steps, returns
from eureka_agent.common.plain_text import number, percent
from eureka_agent.critic.exam.contrast_results import RIGHT, ContrastResult
from eureka_agent.critic.exam.returns import (
    HALF,
    LivingFloor,
    Standing,
    exploits_below_good,
    living_floor,
    standings,
)
from eureka_agent.environment.contrasts import GOOD

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
        said = f"Its return has a rank correlation of {number(self.tau)} with the fitness"
        if self.tau is None or self.tau > NEGATION:
            return f"{said}."
        if not self._good_known:
            return f"{said}, though no good episodes are known yet."
        return f"{said}: it asks for the contrary of the task."

    @property
    def _regression(self) -> str:
        return f"{percent(self.exploits)} of the archived exploits earn less than a good episode."


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
