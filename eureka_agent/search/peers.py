"""What the programs of a run think of the policies that were trained on others of them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from eureka_agent.analysis.arrays import FloatArray, IntArray
from eureka_agent.analysis.matrix import (
    Alarm,
    Opinions,
    alarms,
    opinions,
    rank_by_peers,
)
from eureka_agent.search.bank import Bank, Entry
from eureka_agent.search.scoring import Scorer
from eureka_agent.store import CandidateRow

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
