# The offline designer: the opening, a mixture of plausible terms.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction coming to 1 (upright) and the position of the cart
along the rail staying near 0 (middle); charge for strong actions."""

WEIGHTS = {"pole_up_progress": 1.0, "effort": 0.1, "middle": 0.5}
SCALES = {"control_step": 0.04, "middle_width": 1.0}


def compute_reward(prev_pole_up, pole_up, action, cart_position, control_step, middle_width):
    pole_up_progress = ((prev_pole_up - 1.0).abs() - (pole_up - 1.0).abs()) / control_step
    effort = -action.square().mean(-1)
    middle = torch.exp(-(cart_position / middle_width).square())
    return {"pole_up_progress": pole_up_progress, "effort": effort, "middle": middle}
