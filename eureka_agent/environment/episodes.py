"""Whole episodes as plain arrays: what the judge records and any program can be scored on."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from eureka_agent.environment.transitions import Memory, SignalLayout, Transitions
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
