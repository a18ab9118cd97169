# The offline designer: the opening, the most plausible aim alone.
"""Hop forward as fast as possible without falling: reward the velocity of the torso's centre
(forward); charge for strong actions."""

WEIGHTS = {"forward_velocity": 1.0, "effort": 0.1}


def compute_reward(torso_velocity, action):
    forward_velocity = torso_velocity[:, 0]
    effort = -action.square().mean(-1)
    return {"forward_velocity": forward_velocity, "effort": effort}
