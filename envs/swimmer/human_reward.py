"""Swim forward and spend little control: the reward of Gymnasium's Swimmer-v5."""

WEIGHTS = {"forward": 1.0, "control": 0.0001}
SCALES = {"control_step": 0.04}


def compute_reward(torso_position, prev_torso_position, action, control_step):
    forward = (torso_position[:, 0] - prev_torso_position[:, 0]) / control_step
    control = -action.square().sum(-1)
    return {"forward": forward, "control": control}
