# Idea: a bounded, exponential reward that is steep at low speeds, and a price on going backwards (modest at high speeds).
"""The first metres per second matter most: steep from rest, level at a run."""

WEIGHTS = {"run": 2.0, "backwards": 0.4, "effort": 0.01}
SCALES = {"pace": 2.5}


def compute_reward(torso_velocity, action, pace):
    forward = torso_velocity[:, 0]
    run = 1.0 - torch.exp(-torch.relu(forward) / pace)
    backwards = -torch.relu(-forward)
    return {"run": run, "backwards": backwards, "effort": -action.square().sum(-1)}
