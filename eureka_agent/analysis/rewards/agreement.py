"""What every program pays every policy: do others agree with the reward it was trained on?

To its own reward a policy always looks good. What the rewards of others pay for the same episodes
is an opinion that it was not trained to please.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray, IntArray
from eureka_agent.analysis.bank import Bank, Entry
from eureka_agent.analysis.rewards.scores import Scorer
from eureka_agent.common.errors import UsageError
from eureka_agent.common.plain_text import number, percent
from eureka_agent.store import CandidateRow

NOBODY = -1
"""In place of a program: the policy was trained on none, as random and scripted ones are."""
LEAST_CHANGE = 0.1
"""Standard deviations by which opinions must move before an alarm is raised."""
FEWEST_PEERS = 3
"""Opinions without which their median would be somebody's."""
_FLAT = 1e-6
"""Spread, relative to the size of the values, that rounding alone can make."""


@dataclass(frozen=True)
class Opinions:
    """What `K` programs think of `P` policies.

    Attributes:
        z: mean reward per step in standard deviations from the mean of the bank `[P, K]`; NaN where
            it is not known, and throughout for programs that pay the same everywhere.
        own: the program that each policy was trained on, or `NOBODY` `[P]`.
    """

    z: FloatArray
    own: IntArray

    @property
    def own_z(self) -> FloatArray:
        """What each policy's own program thinks of it `[P]`; NaN where there is none."""
        values = self.z[np.arange(len(self.own)), np.maximum(self.own, 0)]
        return np.where(self.own >= 0, values, np.nan)

    @property
    def peers(self) -> BoolArray:
        """Which opinions are known and not the own program's `[P, K]`."""
        mine = self.own[:, None] == np.arange(self.z.shape[1])
        return np.isfinite(self.z) & ~mine


@dataclass(frozen=True)
class Alarm:
    """A policy that its own reward likes better than before, and others like less.

    Attributes:
        policy: its place in the input.
        own: the own program's opinion before and now.
        peers: likewise the median of the peers.
    """

    policy: int
    own: tuple[float, float]
    peers: tuple[float, float]

    def reason(self, name: str) -> str:
        """The same in a sentence."""
        return (
            f"{name}: its own reward rose from {number(self.own[0])} to {number(self.own[1])} "
            "standard deviations while the median of the other programs' rewards fell from "
            f"{number(self.peers[0])} to {number(self.peers[1])}: it may exploit its reward."
        )


@dataclass(frozen=True)
class PeerRanking:
    """Policies ranked by what the rewards of others say, for want of a fitness.

    Attributes:
        order: the policies, best first; those that nobody could compare last `[P]`.
        rates: share of comparisons with other policies that each wins, a tie being half `[P]`; NaN
            without comparisons.
        comparisons: how many there were `[P]`.
    """

    order: IntArray
    rates: FloatArray
    comparisons: IntArray

    def reasons(self, names: Sequence[str]) -> list[str]:
        """What the ranking says, and what it cannot say."""
        if not self.comparisons.any():
            return ["The reward of no third program compared two policies."]
        order: list[int] = self.order.tolist()
        best = order[0]
        unknown = [names[p] for p in order if not self.comparisons[p]]
        said = [
            f"{names[best]} wins {percent(float(self.rates[best]))} of {self.comparisons[best]} "
            "comparisons with other policies by the rewards of programs that neither was trained "
            "on.",
            "There is no fitness: this tells what most programs agree on, and a mistake that most "
            "of them share does not show.",
        ]
        if unknown:
            said.append(f"Nothing is known of {', '.join(unknown)}.")
        return said


