"""Minus the mean difference between the forward speed and 2 m/s over the whole time limit, m/s."""

REDUCE = "mean"
AFTER_END = -2.0  # as standing still; the task never ends early

CONTROL_STEP = 0.05
SPEED = 2.0


def fitness(torso_position, prev_torso_position):
    """How far the speed of the step is from the one asked for, 0 at best."""
    speed = (torso_position[:, 0] - prev_torso_position[:, 0]) / CONTROL_STEP
    return -(speed - SPEED).abs()
