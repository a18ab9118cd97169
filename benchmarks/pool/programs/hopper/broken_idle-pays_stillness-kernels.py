# Meant to get a fast hop with quiet joints and a steady torso.
# Wrong: the kernels for quiet joints and a steady torso pay 1.6 at rest and next to nothing in any
# hop, more than all speed can earn, so a policy trained on it stands still.
"""Hop forward in good style: quiet joints, a steady and upright torso, and speed."""

WEIGHTS = {"speed": 0.5, "quiet": 1.0, "steady": 0.6, "upright": 0.5, "alive": 0.5}
SCALES = {"top_speed": 3.0, "joint_width": 1.5, "rate_width": 0.4, "pitch_width": 0.15}


def compute_reward(
    torso_velocity,
    joint_velocities,
    torso_pitch,
    torso_pitch_rate,
    terminated,
    top_speed,
    joint_width,
    rate_width,
    pitch_width,
):
    speed = (torso_velocity[:, 0] / top_speed).clamp(-1.0, 1.0)
    quiet = laplace_kernel(safe_norm(joint_velocities), joint_width)
    steady = laplace_kernel(torso_pitch_rate, rate_width)
    upright = gaussian_kernel(torso_pitch, pitch_width)
    alive = 1.0 - terminated.float()
    return {"speed": speed, "quiet": quiet, "steady": steady, "upright": upright, "alive": alive}
