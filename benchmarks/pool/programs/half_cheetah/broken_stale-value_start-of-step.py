# Wrong: start_ is the reset, not the start of the step, so the speed that is paid is fixed before the first action, and only effort and pitch are learned.
"""Pay the forward speed that the step began with: a last jerk is no running."""

WEIGHTS = {"forward": 1.0, "level": 0.1, "effort": 0.02}
SCALES = {"level_width": 0.6}


def compute_reward(start_torso_velocity, torso_pitch, action, level_width):
    level = gaussian_kernel(wrap_angle(torso_pitch), level_width)
    return {
        "forward": start_torso_velocity[:, 0],
        "level": level,
        "effort": -action.square().sum(-1),
    }
