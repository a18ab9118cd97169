"""K stable-baselines3 actor-critic networks as one stack, so that one call serves all lanes."""

from collections.abc import Mapping
from typing import ClassVar

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from eureka_agent.environment import Stateful, TrainingSettings

ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "elu": nn.ELU, "relu": nn.ReLU}


def make_policy(
    observation_size: int, action_size: int, settings: TrainingSettings
) -> ActorCriticPolicy:
    """One policy as stable-baselines3's PPO would make it: separate networks, Gaussian actions."""
    observations = gymnasium.spaces.Box(-np.inf, np.inf, (observation_size,), np.float32)
    actions = gymnasium.spaces.Box(-1.0, 1.0, (action_size,), np.float32)
    return ActorCriticPolicy(
        observations,
        actions,
        lr_schedule=lambda _: settings.learning_rate,
        net_arch=list(settings.hidden),
        activation_fn=ACTIVATIONS[settings.activation],
        log_std_init=settings.initial_log_std,
    )


def fresh_weights(
    observation_size: int, action_size: int, settings: TrainingSettings, seed: int
) -> dict[str, Tensor]:
    """State dict of a newly initialised policy; a function of the seed alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make_policy(observation_size, action_size, settings).state_dict()


class PolicyStack(Stateful):
    """K policies of one shape in a single `[K, P]` tensor.

    The columns are the entries of stable-baselines3's state dict, one after the other, so lanes
    are loaded and read back by its names. One flat tensor makes every per-lane operation of the
    optimiser a row operation.

    Args:
        template: a state dict that gives names and shapes.
        lanes: K.
        activation: of the hidden layers.
    """

    STATE: ClassVar = ("flat",)

    def __init__(self, template: Mapping[str, Tensor], lanes: int, activation: str) -> None:
        self.shapes = {name: tuple(value.shape) for name, value in template.items()}
        self._sizes = [value.numel() for value in template.values()]
        self.flat = torch.zeros(lanes, sum(self._sizes))
        self._activation = ACTIVATIONS[activation]()
        depth = sum(name.startswith("mlp_extractor.policy_net") for name in template) // 2
        self._actor = [f"mlp_extractor.policy_net.{2 * i}" for i in range(depth)] + ["action_net"]
        self._critic = [f"mlp_extractor.value_net.{2 * i}" for i in range(depth)] + ["value_net"]

    def load(self, lane: int, weights: Mapping[str, Tensor]) -> None:
        """Put a state dict into a lane."""
        with torch.no_grad():
            self.flat[lane] = torch.cat([weights[name].reshape(-1) for name in self.shapes])

    def read(self, lane: int) -> dict[str, Tensor]:
        """The state dict of a lane, copied."""
        parts = self.flat.detach()[lane].clone().split(self._sizes)
        return {
            name: part.view(shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def rescale_values(self, factor: Tensor, offset: Tensor) -> None:
        """Make every value `v` become `factor·v + offset`, per lane `[K]`."""
        views = self.views()
        views["value_net.weight"] *= factor[:, None, None]
        views["value_net.bias"].mul_(factor[:, None]).add_(offset[:, None])

    def views(self) -> dict[str, Tensor]:
        """The parameters by name, `[K, ...]` each; differentiable with respect to `flat`."""
        parts = self.flat.split(self._sizes, dim=1)
        return {
            name: part.view(-1, *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def actor(self, views: Mapping[str, Tensor], observation: Tensor) -> Tensor:
        """Mean actions `[K, B, A]` for normalised observations `[K, B, D]`."""
        return self._forward(views, self._actor, observation)

    def critic(self, views: Mapping[str, Tensor], observation: Tensor) -> Tensor:
        """Values `[K, B]` for normalised observations `[K, B, D]`."""
        return self._forward(views, self._critic, observation)[..., 0]

    def _forward(self, views: Mapping[str, Tensor], layers: list[str], x: Tensor) -> Tensor:
        for i, layer in enumerate(layers):
            bias, weight = views[f"{layer}.bias"], views[f"{layer}.weight"]
            x = torch.baddbmm(bias[:, None, :], x, weight.transpose(1, 2))
            if i < len(layers) - 1:
                x = self._activation(x)
        return x
