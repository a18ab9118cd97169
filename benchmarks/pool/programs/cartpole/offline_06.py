# The offline designer: the opening, a mixture of plausible terms.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction staying near 1 (upright)."""

WEIGHTS = {"upright": 1.0}
SCALES = {"upright_width": 1.0}


def compute_reward(pole_up, upright_width):
    upright = torch.exp(-((pole_up - 1.0) / upright_width).square())
    return {"upright": upright}
