# The offline designer: the opening, a mixture of plausible terms.
"""Run forward as fast as possible: reward the velocity of the torso (forward) (with diminishing
returns)."""

WEIGHTS = {"bounded_forward_velocity": 1.0}
SCALES = {"bounded_forward_velocity_scale": 4.0}


def compute_reward(torso_velocity, bounded_forward_velocity_scale):
    bounded_forward_velocity = torch.tanh(torso_velocity[:, 0] / bounded_forward_velocity_scale)
    return {"bounded_forward_velocity": bounded_forward_velocity}
