# The offline designer: the opening, a mixture of plausible terms.
"""Walk forward as fast as possible without falling: reward the pitch of the torso turning to 0
and the velocity of the torso's centre (forward) (with diminishing returns); charge for the
position of the torso's centre (up) straying from its start."""

WEIGHTS = {"torso_pitch_cosine": 1.0, "up_position_drift": 0.2, "bounded_forward_velocity": 0.5}
SCALES = {"bounded_forward_velocity_scale": 4.0}


def compute_reward(
    torso_pitch, torso_position, start_torso_position, torso_velocity,
    bounded_forward_velocity_scale,
):
    torso_pitch_cosine = (1.0 + torch.cos(torso_pitch)) / 2.0
    up_position_drift = -(torso_position[:, 1] - start_torso_position[:, 1]).abs()
    bounded_forward_velocity = torch.tanh(torso_velocity[:, 0] / bounded_forward_velocity_scale)
    return {
        "torso_pitch_cosine": torso_pitch_cosine,
        "up_position_drift": up_position_drift,
        "bounded_forward_velocity": bounded_forward_velocity,
    }
