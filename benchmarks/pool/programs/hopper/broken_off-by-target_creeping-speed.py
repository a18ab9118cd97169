# Meant to hold a brisk and safe forward speed with a kernel round a target.
# Wrong: the target is 0.2 m/s and beyond 0.7 m/s the kernel pays nothing, less than standing does,
# so a policy trained on it creeps or stands where it should race.
"""Track a safe forward speed closely, stay upright, and change the torques smoothly."""

WEIGHTS = {"pace": 2.0, "upright": 0.4, "alive": 0.4, "smooth": 0.01}
SCALES = {"target_speed": 0.2, "speed_width": 0.25, "pitch_width": 0.2}


def compute_reward(
    torso_velocity,
    torso_pitch,
    terminated,
    action,
    prev_action,
    target_speed,
    speed_width,
    pitch_width,
):
    pace = gaussian_kernel(torso_velocity[:, 0] - target_speed, speed_width)
    upright = gaussian_kernel(torso_pitch, pitch_width)
    alive = 1.0 - terminated.float()
    smooth = -(action - prev_action).square().sum(-1)
    return {"pace": pace, "upright": upright, "alive": alive, "smooth": smooth}
