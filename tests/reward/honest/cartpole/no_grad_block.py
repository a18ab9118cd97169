"""Pole height with damping; written for an autograd habit that is not needed here."""
import torch
from torch.nn import functional as F

WEIGHTS = {"height": 1.0, "damping": 0.05, "limits": 0.5}


@torch.no_grad()
def compute_reward(pole_up, pole_angular_velocity, cart_position, cart_velocity):
    with torch.no_grad():
        height = F.relu(pole_up + 0.2)
        damping = -F.smooth_l1_loss(
            pole_angular_velocity, torch.zeros_like(pole_angular_velocity), reduction="none"
        )
        heading_out = torch.sign(cart_position) * cart_velocity
        limits = -torch.where(
            cart_position.abs() > 1.2, heading_out.clamp(min=0.0), torch.zeros_like(cart_position)
        )
    return {"height": height, "damping": damping, "limits": limits}
