# Idea: the forward speed itself, less a little effort.
"""Pay the forward speed as it is; a small price on effort keeps the torques from idling at full."""

WEIGHTS = {"forward": 1.0, "effort": 0.05}


def compute_reward(torso_velocity, action):
    return {"forward": torso_velocity[:, 0], "effort": -action.square().sum(-1)}
