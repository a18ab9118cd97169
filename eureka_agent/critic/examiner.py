"""The exam of a run's programs: what they pay for recorded episodes of known fitness.

It uses what a designer is denied: the fitness of episodes, and the contrasts that the environment
declares. So it is off unless it is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from eureka_agent.analysis.arrays import FloatArray
from eureka_agent.analysis.rewards.bank import SAMPLE_SIZE, Bank, Record
from eureka_agent.analysis.trajectories.failures import EXPLOIT
from eureka_agent.critic.examination import (
    UNKNOWN,
    Cases,
    ContrastResult,
    Examination,
    contrast_result,
    examine,
    returns,
    stakes,
)
from eureka_agent.environment import Environment, Episodes, SignalLayout, concatenate, foreign_code
from eureka_agent.environment.contrasts import (
    CONTRASTS_FILE,
    GOOD,
    HELD,
    UNTRAINED,
    Change,
    Contrast,
    load_contrasts,
)
from eureka_agent.workers.probe_client import ProbeClient

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
        declared: whether the contrasts that the environment declares are asked.

    Raises:
        UsageError: the environment's contrasts cannot be loaded.
    """

    def __init__(
        self, environment: Environment, bank: Bank, prober: ProbeClient, *, declared: bool = True
    ) -> None:
        self._environment, self._bank, self._prober = environment, bank, prober
        self._contrasts = load_contrasts(environment) if declared else ()

    def examine(self, texts: Sequence[str]) -> list[Examination | None]:
        """Examine programs; None for one that cannot be scored, and for all without a bank.

        Raises:
            UsageError: a contrast does not fit the environment's signals.
            ChildFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        records = list(self._bank.read(self._bank.sample(SAMPLE_SIZE)))
        if not records or not texts:
            return [None] * len(texts)
        known = self._known(records)
        paid = self._paid(texts, known.episodes)
        still = self._still(texts, records)
        results: dict[int, list[ContrastResult]] = {k: [] for k in paid}
        for contrast in self._contrasts:
            changed = self._paid_after(contrast, texts, known)
            for k, rewards in paid.items():
                other = still.get(k) if contrast.other == HELD else changed.get(k)
                results[k].append(self._result(contrast, known.cases, rewards, other))
        discount = self._environment.training.discount
        return [
            examine(paid[k], known.cases, discount, results[k]) if k in paid else None
            for k in range(len(texts))
        ]

    def _known(self, records: Sequence[Record]) -> _Known:
        """All episodes: those of the records, and what is imagined out of untrained ones."""
        known = _Known(concatenate([record.episodes for record in records]), cases_of(records))
        begun = [r.episodes for r in records if r.entry.policy in MOVING]
        untrained = [c for c in self._contrasts if c.kind == UNTRAINED]
        pictures = [c.change for c in untrained if c.change and c.expect == "more"]
        if not untrained or not begun or known.episodes.before is not None:
            return known
        base = sustained(concatenate(begun), self._environment)
        parts, kinds = [known.episodes, base], [UNTRAINED]
        if not known.cases.of(GOOD).any():
            parts += [self._changed(base, change) for change in pictures]
            kinds += [GOOD] * len(pictures)
        return _Known(concatenate(parts), _with_imagined(known.cases, kinds, base))

    def _paid(self, texts: Sequence[str], episodes: Episodes) -> dict[int, FloatArray]:
        """What programs pay for each step `[L, E]`, but those that cannot be scored."""
        scores = self._prober.score(texts, episodes)
        return {k: s.total for k, s in enumerate(scores) if not isinstance(s, str)}

    def _still(self, texts: Sequence[str], records: Sequence[Record]) -> dict[int, FloatArray]:
        """What programs pay an episode of standing still, in the best posture of each `[E]`."""
        begun = [r.episodes for r in records if r.entry.kind == "reference"]
        if not begun or not any(contrast.other == HELD for contrast in self._contrasts):
            return {}
        episodes = held(concatenate(begun), self._environment)
        alive = episodes.alive().numpy()
        paid = self._paid(texts, episodes)
        return {k: len(p) * np.where(alive, p, -np.inf).max(axis=0) for k, p in paid.items()}

    def _paid_after(
        self, contrast: Contrast, texts: Sequence[str], known: _Known
    ) -> dict[int, FloatArray]:
        """What programs pay for the episodes that a contrast changes, after the change."""
        which = np.flatnonzero(known.cases.of(contrast.kind))
        if contrast.change is None or not len(which):
            return {}
        return self._paid(texts, self._changed(_part(known.episodes, which), contrast.change))

    def _result(
        self,
        contrast: Contrast,
        cases: Cases,
        rewards: FloatArray,
        other: FloatArray | None,
    ) -> ContrastResult:
        """What a program makes of a contrast.

        Where a change must pay or cost, all steps count alike, as a policy is trained on the late
        ones as well. All else is compared as training values it from the reset: only so does
        shaping by a potential, which takes back what it gave, come to nothing.

        Args:
            contrast: as declared.
            cases: what is known about the episodes.
            rewards: of each step of them `[L, E]`.
            other: of each step of those that were changed; returns of those that hold still.
        """
        which = cases.of(contrast.kind)
        if contrast.other == HELD:
            paid = returns(rewards, cases, 1.0) * len(rewards) / cases.lengths
            held_still = np.array([]) if other is None else other
            return contrast_result(contrast, paid[which], held_still)
        must_move = contrast.change is not None and contrast.expect in ("less", "more")
        discount = 1.0 if must_move else self._environment.training.discount
        paid = returns(rewards, cases, discount)
        if contrast.change is None:
            return contrast_result(contrast, paid[which], paid[cases.of(contrast.other)])
        if other is None:
            return contrast_result(contrast, paid[:0], paid[:0])
        after = returns(other, _some(cases, np.flatnonzero(which)), discount)
        return contrast_result(contrast, paid[which], after, stakes(paid, cases))

    def _changed(self, episodes: Episodes, change: Change) -> Episodes:
        """Episodes after a change, which tells nothing of goals that were set within them."""
        layout = self._environment.layout
        recorded = {s.name: layout.read(episodes.states, s.name).numpy() for s in layout.signals}
        with foreign_code(self._environment.fitness_path.with_name(CONTRASTS_FILE)):
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


def _kind(record: Record, ended: bool, good: bool) -> str:
    if record.entry.kind == "exploit":
        return EXPLOIT
    if good:
        return GOOD
    if record.entry.kind == "reference":
        return FAILURES[record.entry.policy]
    return ENDED if ended else UNKNOWN


def _with_imagined(cases: Cases, kinds: Sequence[str], base: Episodes) -> Cases:
    """What is known, and so many times the same imagined episodes, of a kind each."""
    times, count = len(kinds), len(base.lengths)
    unknown = np.full(times * count, np.nan)
    return Cases(
        lengths=np.concatenate([cases.lengths, *[base.lengths.numpy()] * times]),
        terminated=np.concatenate([cases.terminated, *[base.terminated.numpy()] * times]),
        kinds=(*cases.kinds, *(kind for kind in kinds for _ in range(count))),
        fitness=None if cases.fitness is None else np.concatenate([cases.fitness, unknown]),
        imagined=GOOD in kinds,
    )


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


MOVING = ("random", "waves")
"""The untrained policies that move all the time."""
SHARE = 20
"""The part of the time limit, as a divisor, that is played to and fro at most."""
RATES = ("velocity", "angular_velocity")
"""Kinds of signals that change their sign when a recording is played backwards."""


def sustained(episodes: Episodes, environment: Environment) -> Episodes:
    """The first steps of episodes, to and fro up to the time limit.

    Of an episode that ended early it is at most the first half: later ones lead to that end.

    Args:
        episodes: of untrained policies, of a task whose goals do not change within an episode.
        environment: the task.
    """
    steps, count = episodes.actions.shape[:2]
    begun = torch.where(episodes.terminated, episodes.lengths // 2, episodes.lengths)
    turn = begun.clamp(1, max(1, steps // SHARE))
    which = torch.arange(count)
    phase = torch.arange(steps + 1)[:, None] % (2 * turn)
    states = episodes.states[torch.minimum(phase, 2 * turn - phase), which].clone()
    back = (phase > turn) | (phase == 0)
    back[0] = False
    rates = _rates(environment.layout)
    states = torch.where(back[..., None] & rates, -states, states)
    ahead = phase[:-1]
    acted = torch.where(ahead < turn, ahead, 2 * turn - ahead - 1)
    return Episodes(
        states,
        episodes.actions[acted, which].clone(),
        torch.full_like(episodes.lengths, steps),
        torch.zeros_like(episodes.terminated),
    )


def held(episodes: Episodes, environment: Environment) -> Episodes:
    """Each posture of episodes, held still without any effort, a step for each.

    Args:
        episodes: recorded ones.
        environment: the task.
    """
    still = torch.where(_rates(environment.layout), 0.0, episodes.states)
    actions = torch.zeros_like(episodes.actions)
    goes_on = torch.zeros_like(episodes.terminated)
    lengths = (episodes.lengths - episodes.terminated.long()).clamp(min=1)
    return Episodes(still, actions, lengths, goes_on, before=still[1:])


def _rates(layout: SignalLayout) -> Tensor:
    """Which columns are rates of any kind `[S]`."""
    return torch.cat(
        [torch.full((s.size or 1,), s.kind in RATES, dtype=torch.bool) for s in layout.signals]
    )
