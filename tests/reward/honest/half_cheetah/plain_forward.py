"""Run forward as fast as possible and do not waste torque."""

WEIGHTS = {"speed": 1.0, "torque": 0.05}


def compute_reward(torso_velocity, action):
    speed = torso_velocity[:, 0]
    torque = -torch.sum(action ** 2, dim=1)
    return {"speed": speed, "torque": torque}
