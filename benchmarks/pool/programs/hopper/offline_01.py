# The offline designer: the opening, the most plausible aim, paid where the guards hold.
"""Hop forward as fast as possible without falling: reward the velocity of the torso's centre
(forward), as far as it goes with the pitch of the torso staying near its start; charge for
abrupt changes of action."""

WEIGHTS = {"forward_velocity_while_posture": 1.0, "smoothness": 0.1}
SCALES = {"posture_width": 1.0}


def compute_reward(
    torso_velocity, torso_pitch, start_torso_pitch, action, prev_action, posture_width,
):
    forward_velocity = torso_velocity[:, 0]
    posture = torch.exp(-((torso_pitch - start_torso_pitch) / posture_width).square())
    smoothness = -(action - prev_action).square().mean(-1)
    forward_velocity_while_posture = forward_velocity * posture
    return {
        "forward_velocity_while_posture": forward_velocity_while_posture,
        "smoothness": smoothness,
    }
