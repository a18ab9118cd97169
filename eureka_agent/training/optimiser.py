"""Adam with a state, a learning rate and a gradient norm of its own for every lane."""

from typing import ClassVar

import torch
from torch import Tensor

from eureka_agent.environment import Stateful

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-5


class LaneAdam(Stateful):
    """Adam (Kingma and Ba, 2015, algorithm 1) on the rows of one `[K, P]` tensor.

    Stock optimisers and `clip_grad_norm_` couple lanes through shared step counts, learning rates
    and norms; here every row is on its own.

    Attributes:
        learning_rate: per lane `[K]`.
    """

    STATE: ClassVar = ("learning_rate", "_steps", "_first", "_second")

    def __init__(self, parameters: Tensor, learning_rate: float, largest_norm: float) -> None:
        lanes = parameters.shape[0]
        self._parameters = parameters
        self._start = learning_rate
        self._largest_norm = largest_norm
        self.learning_rate = torch.full((lanes,), learning_rate, device=parameters.device)
        self._steps = torch.zeros(lanes, 1, device=parameters.device)
        self._first = torch.zeros_like(parameters)
        self._second = torch.zeros_like(parameters)

    def reset(self, lane: int) -> None:
        """Forget a lane's moments and put its learning rate back to the start."""
        self.learning_rate[lane] = self._start
        self._steps[lane] = 0.0
        self._first[lane] = 0.0
        self._second[lane] = 0.0

    @torch.no_grad()
    def step(self, gradient: Tensor) -> Tensor:
        """Clip each row of the gradient `[K, P]` and move; returns the norms `[K]`."""
        norm = gradient.square().sum(1, keepdim=True).sqrt()
        gradient = gradient * (self._largest_norm / norm.clamp(min=self._largest_norm))
        self._steps += 1
        self._first.lerp_(gradient, 1 - BETA_1)
        self._second.mul_(BETA_2).addcmul_(gradient, gradient, value=1 - BETA_2)
        first = self._first / (1 - BETA_1**self._steps)
        second = self._second / (1 - BETA_2**self._steps)
        update = self.learning_rate[:, None] * first / (second.sqrt() + EPSILON)
        self._parameters.sub_(update)
        return norm[:, 0]
