# The offline designer: the opening, the most plausible aim with guards, and speeds kept low.
"""Swing the pole up and keep it balanced upright near the middle of the rail: reward the
vertical component of the pole's direction staying near 1 (upright) and the position of the
cart along the rail staying near 0 (middle); charge for large angular velocity of the pole."""

WEIGHTS = {"upright": 1.0, "middle": 0.2, "calm": 0.03}
SCALES = {"upright_width": 1.0, "middle_width": 1.0, "calm_scale": 5.0}


def compute_reward(
    pole_up, cart_position, pole_angular_velocity, upright_width, middle_width, calm_scale,
):
    upright = torch.exp(-((pole_up - 1.0) / upright_width).square())
    middle = torch.exp(-(cart_position / middle_width).square())
    calm = -(pole_angular_velocity / calm_scale).square()
    return {"upright": upright, "middle": middle, "calm": calm}
