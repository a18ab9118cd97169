"""Old habit: weights as numbers in the code, and a total among the components for show."""

WEIGHTS = {"total": 1.0, "run": 0, "ctrl": 0, "healthy": 0}


def compute_reward(torso_velocity, torso_pitch, action):
    w_run, w_ctrl, w_healthy = 1.0, 0.1, 0.3

    run = torso_velocity[:, 0]
    ctrl = -action.square().sum(-1)
    healthy = (torso_pitch.abs() < 1.2).float()

    total = w_run * run + w_ctrl * ctrl + w_healthy * healthy
    return {"total": total, "run": run, "ctrl": ctrl, "healthy": healthy}
