"""Policies: K stable-baselines3 actor-critic networks as one stack, and their export as zips."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from eureka_agent.environment import Environment, Stateful, TrainingSettings
from eureka_agent.simulation import CPU
from eureka_agent.store.folder import atomic_file, write_atomically


class Activation(NamedTuple):
    """A hidden layer's function `[...] -> [...]`.

    Attributes:
        module: the same for stable-baselines3.
        value: the function.
        backward: the gradient before the function, given the one behind it and the output.
    """

    module: type[nn.Module]
    value: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]


def _tanh(x: Tensor) -> Tensor:
    if x.device.type != "cpu":
        return x.tanh()
    # NumPy's vectorised loop takes a seventh of the time of torch's, which was a quarter of all
    # that training cost beside the physics.
    return torch.from_numpy(np.tanh(x.contiguous().numpy()))


ACTIVATIONS = {
    "tanh": Activation(nn.Tanh, _tanh, torch.ops.aten.tanh_backward),
    "relu": Activation(
        nn.ReLU, torch.relu, lambda gradient, y: torch.ops.aten.threshold_backward(gradient, y, 0)
    ),
    "elu": Activation(
        nn.ELU,
        nn.functional.elu,
        lambda gradient, y: torch.ops.aten.elu_backward(gradient, 1, 1, 1, True, y),
    ),
}


class Layer(NamedTuple):
    """A linear layer of every lane, and where its gradients go.

    Attributes:
        weight: `[K, out, in]`.
        bias: `[K, out]`.
        weight_gradient: `[K, out, in]`.
        bias_gradient: `[K, out]`.
    """

    weight: Tensor
    bias: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor


class LaneMlp:
    """K networks of one shape; the activation stands between layers.

    The gradient is written out by hand: with networks this small automatic differentiation took
    almost as long again as the arithmetic.

    Args:
        layers: first to last.
        activation: name of the hidden layers' function.
    """

    def __init__(self, layers: Sequence[Layer], activation: str) -> None:
        self._layers = tuple(layers)
        self._activation = ACTIVATIONS[activation]

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs `[K, B, out]` for inputs `[K, B, in]`."""
        return self.forward(x)[0]

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Outputs, and the input of every layer, which `backward` needs."""
        inputs = []
        for layer in self._layers:
            if inputs:
                x = self._activation.value(x)
            inputs.append(x)
            x = torch.baddbmm(layer.bias[:, None], x, layer.weight.transpose(1, 2))
        return x, inputs

    def backward(self, gradient: Tensor, inputs: Sequence[Tensor]) -> None:
        """Write the gradient of every weight and bias.

        Args:
            gradient: of the loss with respect to the outputs `[K, B, out]`.
            inputs: from `forward`.
        """
        for layer, x in zip(reversed(self._layers), reversed(inputs), strict=True):
            layer.weight_gradient.copy_(torch.bmm(gradient.transpose(1, 2), x))
            layer.bias_gradient.copy_(gradient.sum(1))
            if layer is not self._layers[0]:
                behind = torch.bmm(gradient, layer.weight)
                gradient = self._activation.backward(behind, x)


def spaces(
    observation_size: int, action_size: int
) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Box]:
    """Gymnasium's spaces of observations and of actions, which lie in [-1, 1]."""
    return (
        gymnasium.spaces.Box(-np.inf, np.inf, (observation_size,), np.float32),
        gymnasium.spaces.Box(-1.0, 1.0, (action_size,), np.float32),
    )


def policy_arguments(settings: TrainingSettings) -> dict[str, Any]:
    """Keyword arguments of stable-baselines3's `ActorCriticPolicy`: separate networks."""
    return {
        "net_arch": list(settings.hidden),
        "activation_fn": ACTIVATIONS[settings.activation].module,
        "log_std_init": settings.initial_log_std,
    }


def make_policy(
    observation_size: int, action_size: int, settings: TrainingSettings
) -> ActorCriticPolicy:
    """One policy as stable-baselines3's PPO would make it, but without an optimiser.

    Torch's first optimiser imports 800 modules, which takes a second.
    """
    return ActorCriticPolicy(
        *spaces(observation_size, action_size),
        lr_schedule=lambda _: settings.learning_rate,
        optimizer_class=lambda *arguments, **options: None,  # type: ignore[arg-type]
        **policy_arguments(settings),
    )


