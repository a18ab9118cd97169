"""Upright pole, centred cart, smooth control; each term through a small helper."""

import torch
import torch.nn.functional as F

WEIGHTS = {
    "pole": 1.0,
    "cart": 0.25,
    "spin": 0.1,
    "smooth": 0.05,
}
SCALES = {"pole_width": 0.5, "cart_width": 1.0, "spin_width": 4.0}


def rbf(x, width):
    """Radial basis function."""
    return torch.exp(-0.5 * (x / width).pow(2))


def angle_from_vertical(right, up):
    return torch.atan2(right, up)


def soft_penalty(x, margin: float = 0.5, slope: float = 2.0):
    return -F.softplus(slope * (x.abs() - margin))


def squared_norm(x):
    return (x * x).sum(dim=-1)


def compute_reward(
    cart_position,
    pole_up,
    pole_right,
    pole_angular_velocity,
    action,
    prev_action,
    pole_width,
    cart_width,
    spin_width,
):
    theta = angle_from_vertical(pole_right, pole_up)
    pole = rbf(theta, pole_width)
    cart = rbf(cart_position, cart_width) + 0.1 * soft_penalty(cart_position, margin=1.5)
    spin = rbf(pole_angular_velocity, spin_width) * pole
    smooth = -squared_norm(action - prev_action)
    return {"pole": pole, "cart": cart, "spin": spin, "smooth": smooth}
