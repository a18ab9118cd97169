"""Mean forward speed of the whole body over the whole time limit, m/s."""

REDUCE = "mean"
AFTER_END = 0.0

CONTROL_STEP = 0.04


def fitness(centre_of_mass, prev_centre_of_mass):
    """Distance covered by the centre of mass in the step over its duration."""
    return (centre_of_mass[:, 0] - prev_centre_of_mass[:, 0]) / CONTROL_STEP