def initial_weights(
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
    optimiser a row operation. Networks and gradients are views of it: it is written in place.

    Args:
        template: a state dict that gives names and shapes.
        lanes: K.
        activation: of the hidden layers.
        device: where the stack lives.

    Attributes:
        flat: the parameters `[K, P]`.
        gradient: of a loss, written by `backward` of the networks `[K, P]`.
        actor: mean actions `[K, B, A]` for normalised observations `[K, B, D]`.
        value_network: values `[K, B, 1]` for normalised observations.
        log_std: logarithm of the actions' standard deviation `[K, A]`, a view of `flat`.
        log_std_gradient: its gradient, a view of `gradient`.
    """

    STATE: ClassVar = ("flat",)

    def __init__(
        self,
        template: Mapping[str, Tensor],
        lanes: int,
        activation: str,
        device: torch.device = CPU,
    ) -> None:
        self.shapes = {name: tuple(value.shape) for name, value in template.items()}
        self._sizes = [value.numel() for value in template.values()]
        self.flat = torch.zeros(lanes, sum(self._sizes), device=device)
        self.gradient = torch.zeros_like(self.flat)
        self._views, gradients = self._by_name(self.flat), self._by_name(self.gradient)
        self.log_std, self.log_std_gradient = self._views["log_std"], gradients["log_std"]
        depth = sum(name.startswith("mlp_extractor.policy_net") for name in template) // 2

        def network(hidden: str, last: str) -> LaneMlp:
            names = [*(f"mlp_extractor.{hidden}.{2 * i}" for i in range(depth)), last]
            layers = [
                Layer(
                    self._views[f"{name}.weight"],
                    self._views[f"{name}.bias"],
                    gradients[f"{name}.weight"],
                    gradients[f"{name}.bias"],
                )
                for name in names
            ]
            return LaneMlp(layers, activation)

        self.actor = network("policy_net", "action_net")
        self.value_network = network("value_net", "value_net")

    def load(self, lane: int, weights: Mapping[str, Tensor]) -> None:
        """Put a state dict into a lane."""
        self.flat[lane] = torch.cat([weights[name].reshape(-1) for name in self.shapes])

    def read(self, lane: int) -> dict[str, Tensor]:
        """The state dict of a lane, copied."""
        copied = self._by_name(self.flat[lane : lane + 1].cpu().clone())
        return {name: value[0] for name, value in copied.items()}

    def values(self, observation: Tensor) -> Tensor:
        """Values `[K, B]` for normalised observations `[K, B, D]`."""
        return self.value_network(observation)[..., 0]

    def rescale_values(self, factor: Tensor, offset: Tensor) -> None:
        """Make every value `v` become `factor·v + offset`, per lane `[K]`."""
        self._views["value_net.weight"].mul_(factor[:, None, None])
        self._views["value_net.bias"].mul_(factor[:, None]).add_(offset[:, None])

    def _by_name(self, flat: Tensor) -> dict[str, Tensor]:
        """The columns of a `[K, P]` tensor as views `[K, ...]` by name."""
        parts = flat.split(self._sizes, dim=1)
        return {
            name: part.view(-1, *shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }


def fold_normalisation(
    weights: Mapping[str, Tensor],
    obs_mean: Tensor,
    obs_std: Tensor,
    return_mean: Tensor,
    return_std: Tensor,
) -> dict[str, Tensor]:
    """A state dict that takes raw observations and predicts returns in the reward's own unit.

    Args:
        weights: state dict of a policy on `(observation - obs_mean) / obs_std`, whose value
            network predicts `(return - return_mean) / return_std`.
        obs_mean: `[D]`.
        obs_std: `[D]`.
        return_mean: a scalar.
        return_std: a scalar.
    """
    result = {name: value.clone() for name, value in weights.items()}
    for net in ("policy_net", "value_net"):
        weight, bias = f"mlp_extractor.{net}.0.weight", f"mlp_extractor.{net}.0.bias"
        # W (o - m) / s + b = (W / s) o + (b - (W / s) m), in double precision: m can be large
        # against s.
        slope = result[weight].double() / obs_std.double()
        result[bias] = (result[bias].double() - slope @ obs_mean.double()).float()
        result[weight] = slope.float()
    result["value_net.weight"] = result["value_net.weight"] * return_std
    result["value_net.bias"] = result["value_net.bias"] * return_std + return_mean
    return result


def save_policy(path: Path, weights: Mapping[str, Tensor], environment: Environment) -> None:
    """Write a zip that `stable_baselines3.PPO.load(path)` reads without this project.

    Beside it goes a JSON file of the same name with what a control loop needs: how actions map
    to controls, and for how many physics steps each is held.

    Args:
        path: of the zip.
        weights: a state dict from `fold_normalisation`.
        environment: the one that the policy was trained in.
    """
    settings = environment.training
    model = PPO(
        "MlpPolicy",
        env=None,  # type: ignore[arg-type]
        n_steps=settings.n_steps,
        batch_size=max(settings.n_steps // settings.minibatches, 2),
        gamma=settings.gamma,
        device="cpu",
        policy_kwargs=policy_arguments(settings),
        _init_setup_model=False,
    )
    model.observation_space, model.action_space = spaces(
        weights["mlp_extractor.policy_net.0.weight"].shape[1],
        weights["action_net.weight"].shape[0],
    )
    model.n_envs = 1
    model._setup_model()
    model.policy.load_state_dict({name: torch.as_tensor(v) for name, v in weights.items()})
    model._last_obs = None
    model.rollout_buffer_class = None
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as draft:
        model.save(draft)
    write_atomically(path.with_suffix(".json"), json.dumps(_control(environment), indent=2))


def _control(environment: Environment) -> dict[str, Any]:
    low, high = environment.action_range()
    return {
        "environment": environment.name,
        "timestep": environment.physics_step,
        "substeps": environment.substeps,
        "control_step": environment.control_step,
        "control_low": low.tolist(),
        "control_high": high.tolist(),
        "action_map": "control = low + (clip(action, -1, 1) + 1) / 2 * (high - low)",
        "actuators": list(environment.actuators),
        "observation": " ".join((environment.observation.__doc__ or "").split()),
    }
