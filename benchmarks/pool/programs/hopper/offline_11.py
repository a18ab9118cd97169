# The offline designer: the opening on seed 1, the most plausible aim with guards.
"""Hop forward as fast as possible without falling: reward the velocity of the torso's centre
(forward), the pitch of the torso staying near its start and every step before an early end;
charge for strong actions."""

WEIGHTS = {"forward_velocity": 1.0, "posture": 1.0, "alive": 1.0, "effort": 0.1}
SCALES = {"posture_width": 0.5}


def compute_reward(
    torso_velocity, torso_pitch, start_torso_pitch, terminated, action, posture_width,
):
    forward_velocity = torso_velocity[:, 0]
    posture = torch.exp(-((torso_pitch - start_torso_pitch) / posture_width).square())
    alive = (~terminated).float()
    effort = -action.square().mean(-1)
    return {
        "forward_velocity": forward_velocity,
        "posture": posture,
        "alive": alive,
        "effort": effort,
    }
