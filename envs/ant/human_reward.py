"""Run forward, stay up and spend little control: Gymnasium's Ant-v5 without its contact cost."""

WEIGHTS = {"forward": 1.0, "healthy": 1.0, "control": 0.5}
SCALES = {"control_step": 0.05}


def compute_reward(torso_position, prev_torso_position, action, terminated, control_step):
    forward = (torso_position[:, 0] - prev_torso_position[:, 0]) / control_step
    healthy = (~terminated).float()
    control = -action.square().sum(-1)
    return {"forward": forward, "healthy": healthy, "control": control}
