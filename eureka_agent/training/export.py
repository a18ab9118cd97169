"""Policies for the world outside: normalisers folded in, as stock stable-baselines3 zips."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from torch import Tensor

from eureka_agent.environment import Environment
from eureka_agent.store.files import draft_of, write_atomically
from eureka_agent.training.networks import MODULES


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
    with draft_of(path) as draft:
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
