# The offline designer: a bold change, a mixture of plausible terms.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction turning to 1 (upright)."""

WEIGHTS = {"upright": 1.0}


def compute_reward(pole_up):
    upright = (pole_up + 1.0) / 2.0
    return {"upright": upright}
