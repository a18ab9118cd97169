"""K stable-baselines3 actor-critic networks as one stack, so that one call serves all lanes."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import Tensor, nn

from eureka_agent.environment import Environment, Stateful, TrainingSettings
from eureka_agent.simulation import CPU
from eureka_agent.store.folder import atomic_file, write_atomically


@dataclass(frozen=True)
class Activation:
    """A hidden layer's function `[...] -> [...]` and its derivative, given what it returned."""

    value: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]
    """Gradient before the function from the gradient behind it, and from its output."""


def _tanh(x: Tensor) -> Tensor:
    if x.device.type != "cpu":
        return x.tanh()
    # NumPy's vectorised loop takes a seventh of the time of torch's, which was a quarter of all
    # that training cost beside the physics.
    array = x.contiguous().numpy()
    return torch.from_numpy(np.tanh(array))


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(_tanh, torch.ops.aten.tanh_backward),
    "relu": Activation(
        torch.relu, lambda gradient, y: torch.ops.aten.threshold_backward(gradient, y, 0)
    ),
    "elu": Activation(
        torch.nn.functional.elu,
        lambda gradient, y: torch.ops.aten.elu_backward(gradient, 1, 1, 1, True, y),
    ),
}


@dataclass
class Layer:
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
        """Outputs, and the input of every layer, which `backward` wants."""
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


MODULES: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "elu": nn.ELU, "relu": nn.ReLU}
"""The activations as stable-baselines3 wants them."""


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
        activation_fn=MODULES[settings.activation],
        log_std_init=settings.initial_log_std,
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
        critic: values `[K, B, 1]` for normalised observations.
        log_std: logarithm of the action spread `[K, A]`, a view of `flat`.
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
        self.critic = network("value_net", "value_net")

    def load(self, lane: int, weights: Mapping[str, Tensor]) -> None:
        """Put a state dict into a lane."""
        self.flat[lane] = torch.cat([weights[name].reshape(-1) for name in self.shapes])

    def read(self, lane: int) -> dict[str, Tensor]:
        """The state dict of a lane, copied."""
        parts = self.flat[lane].cpu().clone().split(self._sizes)
        return {
            name: part.view(shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def values(self, observation: Tensor) -> Tensor:
        """Values `[K, B]` for normalised observations `[K, B, D]`."""
        return self.critic(observation)[..., 0]

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


def folded(
    weights: Mapping[str, Tensor],
    shift: Tensor,
    scale: Tensor,
    value_shift: Tensor,
    value_scale: Tensor,
) -> dict[str, Tensor]:
    """A state dict that takes raw observations and predicts returns in the reward's own unit.

    Args:
        weights: state dict of a policy on normalised observations `(o - shift) / scale`.
        shift: `[D]`.
        scale: `[D]`.
        value_shift: of the returns, a scalar.
        value_scale: of the returns, a scalar.
    """
    result = {name: value.clone() for name, value in weights.items()}
    for net in ("policy_net", "value_net"):
        weight, bias = f"mlp_extractor.{net}.0.weight", f"mlp_extractor.{net}.0.bias"
        # In double precision: the shift can be large against the spread.
        slope = result[weight].double() / scale.double()
        result[bias] = (result[bias].double() - slope @ shift.double()).float()
        result[weight] = slope.float()
    result["value_net.weight"] = result["value_net.weight"] * value_scale
    result["value_net.bias"] = result["value_net.bias"] * value_scale + value_shift
    return result


def save_policy(path: Path, weights: Mapping[str, Tensor], environment: Environment) -> None:
    """Write a zip that `stable_baselines3.PPO.load(path)` reads without this project.

    Beside it goes a JSON file of the same name with what a control loop needs: how actions map
    to controls, and for how many physics steps each is held.

    Args:
        path: of the zip.
        weights: a folded state dict.
        environment: the one it was trained in.
    """
    settings = environment.training
    observation_size = weights["mlp_extractor.policy_net.0.weight"].shape[1]
    action_size = weights["action_net.weight"].shape[0]
    model = PPO(
        "MlpPolicy",
        env=None,  # type: ignore[arg-type]
        n_steps=settings.horizon,
        batch_size=max(settings.horizon // settings.minibatches, 2),
        gamma=settings.discount,
        device="cpu",
        policy_kwargs={
            "net_arch": list(settings.hidden),
            "activation_fn": MODULES[settings.activation],
        },
        _init_setup_model=False,
    )
    model.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (observation_size,), np.float32)
    model.action_space = gymnasium.spaces.Box(-1.0, 1.0, (action_size,), np.float32)
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
