# Wrong: it pays the size of the change of speed, not its direction, so the policy rocks to and fro on the spot and gets nowhere.
"""Reward acceleration, for a runner who keeps accelerating ends up fast; a level torso helps."""

WEIGHTS = {"accelerate": 2.0, "level": 0.1, "effort": 0.01}
SCALES = {"level_width": 0.6}


def compute_reward(torso_velocity, prev_torso_velocity, torso_pitch, action, level_width):
    accelerate = (torso_velocity[:, 0] - prev_torso_velocity[:, 0]).abs()
    level = gaussian_kernel(wrap_angle(torso_pitch), level_width)
    return {"accelerate": accelerate, "level": level, "effort": -action.square().sum(-1)}
