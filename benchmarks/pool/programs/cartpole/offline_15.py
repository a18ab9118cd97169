# The offline designer: a bold change, a mixture of plausible terms.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction turning to 1 (upright) and the position of the
cart along the rail staying near 0 (middle)."""

WEIGHTS = {"upright": 1.0, "middle": 0.1}
SCALES = {"middle_width": 1.0}


def compute_reward(pole_up, cart_position, middle_width):
    upright = (pole_up + 1.0) / 2.0
    middle = torch.exp(-(cart_position / middle_width).square())
    return {"upright": upright, "middle": middle}
