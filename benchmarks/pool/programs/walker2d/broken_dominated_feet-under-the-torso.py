# Fault: the squared distance of the feet from the torso, at a weight of 40, costs any real stride
# more than its speed earns, so that the policy stands with its feet together.
"""Walk fast in balance: the feet should stay under the torso so that it does not topple."""

WEIGHTS = {"speed": 1.0, "support": 40.0, "alive": 3.0, "effort": 0.003}


def compute_reward(torso_velocity, feet_ahead, action, terminated):
    speed = torso_velocity[:, 0]
    support = -feet_ahead.square().sum(-1)
    alive = 1.0 - terminated.float()
    effort = -action.square().sum(-1)
    return {"speed": speed, "support": support, "alive": alive, "effort": effort}
