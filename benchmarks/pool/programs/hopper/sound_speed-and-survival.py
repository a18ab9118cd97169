# Forward speed and a steady pay for not having fallen, less a little effort: the plain recipe.
"""Pay forward speed and every step survived alike, and charge a trace of effort."""

WEIGHTS = {"speed": 1.0, "alive": 1.0, "effort": 0.002}


def compute_reward(torso_velocity, terminated, action):
    speed = torso_velocity[:, 0]
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"speed": speed, "alive": alive, "effort": effort}
