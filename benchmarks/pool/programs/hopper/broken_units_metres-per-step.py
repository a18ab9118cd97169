# Meant to balance speed, survival and effort.
# Wrong: the displacement of a step is taken for a speed in m/s, 125 times too small, so a fast hop
# earns 0.02 and costs more effort than that: a policy trained on it learns to stand.
"""Forward displacement and survival weigh the same; effort is a small brake on wild torques."""

WEIGHTS = {"forward": 1.0, "alive": 1.0, "effort": 0.05}


def compute_reward(torso_position, prev_torso_position, terminated, action):
    forward = torso_position[:, 0] - prev_torso_position[:, 0]
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"forward": forward, "alive": alive, "effort": effort}
