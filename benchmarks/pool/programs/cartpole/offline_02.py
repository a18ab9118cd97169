# The offline designer: the opening, the most plausible aim alone.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction turning to 1 (upright); charge for strong actions."""

WEIGHTS = {"upright": 1.0, "effort": 0.03}


def compute_reward(pole_up, action):
    upright = (pole_up + 1.0) / 2.0
    effort = -action.square().mean(-1)
    return {"upright": upright, "effort": effort}
