"""Mean forward speed over the whole time limit, m/s; a fallen robot counts as standing still."""

REDUCE = "mean"
AFTER_END = 0.0

CONTROL_STEP = 0.008


def fitness(torso_position, prev_torso_position):
    """Distance covered in the step over its duration."""
    return (torso_position[:, 0] - prev_torso_position[:, 0]) / CONTROL_STEP
