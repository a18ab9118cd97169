# Wrong: the kernel lacks the absolute value of its error, so it grows without end below the target, and running backwards pays best.
"""An exponential kernel around a running speed of 5 m/s, on a torso that stays level."""

WEIGHTS = {"at_speed": 1.0, "level": 0.3, "smooth": 0.02}
SCALES = {"target": 5.0, "width": 2.5, "level_width": 0.6}


def compute_reward(torso_velocity, torso_pitch, action, prev_action, target, width, level_width):
    error = torso_velocity[:, 0] - target
    at_speed = torch.exp(-error / width)
    level = gaussian_kernel(wrap_angle(torso_pitch), level_width)
    smooth = -(action - prev_action).square().sum(-1)
    return {"at_speed": at_speed, "level": level, "smooth": smooth}
