"""Near the target, and there upright and without spin: the reward of Isaac Gym's Quadcopter."""

WEIGHTS = {"near": 1.0, "upright": 1.0, "steady": 1.0}


def compute_reward(target_offset, chassis_up, angular_velocity):
    near = 1.0 / (1.0 + target_offset.square().sum(-1))
    upright = near / (1.0 + (1.0 - chassis_up[:, 2]).square())
    steady = near / (1.0 + angular_velocity[:, 2].square())
    return {"near": near, "upright": upright, "steady": steady}
