# The offline designer: a bold change, middle as a term of its own.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction turning to 1 (upright) and the position of the
cart along the rail staying near 0 (middle); charge for abrupt changes of action."""

WEIGHTS = {"upright": 1.0, "smoothness": 0.03, "middle": 1.0}
SCALES = {"middle_width": 2.0}


def compute_reward(pole_up, action, prev_action, cart_position, middle_width):
    upright = (pole_up + 1.0) / 2.0
    smoothness = -(action - prev_action).square().mean(-1)
    middle = torch.exp(-(cart_position / middle_width).square())
    return {"upright": upright, "smoothness": smoothness, "middle": middle}
