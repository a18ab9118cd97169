# Speed through a tanh that still rises at 3 m/s, with an upright torso and calm joints beside it.
"""Bound the speed so that lunges do not pay, and keep the torso upright and the torques low."""

WEIGHTS = {"speed": 2.5, "upright": 0.5, "effort": 0.01, "calm": 0.01}
SCALES = {"speed_width": 2.5, "pitch_width": 0.2, "rate_width": 6.0}


def compute_reward(
    torso_velocity, torso_pitch, joint_velocities, action, speed_width, pitch_width, rate_width
):
    speed = torch.tanh(torso_velocity[:, 0] / speed_width)
    upright = gaussian_kernel(torso_pitch, pitch_width)
    effort = -action.square().sum(-1)
    calm = -torch.tanh((joint_velocities / rate_width).square()).sum(-1)
    return {"speed": speed, "upright": upright, "effort": effort, "calm": calm}
