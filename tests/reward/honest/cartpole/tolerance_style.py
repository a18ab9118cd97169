"""The control suite's tolerance, written by hand for each quantity."""

import math

WEIGHTS = {"swing_up": 1.0}
SCALES = {"value_at_margin": 0.1}


def _sigmoid(x, value_at_1):
    # "gaussian" sigmoid
    scale = math.sqrt(-2 * math.log(0.1))
    return torch.exp(-0.5 * (x * scale) ** 2) + 0.0 * value_at_1


def _tolerance(x, low, high, margin, value_at_margin):
    in_bounds = torch.logical_and(low <= x, x <= high)
    distance = torch.where(x < low, low - x, x - high) / margin
    return torch.where(in_bounds, torch.ones_like(x), _sigmoid(distance, value_at_margin))


def compute_reward(pole_up, cart_position, action, pole_angular_velocity, value_at_margin):
    upright = (pole_up + 1) / 2
    centered = _tolerance(cart_position, 0.0, 0.0, 2.0, value_at_margin)
    centered = (1 + centered) / 2
    small_control = _tolerance(action[..., 0], 0.0, 0.0, 1.0, value_at_margin)
    small_control = (4 + small_control) / 5
    small_velocity = _tolerance(pole_angular_velocity, 0.0, 0.0, 5.0, value_at_margin)
    small_velocity = (1 + small_velocity) / 2
    return {"swing_up": upright * small_control * small_velocity * centered}
