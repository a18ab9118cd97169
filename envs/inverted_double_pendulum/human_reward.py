"""Stay up, keep the top high and central, and the hinges slow: Gymnasium's own reward (v5)."""

WEIGHTS = {"alive": 10.0, "tip": 1.0, "lower_speed": 0.001, "upper_speed": 0.005}
SCALES = {"height": 2.0, "sideways": 0.01}


def compute_reward(tip_position, pole_angular_velocities, terminated, height, sideways):
    across, up = tip_position[:, 0], tip_position[:, 1]
    return {
        "alive": (~terminated).float(),
        "tip": -sideways * across.square() - (up - height).square(),
        "lower_speed": -pole_angular_velocities[:, 0].square(),
        "upper_speed": -pole_angular_velocities[:, 1].square(),
    }
