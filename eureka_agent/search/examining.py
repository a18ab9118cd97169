"""The exam of a run's programs: what they pay for recorded episodes of known fitness.

It uses what a designer is denied: the fitness of episodes, and the contrasts that the environment
declares. So it is off unless it is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from eureka_agent.analysis.arrays import FloatArray
from eureka_agent.analysis.cases import EXPLOIT, UNKNOWN, Cases, returns
from eureka_agent.analysis.contrasts import ContrastResult, contrast_result
from eureka_agent.analysis.exam import Examination, examine
from eureka_agent.environment import Environment, Episodes
from eureka_agent.environment.contrasts import FILE, contrasts_of
from eureka_agent.environment.discovery import foreign_code
from eureka_agent.reward.contrasts import GOOD, Change
from eureka_agent.search.bank import Bank, Record
from eureka_agent.search.peers import SAMPLE
from eureka_agent.search.probing import Prober

GOOD_SHARE = 0.6
"""A good episode is at least so far from the median untrained one to the best of all."""
FAILURES = {
    "random": "random actions",
    "rest": "standing idle",
    "extremes": "the largest actions",
    "waves": "swinging",
}
"""What the untrained policies do, where it is no success."""
ENDED = "ending early"


@dataclass(frozen=True)
class _Known:
    """Recorded episodes, side by side, and what is known about them."""

    episodes: Episodes
    cases: Cases


class Examiner:
    """Examines programs on a bank.

    Args:
        environment: the task; its discount and contrasts are used.
        bank: recorded episodes.
        prober: calls programs.

    Raises:
        UsageError: the environment's contrasts cannot be loaded.
    """

    def __init__(self, environment: Environment, bank: Bank, prober: Prober) -> None:
        self._environment, self._bank, self._prober = environment, bank, prober
        self._contrasts = contrasts_of(environment)

    def examine(self, texts: Sequence[str]) -> list[Examination | None]:
        """Examine programs; None for one that cannot be scored, and for all without a bank.

        Raises:
            UsageError: a contrast does not fit the environment's signals.
            ChildFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        records = list(self._bank.read(self._bank.sample(SAMPLE)))
        if not records or not texts:
            return [None] * len(texts)
        known = _Known(joined([record.episodes for record in records]), cases_of(records))
        scores = self._prober.score(texts, known.episodes)
        paid = {k: s.total for k, s in enumerate(scores) if not isinstance(s, str)}
        results: dict[int, list[ContrastResult]] = {k: [] for k in paid}
        self._contrast(texts, known, paid, results)
        discount = self._environment.training.discount
        return [
            examine(paid[k], known.cases, discount, results[k]) if k in paid else None
            for k in range(len(texts))
        ]

    def _contrast(
        self,
        texts: Sequence[str],
        known: _Known,
        paid: dict[int, FloatArray],
        results: dict[int, list[ContrastResult]],
    ) -> None:
        """Add what programs make of each contrast."""
        discount = self._environment.training.discount
        order = list(paid)
        for contrast in self._contrasts:
            which = np.flatnonzero(known.cases.of(contrast.kind))
            cases = _some(known.cases, which)
            others = known.cases.of(contrast.other)
            changed: dict[int, FloatArray] = {}
            if contrast.change is not None and len(which):
                episodes = self._changed(_part(known.episodes, which), contrast.change)
                scores = self._prober.score([texts[k] for k in order], episodes)
                changed = {
                    k: s.total for k, s in zip(order, scores, strict=True) if not isinstance(s, str)
                }
            for k in order:
                before = returns(paid[k], known.cases, discount)
                after = returns(changed[k], cases, discount) if k in changed else before[others]
                fits = contrast.change is None or k in changed
                first = before[which] if fits else before[:0]
                second = after if fits else before[:0]
                results[k].append(contrast_result(contrast, first, second))

    def _changed(self, episodes: Episodes, change: Change) -> Episodes:
        """Episodes after a change, which tells nothing of goals that were set within them."""
        layout = self._environment.layout
        recorded = {s.name: layout.read(episodes.states, s.name).numpy() for s in layout.signals}
        with foreign_code(self._environment.fitness_path.with_name(FILE)):
            changed = change({**recorded, "action": episodes.actions.numpy()})
        states = torch.empty_like(episodes.states)
        for s in layout.signals:
            value = torch.from_numpy(np.ascontiguousarray(changed[s.name]))
            layout.read(states, s.name).copy_(value)
        actions = torch.from_numpy(np.ascontiguousarray(changed["action"]))
        return Episodes(states, actions, episodes.lengths, episodes.terminated)


def cases_of(records: Sequence[Record]) -> Cases:
    """What is known about the episodes of some records.

    Good are those that come near the best of a trained policy, once no untrained one beats that: of
    untrained ones alone the best is the luckiest. Others of untrained policies failed, and so did
    those that ended early; of the rest nothing is known.
    """
    fitness = np.concatenate([record.seen.fitness for record in records])
    bar = _bar(
        np.concatenate([[], *(r.seen.fitness for r in records if r.entry.kind == "reference")]),
        np.concatenate([[], *(r.seen.fitness for r in records if r.entry.kind != "reference")]),
    )
    kinds = [
        _kind(record, bool(ended), bool(value >= bar))
        for record in records
        for ended, value in zip(record.episodes.terminated, record.seen.fitness, strict=True)
    ]
    return Cases(
        lengths=np.concatenate([record.episodes.lengths.numpy() for record in records]),
        terminated=np.concatenate([record.episodes.terminated.numpy() for record in records]),
        kinds=tuple(kinds),
        fitness=fitness,
    )


def _bar(untrained: FloatArray, trained: FloatArray) -> float:
    """The fitness from which an episode is good; infinite where that is not known."""
    if not len(untrained) or not len(trained) or trained.max() < untrained.max():
        return float("inf")
    floor, top = float(np.median(untrained)), float(trained.max())
    return floor + GOOD_SHARE * (top - floor) if top > floor else float("inf")


def joined(episodes: Sequence[Episodes]) -> Episodes:
    """Episodes of several records side by side."""
    arrays = [one.arrays() for one in episodes]
    axis = {"lengths": 0, "terminated": 0}
    return Episodes.from_arrays(
        {name: np.concatenate([a[name] for a in arrays], axis.get(name, 1)) for name in arrays[0]}
    )


def _kind(record: Record, ended: bool, good: bool) -> str:
    if record.entry.kind == "exploit":
        return EXPLOIT
    if good:
        return GOOD
    if record.entry.kind == "reference":
        return FAILURES[record.entry.policy]
    return ENDED if ended else UNKNOWN


def _part(episodes: Episodes, which: np.ndarray) -> Episodes:
    """Some episodes, by number."""
    arrays = episodes.arrays()
    return Episodes.from_arrays(
        {n: v[which] if n in ("lengths", "terminated") else v[:, which] for n, v in arrays.items()}
    )


def _some(cases: Cases, which: np.ndarray) -> Cases:
    fitness = None if cases.fitness is None else cases.fitness[which]
    kinds = tuple(cases.kinds[k] for k in which.tolist())
    return Cases(cases.lengths[which], cases.terminated[which], kinds, fitness)
