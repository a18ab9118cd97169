# The offline designer: the opening, a mixture of plausible terms.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction coming to 1 (upright); charge for the position of
the cart along the rail straying from 0 (middle)."""

WEIGHTS = {"pole_up_progress": 1.0, "off_middle": 0.25}
SCALES = {"control_step": 0.04}


def compute_reward(prev_pole_up, pole_up, cart_position, control_step):
    pole_up_progress = ((prev_pole_up - 1.0).abs() - (pole_up - 1.0).abs()) / control_step
    off_middle = -cart_position.abs()
    return {"pole_up_progress": pole_up_progress, "off_middle": off_middle}
