# The offline designer: the opening, a mixture of plausible terms.
"""Hop forward as fast as possible without falling: reward the velocity of the torso's centre
(forward); charge for the position of the torso's centre (up) straying from its start."""

WEIGHTS = {"forward_velocity": 1.0, "up_position_drift": 2.0}


def compute_reward(torso_velocity, torso_position, start_torso_position):
    forward_velocity = torso_velocity[:, 0]
    up_position_drift = -(torso_position[:, 1] - start_torso_position[:, 1]).abs()
    return {"forward_velocity": forward_velocity, "up_position_drift": up_position_drift}
