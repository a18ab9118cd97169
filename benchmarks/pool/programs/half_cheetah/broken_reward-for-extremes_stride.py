# Wrong: the angle between the thighs pays at its extreme in every step, so the policy does a split and holds it instead of striding.
"""Fast runners take long strides: pay a wide angle between the thighs, and the speed on top."""

WEIGHTS = {"forward": 0.15, "stride": 1.5, "effort": 0.01}


def compute_reward(torso_velocity, joint_angles, action):
    stride = (joint_angles[:, 0] - joint_angles[:, 3]).square()
    return {"forward": torso_velocity[:, 0], "stride": stride, "effort": -action.square().sum(-1)}
