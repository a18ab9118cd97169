# Meant to bring the robot into the crouch from which it hops off.
# Wrong: the crouch itself is all that pays and no component knows of any movement, so a policy
# trained on it crouches and holds still.
"""A hop begins in a balanced crouch: knee and hip bent, the foot below the torso, torso upright."""

WEIGHTS = {"crouch": 1.5, "under": 1.0, "upright": 1.0, "alive": 0.5}
SCALES = {"hip": -0.45, "knee": -0.9, "angle_width": 0.5, "foot_width": 0.2, "pitch_width": 0.15}


def compute_reward(
    joint_angles,
    foot_ahead,
    torso_pitch,
    terminated,
    hip,
    knee,
    angle_width,
    foot_width,
    pitch_width,
):
    hip_error = joint_angles[:, 0] - hip
    knee_error = joint_angles[:, 1] - knee
    crouch = laplace_kernel(torch.hypot(hip_error, knee_error), angle_width)
    under = gaussian_kernel(foot_ahead, foot_width)
    upright = gaussian_kernel(torso_pitch, pitch_width)
    alive = 1.0 - terminated.float()
    return {"crouch": crouch, "under": under, "upright": upright, "alive": alive}
