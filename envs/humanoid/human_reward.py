"""Run forward, stay up and spend little control: Gymnasium's Humanoid-v5 without contact cost."""

WEIGHTS = {"forward": 1.25, "healthy": 5.0, "control": 0.1}
SCALES = {"control_step": 0.015, "control_limit": 0.4}


def compute_reward(
    centre_of_mass, prev_centre_of_mass, action, terminated, control_step, control_limit
):
    forward = (centre_of_mass[:, 0] - prev_centre_of_mass[:, 0]) / control_step
    healthy = (~terminated).float()
    control = -(control_limit * action).square().sum(-1)
    return {"forward": forward, "healthy": healthy, "control": control}
