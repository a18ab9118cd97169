"""Pole upright, cart and pole slow, and a fine for failure: the reward of Isaac Gym's Cartpole."""

WEIGHTS = {"upright": 1.0, "cart_speed": 0.01, "pole_speed": 0.005, "failure": 2.0}


def compute_reward(pole_angle, cart_velocity, pole_angular_velocity, terminated):
    alive = (~terminated).float()
    return {
        "upright": alive * (1.0 - pole_angle.square()),
        "cart_speed": -alive * cart_velocity.abs(),
        "pole_speed": -alive * pole_angular_velocity.abs(),
        "failure": alive - 1.0,
    }
