# The offline designer: the opening on seed 5, a mixture of plausible terms.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction staying near 1 (upright); charge for large
position of the cart along the rail and strong actions."""

WEIGHTS = {"upright": 1.0, "cart_position_squared": 0.4, "effort": 0.015}
SCALES = {"upright_width": 1.0}


def compute_reward(pole_up, cart_position, action, upright_width):
    upright = torch.exp(-((pole_up - 1.0) / upright_width).square())
    cart_position_squared = -cart_position.square()
    effort = -action.square().mean(-1)
    return {"upright": upright, "cart_position_squared": cart_position_squared, "effort": effort}
