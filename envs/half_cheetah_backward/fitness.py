"""Mean backward speed over the whole time limit, m/s."""

REDUCE = "mean"
AFTER_END = 0.0

CONTROL_STEP = 0.05


def fitness(torso_position, prev_torso_position):
    """Distance covered backward in the step over its duration."""
    return (prev_torso_position[:, 0] - torso_position[:, 0]) / CONTROL_STEP
