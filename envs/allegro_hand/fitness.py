"""Goals reached in an episode: orientations met within 0.1 rad before the cube was dropped."""

REDUCE = "sum"
AFTER_END = 0.0

HALF_EDGE = 0.0325  # of the cube, m


def fitness(goals_reached, prev_goals_reached):
    """1 in a step that reaches a goal, else 0."""
    return goals_reached - prev_goals_reached


def progress(cube_offset, goal_angle):
    """Minus the distance of the cube's corners from their places in the goal orientation, m.

    It is the root of the mean square over the eight corners, with the goal at the working point.
    """
    # Over the corners, what moves them and what turns them is uncorrelated, whatever the axis.
    turned = 8.0 * (HALF_EDGE * (goal_angle / 2.0).sin()).square()
    return -(cube_offset.square().sum(1) + turned).sqrt()