def opinions(
    means: FloatArray, own: IntArray, bank: FloatArray, equals: IntArray | None = None
) -> Opinions:
    """Bring what the programs pay to one scale.

    Looks at different times compare when they are given the same bank.

    Args:
        means: mean reward per step of each policy under each program, NaN if unknown `[P, K]`.
        own: the program that each policy was trained on, or `NOBODY` `[P]`.
        bank: what each program pays for the recorded steps that give the scale `[M, K]`.
        equals: for each program the first one that it equals `[K]`, as `distance.clusters` tells:
            equal programs have one opinion together, and it is no peer's for their policies.

    Raises:
        UsageError: shapes do not fit, or `own` names programs that are not there.
    """
    policies, programs = means.shape
    if bank.ndim != 2 or bank.shape[1] != programs or not len(bank) or own.shape != (policies,):
        raise UsageError(
            f"Means {means.shape}, own programs {own.shape} and a bank {bank.shape} do not fit "
            "each other.",
            "Give [P, K], [P] and [M, K], M at least 1.",
        )
    if policies and not (NOBODY <= own.min() and own.max() < programs):
        raise UsageError(
            f"A policy's own program is not among the {programs} given.",
            f"Count from 0; {NOBODY} stands for none.",
        )
    sound = np.isfinite(bank).all(axis=0)
    finite = np.where(sound, bank, 0.0)
    middle, spread = finite.mean(axis=0), finite.std(axis=0)
    sound &= spread > _FLAT * np.abs(middle)
    z = np.where(sound, (means - middle) / np.where(sound, spread, 1.0), np.nan)
    if equals is not None:
        z = np.where(equals == np.arange(programs), z, np.nan)
        own = np.where(own >= 0, equals[own], NOBODY)
    return Opinions(z, own)


def alarms(earlier: Opinions, later: Opinions, least: float = LEAST_CHANGE) -> list[Alarm]:
    """Policies that please their own reward more and others less than at an earlier look.

    Only peers that have an opinion at both looks are asked; too few of them raise no alarm.

    Args:
        earlier: of the same policies and programs as `later`, on the same scale.
        later: what they are now.
        least: standard deviations by which both must have moved.

    Raises:
        UsageError: the looks are not at the same policies and programs.
    """
    if earlier.z.shape != later.z.shape or not np.array_equal(earlier.own, later.own):
        raise UsageError(
            f"A look at {earlier.z.shape} and one at {later.z.shape} policies and programs do not "
            "compare.",
            "Give both the same policies and programs in the same order.",
        )
    both = earlier.peers & later.peers
    heard = both.sum(axis=1) >= FEWEST_PEERS
    before, now = _median(earlier.z, both), _median(later.z, both)
    raised = heard & (later.own_z - earlier.own_z >= least) & (before - now >= least)
    return [
        Alarm(
            int(p),
            (float(earlier.own_z[p]), float(later.own_z[p])),
            (float(before[p]), float(now[p])),
        )
        for p in np.flatnonzero(raised)
    ]


def rank_by_peers(given: Opinions) -> PeerRanking:
    """Rank policies by the comparisons that they win under the rewards of third ones.

    Two policies are compared by every program that neither was trained on: under its own reward a
    policy would win, and against another one's it would lose.
    """
    policies, programs = given.z.shape
    wins, count = np.zeros(policies), np.zeros(policies, dtype=np.int64)
    for k in range(programs):
        judged = np.flatnonzero(given.peers[:, k])
        values = given.z[judged, k]
        beats = np.sign(values[:, None] - values[None, :])
        wins[judged] += ((beats + 1.0) / 2.0).sum(axis=1) - 0.5  # not against itself
        count[judged] += len(judged) - 1
    rates = np.where(count > 0, wins / np.maximum(count, 1), np.nan)
    order = np.argsort(-np.where(count > 0, rates, -1.0), kind="stable")
    return PeerRanking(order.astype(np.int64), rates, count)


def _median(values: FloatArray, which: BoolArray) -> FloatArray:
    """Median over the chosen values of each row `[P]`; NaN for rows without any."""
    result = np.full(len(values), np.nan)
    for row in np.flatnonzero(which.any(axis=1)):
        result[row] = np.median(values[row, which[row]])
    return result


