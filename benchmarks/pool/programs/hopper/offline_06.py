# The offline designer: the opening, a mixture of plausible terms.
"""Hop forward as fast as possible without falling: reward the velocity of the torso's centre
(forward) (with diminishing returns)."""

WEIGHTS = {"bounded_forward_velocity": 1.0}
SCALES = {"bounded_forward_velocity_scale": 4.0}


def compute_reward(torso_velocity, bounded_forward_velocity_scale):
    bounded_forward_velocity = torch.tanh(torso_velocity[:, 0] / bounded_forward_velocity_scale)
    return {"bounded_forward_velocity": bounded_forward_velocity}
