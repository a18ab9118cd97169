# The offline designer: the opening, the most plausible aim with guards, and speeds kept low.
"""Run forward as fast as possible: reward the velocity of the torso (forward) and the pitch of
the torso staying near its start; charge for large velocity of the torso (up)."""

WEIGHTS = {"forward_velocity": 1.0, "posture": 1.0, "calm": 0.1}
SCALES = {"posture_width": 0.5}


def compute_reward(torso_velocity, torso_pitch, start_torso_pitch, posture_width):
    forward_velocity = torso_velocity[:, 0]
    posture = torch.exp(-((torso_pitch - start_torso_pitch) / posture_width).square())
    calm = -torso_velocity[:, 1].square()
    return {"forward_velocity": forward_velocity, "posture": posture, "calm": calm}