SAMPLE = 24
"""Records that give opinions their scale, and on which distances are measured."""

Equals = Callable[[Sequence[int]], IntArray]
"""For each of some candidates the place among them of the first one whose program equals its own.
"""


class Peers:
    """The shipped policies of candidates, and what all of their programs think of them.

    Args:
        candidates: finished ones.
        bank: has their episodes.
        scorer: scores their programs.
        equals: which programs have one opinion together.

    Raises:
        ChildFailed: programs cannot be scored.
        JobFailed: the environment cannot be set up.
    """

    def __init__(
        self, candidates: Sequence[CandidateRow], bank: Bank, scorer: Scorer, equals: Equals
    ) -> None:
        self._scorer = scorer
        sample = bank.sample(SAMPLE)
        numbers = {row.id for row in candidates}
        held = [entry for entry in bank.entries if entry.candidate in numbers]
        scorer.score([row.text for row in candidates], [*sample, *held])
        self._judges = [row for row in candidates if row.text not in scorer.failures]
        self._place = {row.id: k for k, row in enumerate(self._judges)}
        self._scale = [entry for entry in sample if scorer.steps(entry) is not None]
        self._equals = equals([row.id for row in self._judges])
        usable = [e for e in held if e.candidate in self._place and scorer.steps(e) is not None]
        self._early = {e.candidate: e for e in usable if e.kind == "early"}
        self._shipped = [e for e in usable if e.kind != "early"]
        self._opinions = self._of(self._shipped)
        self._ranking = rank_by_peers(self._opinions) if self._opinions else None

    def rates(self) -> dict[int, float | None]:
        """By candidate the share of comparisons that its policy wins; None without any."""
        if self._ranking is None:
            return {}
        rates = self._ranking.rates.tolist()
        return {
            entry.candidate: rate if np.isfinite(rate) else None
            for entry, rate in zip(self._shipped, rates, strict=True)
        }

    def alarms(self) -> list[tuple[Entry, Entry, Alarm]]:
        """Policies that please their own reward more and others less than at the early look.

        Returns:
            The early record, the shipped one, and what changed between them.
        """
        pairs = [
            (self._early[late.candidate], late)
            for late in self._shipped
            if late.candidate in self._early and self._early[late.candidate].step < late.step
        ]
        before = self._of([early for early, _ in pairs])
        after = self._of([late for _, late in pairs])
        if before is None or after is None:
            return []
        return [(*pairs[alarm.policy], alarm) for alarm in alarms(before, after)]

    def said(self, with_fitness: bool) -> list[str]:
        """Whom the peers prefer and, where nothing measures the task, what that cannot say."""
        names = [f"#{entry.candidate}" for entry in self._shipped]
        reasons = self._ranking.reasons(names) if self._ranking else []
        return reasons[:1] if with_fitness else reasons

    def document(self) -> dict[str, Any]:
        """As stored."""
        return {
            "programs": [row.id for row in self._judges],
            "policies": [
                {"candidate": e.candidate, "step": e.step, "kind": e.kind} for e in self._shipped
            ],
            "z": self._opinions.z.tolist() if self._opinions else [],
        }

    def _of(self, entries: Sequence[Entry]) -> Opinions | None:
        """Opinions on the policies of some records; None where there are none to have."""
        if not entries or not self._judges or not self._scale:
            return None
        scale = np.concatenate([self._read(entry, "total") for entry in self._scale])
        means = np.stack([self._read(entry, "mean") for entry in entries])
        own = np.array([self._place[entry.candidate] for entry in entries])
        return opinions(means, own, scale, self._equals)

    def _read(self, entry: Entry, name: str) -> FloatArray:
        """What all judges pay for a record, `[K]` or `[R, K]`."""
        digests = [self._scorer.digest(row.text, entry) for row in self._judges]
        return np.stack([getattr(digest, name) for digest in digests], axis=-1)
