# The motor is paid for work on the pole while energy is lacking, and height pays all the time.
"""Push so as to feed the swing while the pole lacks energy; then hold it high."""

WEIGHTS = {"pump": 0.15, "height": 1.0, "overspeed": 0.3, "middle": 0.3}


def compute_reward(pole_up, pole_angular_velocity, cart_position, action):
    energy = pole_up + pole_angular_velocity.square() / 29.43
    lacking = torch.clamp(0.5 * (1.0 - energy), 0.0, 1.0)
    # A cart pushed to the right turns an upright pole to the left, and a hanging one to the right.
    work = -action[:, 0] * pole_angular_velocity * pole_up
    return {
        "pump": lacking * work,
        "height": pole_up,
        "overspeed": -torch.relu(energy - 1.2),
        "middle": -cart_position.abs(),
    }
