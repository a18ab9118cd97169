"""Whole episodes as plain arrays: what the judge records and any program can be scored on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from eureka_agent.environment.transitions import Memory, SignalLayout, Transitions
from eureka_agent.environment.worlds_base import AnyWorlds
from eureka_agent.reward import Evaluation


@dataclass
class Episodes:
    """`E` episodes of up to `L` control steps.

    Attributes:
        states: packed signals at the reset and after each step `[L + 1, E, S]`.
        actions: as applied, in [-1, 1] `[L, E, A]`.
        lengths: steps until the end of each episode `[E]` int64; rows beyond are meaningless.
        terminated: whether it ended before its time limit `[E]` bool.
        before: packed signals ahead of each step `[L, E, S]` of tasks that change within an
            episode, where they are not always those after the last step; None of other tasks.
    """

    states: Tensor
    actions: Tensor
    lengths: Tensor
    terminated: Tensor
    before: Tensor | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """The same as NumPy arrays, to send or to store."""
        return {name: value.numpy() for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Episodes":
        """The inverse of `arrays`."""
        names = [field.name for field in fields(cls) if field.name in arrays]
        return cls(**{n: torch.from_numpy(np.ascontiguousarray(arrays[n])) for n in names})

    def part(self, episodes: slice) -> "Episodes":
        """Some of the episodes."""
        return Episodes(
            self.states[:, episodes],
            self.actions[:, episodes],
            self.lengths[episodes],
            self.terminated[episodes],
            None if self.before is None else self.before[:, episodes],
        )

    def alive(self) -> Tensor:
        """Which steps belong to their episode `[L, E]` bool."""
        return torch.arange(len(self.actions))[:, None] < self.lengths

    def arguments(self, layout: SignalLayout, parameters: tuple[str, ...]) -> dict[str, Tensor]:
        """What a program reads, `M = L·E` rows; those beyond an end repeat the last one."""
        steps, episodes = self.actions.shape[:2]
        # Rows past an end hold whatever came next: give programs valid rows, and ignore the result.
        time = torch.arange(steps)[:, None].expand(steps, episodes)
        row = torch.minimum(time, self.lengths - 1)
        which = torch.arange(episodes).expand(steps, episodes)
        prev_actions = torch.cat([torch.zeros_like(self.actions[:1]), self.actions[:-1]])
        transitions = Transitions(
            before=(self.states if self.before is None else self.before)[row, which],
            after=self.states[row + 1, which],
            action=self.actions[row, which],
            prev_action=prev_actions[row, which],
            terminated=(row == self.lengths - 1) & self.terminated,
            time_left=1.0 - (row + 1).float() / steps,
            fresh=time == 0,
        )
        return transitions.arguments(layout, parameters, Memory.empty(episodes, layout))

    def sums(self, evaluation: Evaluation) -> Tensor:
        """Sum of a program's total over each episode `[E]`."""
        total = evaluation.total.view(self.actions.shape[:2])
        return torch.where(self.alive(), total, 0.0).double().sum(0)


Act: TypeAlias = Callable[[int, Tensor], Tensor]
"""Control step, from 0, and observations `[n, D]` to actions `[n, A]` in [-1, 1]."""
Watch: TypeAlias = Callable[[int, Tensor], None]
"""Told before each control step which it is, and which episodes have ended early `[n]` bool."""


@torch.no_grad()
def record(
    worlds: AnyWorlds,
    streams: Tensor,
    act: Act,
    *,
    living: int | None = None,
    watch: Watch = lambda step, ended: None,
) -> tuple[Episodes, Tensor]:
    """Let a policy act for one episode in every world.

    Args:
        worlds: any; all of them are started anew.
        streams: the source of randomness of each episode `[n]`.
        act: the policy.
        living: how many worlds are stepped, the first ones; the others stand still. All when None.
        watch: is told of each control step before it is done.

    Returns:
        The episodes, and which of them ended because the physics failed `[n]` bool.
    """
    n, limit = worlds.n, worlds.environment.episode_steps
    worlds.start(slice(0, n), streams, torch.zeros(n, dtype=torch.int64))
    worlds.stop(slice(n if living is None else living, n))
    states, actions, before = [worlds.signals], [], []
    lengths = torch.full((n,), limit)
    terminated, diverged = (torch.zeros(n, dtype=torch.bool) for _ in range(2))
    for t in range(limit):
        watch(t, terminated)
        action = act(t, worlds.observation)
        step = worlds.step(action)
        states.append(step.after)
        before.append(step.before)
        actions.append(action)
        diverged |= step.diverged
        for world in (step.terminated & ~terminated).nonzero()[:, 0].tolist():
            terminated[world], lengths[world] = True, t + 1
            worlds.stop(slice(world, world + 1))
    recorded = Episodes(
        torch.stack(states),
        torch.stack(actions),
        lengths,
        terminated,
        torch.stack(before) if worlds.environment.task_state else None,
    )
    return recorded, diverged


def joined(episodes: Sequence[Episodes]) -> Episodes:
    """Episodes of several records side by side."""
    arrays = [one.arrays() for one in episodes]
    axis = {"lengths": 0, "terminated": 0}
    return Episodes.from_arrays(
        {name: np.concatenate([a[name] for a in arrays], axis.get(name, 1)) for name in arrays[0]}
    )
