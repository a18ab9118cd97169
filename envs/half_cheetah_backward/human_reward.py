"""Run backward and spend little control: Gymnasium's HalfCheetah-v5 with the other direction."""

WEIGHTS = {"backward": 1.0, "control": 0.1}
SCALES = {"control_step": 0.05}


def compute_reward(torso_position, prev_torso_position, action, control_step):
    backward = (prev_torso_position[:, 0] - torso_position[:, 0]) / control_step
    control = -action.square().sum(-1)
    return {"backward": backward, "control": control}
