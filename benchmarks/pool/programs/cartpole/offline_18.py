# The offline designer: the opening on seed 6, a mixture of plausible terms.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction staying near 1 (upright); charge for the position
of the cart along the rail straying from 0 (middle)."""

WEIGHTS = {"upright": 1.0, "off_middle": 0.1}
SCALES = {"upright_width": 1.0}


def compute_reward(pole_up, cart_position, upright_width):
    upright = torch.exp(-((pole_up - 1.0) / upright_width).square())
    off_middle = -cart_position.abs()
    return {"upright": upright, "off_middle": off_middle}
