# The offline designer: the opening on seed 1, the most plausible aim with guards.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction turning to 1 (upright) and the position of the
cart along the rail staying near 0 (middle); charge for strong actions."""

WEIGHTS = {"upright": 1.0, "middle": 0.2, "effort": 0.03}
SCALES = {"middle_width": 1.0}


def compute_reward(pole_up, cart_position, action, middle_width):
    upright = (pole_up + 1.0) / 2.0
    middle = torch.exp(-(cart_position / middle_width).square())
    effort = -action.square().mean(-1)
    return {"upright": upright, "middle": middle, "effort": effort}
