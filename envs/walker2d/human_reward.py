"""Walk forward, do not fall and spend little control: the reward of Gymnasium's Walker2d-v5."""

WEIGHTS = {"forward": 1.0, "healthy": 1.0, "control": 0.001}
SCALES = {"control_step": 0.008}


def compute_reward(torso_position, prev_torso_position, action, terminated, control_step):
    forward = (torso_position[:, 0] - prev_torso_position[:, 0]) / control_step
    healthy = (~terminated).float()
    control = -action.square().sum(-1)
    return {"forward": forward, "healthy": healthy, "control": control}
