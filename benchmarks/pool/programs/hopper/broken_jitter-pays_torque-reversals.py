# Meant to get the lively torques that a hop needs, beside speed and survival.
# Wrong: every change of the action pays, up to 6 a step against 0.6 for a fast hop, so a policy
# trained on it grows its noise and flips the torques from step to step, which moves nothing.
"""A hop is quick reversals of torque: reward a lively drive, and with it speed and survival."""

WEIGHTS = {"drive": 1.0, "speed": 0.3, "alive": 0.5}


def compute_reward(action, prev_action, torso_velocity, terminated):
    drive = (action - prev_action).abs().sum(-1)
    alive = 1.0 - terminated.float()
    return {"drive": drive, "speed": torso_velocity[:, 0], "alive": alive}
