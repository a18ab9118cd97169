"""Keep the pole up, in the style of published generated rewards."""
from typing import Dict

import torch

WEIGHTS: Dict[str, float] = {"angle_reward": 1.0, "position_penalty": 0.1, "velocity_penalty": 0.01}
SCALES: Dict[str, float] = {"angle_temperature": 0.3}

@torch.jit.script
def compute_reward(cart_position: torch.Tensor, cart_velocity: torch.Tensor, pole_up: torch.Tensor,
                   pole_right: torch.Tensor, pole_angular_velocity: torch.Tensor,
                   angle_temperature: float) -> Dict[str, torch.Tensor]:
    pole_angle: torch.Tensor = torch.atan2(pole_right, pole_up)
    angle_reward: torch.Tensor = torch.exp(-torch.abs(pole_angle) / angle_temperature)
    position_penalty: torch.Tensor = -torch.square(cart_position)
    velocity_penalty: torch.Tensor = -(torch.square(cart_velocity) + torch.square(pole_angular_velocity))
    return {"angle_reward": angle_reward, "position_penalty": position_penalty, "velocity_penalty": velocity_penalty}
