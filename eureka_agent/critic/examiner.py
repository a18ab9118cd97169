"""The exam of a run's programs: their returns on recorded episodes of known fitness.

It uses knowledge that designers may not have: the fitness of episodes, and the contrasts that the
environment declares. So it is off by default.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from eureka_agent.analysis.rewards.bank import Bank, Record
from eureka_agent.analysis.trajectories.episodes import fitness_scale
from eureka_agent.analysis.trajectories.failures import EXPLOIT
from eureka_agent.critic.examination import (
    UNKNOWN,
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
from eureka_agent.environment.episodes import EvaluatedEpisodes, FloatArray, join_evaluated
from eureka_agent.workers.probe_client import ProbeClient

FAILURES = {
    "random": "random actions",
    "rest": "standing idle",
    "extremes": "the largest actions",
    "waves": "swinging",
}
"""Labels of the untrained policies' behaviour, where it is no success."""
ENDED = "ending early"
MOVING = ("random", "waves")
"""The untrained policies that move all the time."""
TURNS = 20
"""The part of the time limit, as a divisor, that is played to and fro at most."""
RATES = ("velocity", "angular_velocity")
"""Kinds of signals that change their sign when a recording is played backwards."""


class Examiner:
    """Examines programs on a bank.

    Args:
        environment: the task; its discount and contrasts are used.
        bank: recorded episodes.
        prober: calls programs.
        declared: whether to ask the contrasts that the environment declares.

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
            WorkerFailed: programs cannot be scored.
            JobFailed: the environment cannot be set up.
        """
        records = list(self._bank.read(self._bank.sample()))
        if not records or not texts:
            return [None] * len(texts)
        recorded = label_records(records)
        cases = self._with_synthetic(recorded, records)
        imagined = not recorded.labelled(GOOD).any() and bool(cases.labelled(GOOD).any())
        paid = self._rewards(texts, cases.episodes)
        still = self._held_returns(texts, records)
        results: dict[int, list[ContrastResult]] = {k: [] for k in paid}
        for contrast in self._contrasts:
            changed = self._rewards_after(contrast, texts, cases)
            for k, rewards in paid.items():
                other = still.get(k) if contrast.other == HELD else changed.get(k)
                results[k].append(self._result(contrast, cases, rewards, other))
        discount = self._environment.training.gamma
        return [
            examine(paid[k], cases, discount, results[k], imagined=imagined) if k in paid else None
            for k in range(len(texts))
        ]

    def _with_synthetic(
        self, recorded: EvaluatedEpisodes, records: Sequence[Record]
    ) -> EvaluatedEpisodes:
        """Recorded episodes, and synthetic ones made from those of untrained policies.

        Without good episodes, pictures of success stand for them.
        """
        begun = [r.episodes for r in records if r.entry.policy in MOVING]
        untrained = [c for c in self._contrasts if c.kind == UNTRAINED]
        if not untrained or not begun or recorded.episodes.before is not None:
            return recorded
        base = sustained(concatenate(begun), self._environment)
        parts = [(UNTRAINED, base)]
        if not recorded.labelled(GOOD).any():
            pictures = [c.change for c in untrained if c.change and c.expect == "more"]
            parts += [(GOOD, self._changed(base, change)) for change in pictures]
        count = len(base.lengths)
        return EvaluatedEpisodes(
            np.concatenate([recorded.fitness, np.full(count * len(parts), np.nan)]),
            np.concatenate([recorded.diverged, np.zeros(count * len(parts), dtype=np.bool_)]),
            concatenate([recorded.episodes, *(episodes for _, episodes in parts)]),
            labels=(*recorded.labels, *(label for label, _ in parts for _ in range(count))),
        )

    def _rewards(self, texts: Sequence[str], episodes: Episodes) -> dict[int, FloatArray]:
        """Rewards of each step `[L, E]` by program; those that cannot be scored are left out."""
        scores = self._prober.score(texts, episodes)
        return {k: s.total for k, s in enumerate(scores) if not isinstance(s, str)}

    def _held_returns(
        self, texts: Sequence[str], records: Sequence[Record]
    ) -> dict[int, FloatArray]:
        """Returns of standing still in the best posture of each untrained episode `[E]`."""
        begun = [r.episodes for r in records if r.entry.kind == "reference"]
        if not begun or not any(contrast.other == HELD for contrast in self._contrasts):
            return {}
        episodes = held(concatenate(begun), self._environment)
        alive = episodes.alive().numpy()
        paid = self._rewards(texts, episodes)
        return {k: len(p) * np.where(alive, p, -np.inf).max(axis=0) for k, p in paid.items()}

    def _rewards_after(
        self, contrast: Contrast, texts: Sequence[str], cases: EvaluatedEpisodes
    ) -> dict[int, FloatArray]:
        """Rewards of the episodes that a contrast changes, after the change."""
        which = cases.labelled(contrast.kind)
        if contrast.change is None or not which.any():
            return {}
        return self._rewards(texts, self._changed(cases.part(which).episodes, contrast.change))

    def _result(
        self,
        contrast: Contrast,
        cases: EvaluatedEpisodes,
        rewards: FloatArray,
        other: FloatArray | None,
    ) -> ContrastResult:
        """The moves of a program's returns under a contrast.

        Where a change must pay or cost, all steps count alike, as a policy is trained on the late
        ones as well. All else is compared as training values it from the reset: only so does
        shaping by a potential, which takes back what it gave, come to nothing.

        Args:
            contrast: as declared.
            cases: the episodes, labelled.
            rewards: of each step of them `[L, E]`.
            other: of each step of those that were changed; returns of those that hold still.
        """
        which = cases.labelled(contrast.kind)
        if contrast.other == HELD:
            paid = returns(rewards, cases, 1.0) * len(rewards) / cases.lengths
            return contrast_result(contrast, paid[which], np.array([]) if other is None else other)
        must_move = contrast.change is not None and contrast.expect in ("less", "more")
        discount = 1.0 if must_move else self._environment.training.gamma
        paid = returns(rewards, cases, discount)
        if contrast.change is None:
            return contrast_result(contrast, paid[which], paid[cases.labelled(contrast.other)])
        if other is None:
            return contrast_result(contrast, paid[:0], paid[:0])
        after = returns(other, cases.part(which), discount)
        return contrast_result(contrast, paid[which], after, stakes(paid, cases))

    def _changed(self, episodes: Episodes, change: Change) -> Episodes:
        """Episodes after a change, which does not know of goals that were set within them."""
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


