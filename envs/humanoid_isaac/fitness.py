"""Mean progress toward the target over the whole time limit, m/s; a fallen robot makes none."""

REDUCE = "mean"
AFTER_END = 0.0

CONTROL_STEP = 1 / 60


def fitness(target_distance, prev_target_distance):
    """By how much the step shortened the distance to the target, over its duration."""
    return (prev_target_distance - target_distance) / CONTROL_STEP
