# The cost of a linear regulator: squares of angle, rates, position and force.
"""Charge squares of the angle from upright, both velocities, the position and the force."""

WEIGHTS = {"angle": 1.0, "spin": 0.02, "position": 0.5, "speed": 0.02, "force": 0.02}


def compute_reward(
    pole_up, pole_right, pole_angular_velocity, cart_position, cart_velocity, action
):
    angle = torch.atan2(pole_right, pole_up)
    return {
        "angle": -angle.square(),
        "spin": -pole_angular_velocity.square(),
        "position": -cart_position.square(),
        "speed": -cart_velocity.square(),
        "force": -action.square().sum(-1),
    }