def label_records(records: Sequence[Record]) -> EvaluatedEpisodes:
    """The episodes of some records side by side, labelled with their quality or kind.

    `FitnessScale` decides which are good or failed. A failed episode is labelled with its way to
    fail: an untrained policy's behaviour, or an early end. All others are `UNKNOWN`.
    """
    trained = [r.evaluated.mean_fitness for r in records if r.entry.kind != "reference"]
    scale = fitness_scale(records, trained)
    joined = join_evaluated({UNKNOWN: [record.evaluated for record in records]})
    good = np.zeros(joined.count, dtype=np.bool_) if scale is None else scale.good(joined.fitness)
    failed = ~good if scale is None else scale.failed(joined.fitness)
    entries = [record.entry for record in records for _ in range(record.evaluated.count)]
    labels = []
    for entry, is_good, has_failed, ended in zip(
        entries, good, failed, joined.terminated, strict=True
    ):
        if entry.kind == "exploit":
            labels.append(EXPLOIT)
        elif is_good:
            labels.append(GOOD)
        elif has_failed and entry.kind == "reference":
            labels.append(FAILURES[entry.policy])
        else:
            labels.append(ENDED if has_failed and ended else UNKNOWN)
    joined.labels = tuple(labels)
    return joined


def sustained(episodes: Episodes, environment: Environment) -> Episodes:
    """The first steps of episodes, to and fro up to the time limit.

    Of an episode that ended early it is at most the first half: later ones lead to that end.

    Args:
        episodes: of untrained policies, of a task whose goals do not change within an episode.
        environment: the task.
    """
    steps, count = episodes.actions.shape[:2]
    begun = torch.where(episodes.terminated, episodes.lengths // 2, episodes.lengths)
    turn = begun.clamp(1, max(1, steps // TURNS))
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
    """Mask of columns that are rates of any kind `[S]`."""
    return torch.cat(
        [torch.full((s.size or 1,), s.kind in RATES, dtype=torch.bool) for s in layout.signals]
    )
