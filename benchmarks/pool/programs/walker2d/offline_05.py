# The offline designer: the opening, a mixture of plausible terms.
"""Walk forward as fast as possible without falling: reward the position of the torso's centre
(forward) growing; charge for abrupt changes of action."""

WEIGHTS = {"forward_position_progress": 1.0, "smoothness": 0.025}
SCALES = {"control_step": 0.008}


def compute_reward(torso_position, prev_torso_position, action, prev_action, control_step):
    forward_position_progress = (torso_position[:, 0] - prev_torso_position[:, 0]) / control_step
    smoothness = -(action - prev_action).square().mean(-1)
    return {"forward_position_progress": forward_position_progress, "smoothness": smoothness}
