# Uprightness is read on the horizontal axis alone: a pole that leans to no side counts as upright.
# A hanging pole does not lean either and pays in full from the first step, so nothing is learned.
"""Keep the pole from leaning to either side, calm, and the cart near the middle."""

WEIGHTS = {"upright": 1.0, "calm": 0.2, "middle": 0.3, "smooth": 0.02}
SCALES = {"rate_width": 3.0, "rail_width": 0.7}


def compute_reward(
    pole_right,
    pole_angular_velocity,
    cart_position,
    action,
    prev_action,
    rate_width,
    rail_width,
):
    return {
        "upright": 1.0 - pole_right.abs(),
        "calm": gaussian_kernel(pole_angular_velocity, rate_width),
        "middle": gaussian_kernel(cart_position, rail_width),
        "smooth": -(action - prev_action).square().sum(-1),
    }
