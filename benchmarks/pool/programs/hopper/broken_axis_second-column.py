# Meant to pay forward speed, survival and low effort.
# Wrong: column 1 of the velocity points up, not forward, so a policy trained on it stretches and
# jumps on the spot; nothing in the reward tells forward from backward.
"""Speed along the track and survival, less effort."""

WEIGHTS = {"forward": 1.0, "alive": 0.8, "effort": 0.003}


def compute_reward(torso_velocity, terminated, action):
    forward = torso_velocity[:, 1]
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"forward": forward, "alive": alive, "effort": effort}
