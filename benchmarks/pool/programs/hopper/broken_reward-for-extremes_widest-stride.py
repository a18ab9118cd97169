# Meant to get long strides by paying the range that the foot has covered.
# Wrong: max and min hold the extremes of the whole episode, so one wide swing is paid for ever
# after, and a policy trained on it kicks once and then only stays up.
"""Fast hopping is long strides: pay the range of the foot before and behind the torso."""

WEIGHTS = {"stride": 2.0, "swing": 0.3, "alive": 0.5, "effort": 0.003}


def compute_reward(
    max_foot_ahead, min_foot_ahead, max_joint_angles, min_joint_angles, terminated, action
):
    stride = max_foot_ahead - min_foot_ahead
    swing = max_joint_angles[:, 0] - min_joint_angles[:, 0]
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"stride": stride, "swing": swing, "alive": alive, "effort": effort}
