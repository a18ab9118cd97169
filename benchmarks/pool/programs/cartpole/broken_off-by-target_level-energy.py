# Drive the pole's energy to 0, as in texts that count height from the top; here level is 0.
# The energy of a level pole is paid, so it swings between the two sides and never goes over level.
"""Bring the pole's energy to that of the upright balance, in the middle and with smooth forces."""

WEIGHTS = {"energy": 1.0, "middle": 0.3, "smooth": 0.02}
SCALES = {"energy_width": 0.5, "rail_width": 0.8}


def compute_reward(
    pole_up,
    pole_angular_velocity,
    cart_position,
    action,
    prev_action,
    energy_width,
    rail_width,
):
    energy = pole_angular_velocity.square() / 29.43 + pole_up
    return {
        "energy": laplace_kernel(energy, energy_width),
        "middle": gaussian_kernel(cart_position, rail_width),
        "smooth": -(action - prev_action).square().sum(-1),
    }
