"""Forward velocity, upright torso, smooth joints."""
from __future__ import annotations

from typing import Dict, Tuple

import torch
from torch import Tensor

WEIGHTS = {
    "forward_reward": 1.0,
    "upright_reward": 0.3,
    "action_penalty": 0.05,
    "joint_velocity_penalty": 0.001,
}
SCALES = {
    "forward_temperature": 2.0,
    "upright_temperature": 0.5,
}


@torch.jit.script
def compute_reward(
    torso_velocity: Tensor,
    torso_pitch: Tensor,
    joint_velocities: Tensor,
    action: Tensor,
    forward_temperature: float,
    upright_temperature: float,
) -> Tuple[Tensor, Dict[str, Tensor]]:
    """
    Compute the reward for a running cheetah.
    """
    # Forward velocity reward
    forward_velocity: Tensor = torso_velocity[:, 0]
    forward_reward: Tensor = torch.tanh(forward_velocity / forward_temperature) * forward_velocity.abs()

    # Upright reward
    upright_reward: Tensor = torch.exp(-torch.abs(torso_pitch) / upright_temperature)

    # Penalties
    action_penalty: Tensor = -torch.norm(action, p=2, dim=-1)
    joint_velocity_penalty: Tensor = -torch.sum(torch.square(joint_velocities), dim=-1)

    return {
        "forward_reward": forward_reward,
        "upright_reward": upright_reward,
        "action_penalty": action_penalty,
        "joint_velocity_penalty": joint_velocity_penalty,
    }
