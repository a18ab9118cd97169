# The offline designer: the opening, the most plausible aim with guards, and speeds kept low.
"""Hop forward as fast as possible without falling: reward the velocity of the torso's centre
(forward), the pitch of the torso staying near its start and every step before an early end;
charge for large rate of the torso's pitch."""

WEIGHTS = {"forward_velocity": 1.0, "posture": 1.0, "alive": 1.0, "calm": 0.1}
SCALES = {"posture_width": 0.5, "calm_scale": 5.0}


def compute_reward(
    torso_velocity, torso_pitch, start_torso_pitch, terminated, torso_pitch_rate, posture_width,
    calm_scale,
):
    forward_velocity = torso_velocity[:, 0]
    posture = torch.exp(-((torso_pitch - start_torso_pitch) / posture_width).square())
    alive = (~terminated).float()
    calm = -(torso_pitch_rate / calm_scale).square()
    return {"forward_velocity": forward_velocity, "posture": posture, "alive": alive, "calm": calm}
