"""Buffers for one rollout of all lanes, allocated once."""

import torch
from torch import Tensor

from eureka_agent.environment import AnyWorlds, Step, Transitions


class RolloutBuffer:
    """`T` steps of `W = K·N` worlds.

    Attributes:
        observation: what the policy saw `[T, W, D]`.
        final_observation: what it would see after the step, before any reset `[T, W, D]`.
        sampled: actions before clipping `[T, W, A]`.
        mean: means they were sampled around `[T, W, A]`.
        transitions: what programs read.
        truncated: episodes cut by the time limit `[T, W]`.
        diverged: worlds whose physics failed `[T, W]`.
    """

    def __init__(self, worlds: AnyWorlds, horizon: int) -> None:
        n, a = worlds.n, worlds.action_size
        d, s = worlds.observation.shape[1], worlds.layout.width

        def floats(*size: int) -> Tensor:
            return torch.zeros(horizon, n, *size, device=worlds.observation.device)

        def flags() -> Tensor:
            return torch.zeros(horizon, n, dtype=torch.bool, device=worlds.observation.device)

        self.observation, self.final_observation = floats(d), floats(d)
        self.sampled, self.mean = floats(a), floats(a)
        self.truncated, self.diverged = flags(), flags()
        self.transitions = Transitions(
            before=floats(s),
            after=floats(s),
            action=floats(a),
            prev_action=floats(a),
            terminated=flags(),
            time_left=floats(),
            fresh=flags(),
        )

    def store(
        self, t: int, observation: Tensor, mean: Tensor, sampled: Tensor, action: Tensor, step: Step
    ) -> None:
        """Write step `t`."""
        self.observation[t], self.mean[t], self.sampled[t] = observation, mean, sampled
        self.final_observation[t] = step.final_observation
        self.truncated[t], self.diverged[t] = step.truncated, step.diverged
        part = self.transitions
        part.before[t], part.after[t] = step.before, step.after
        part.action[t], part.prev_action[t] = action, step.prev_action
        part.terminated[t], part.time_left[t] = step.terminated, step.time_left
        part.fresh[t] = step.fresh
