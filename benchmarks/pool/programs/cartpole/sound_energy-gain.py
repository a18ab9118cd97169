# Each step is paid for how much nearer the energy came to that of upright, plus a standing wage.
"""Pay for closing the gap to upright energy, and a wage for height that is steepest at the top."""

WEIGHTS = {"gain": 4.0, "standing": 1.0, "stray": 0.15}


def energy_gap(height, rate):
    return (height + rate.square() / 29.43 - 1.0).abs()


def compute_reward(
    pole_up, prev_pole_up, pole_angular_velocity, prev_pole_angular_velocity, cart_position
):
    now = energy_gap(pole_up, pole_angular_velocity)
    before = energy_gap(prev_pole_up, prev_pole_angular_velocity)
    return {
        "gain": progress(now, before),
        "standing": (0.5 * (1.0 + pole_up)).square(),
        "stray": -cart_position.square(),
    }
