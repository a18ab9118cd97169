"""Mean squared error of the velocities, negative: (m/s)^2 of the plane and (rad/s)^2 of turning.

A step after a fall counts as standing still under the largest command.
"""

REDUCE = "mean"
AFTER_END = -6.0
RANGE = (None, 0)


def fitness(command_velocity, command_yaw_rate, base_velocity, base_angular_velocity):
    """Squared distance to the commanded velocity and turning, negative."""
    plane = (command_velocity - base_velocity[:, :2]).square().sum(-1)
    turning = (command_yaw_rate - base_angular_velocity[:, 2]).square()
    return -(plane + turning)
