"""Run at 2 m/s and spend little control: the reward of MAML's half-cheetah with a goal velocity."""

WEIGHTS = {"speed": 1.0, "control": 0.05}
SCALES = {"control_step": 0.05, "goal": 2.0}


def compute_reward(torso_position, prev_torso_position, action, control_step, goal):
    velocity = (torso_position[:, 0] - prev_torso_position[:, 0]) / control_step
    speed = -(velocity - goal).abs()
    control = -action.square().sum(-1)
    return {"speed": speed, "control": control}
