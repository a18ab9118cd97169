"""Mean forward speed over the whole time limit, m/s; a fallen robot counts as standing still."""

REDUCE = "mean"
AFTER_END = 0.0

CONTROL_STEP = 0.015


def fitness(centre_of_mass, prev_centre_of_mass):
    """Distance covered by the whole body in the step over its duration."""
    return (centre_of_mass[:, 0] - prev_centre_of_mass[:, 0]) / CONTROL_STEP
