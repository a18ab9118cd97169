"""Minus the distance to the target, m, as a mean over the whole time limit.

After an early end each step counts as 3 m, the distance at which an episode ends: no place that
can be flown to is worse.
"""

REDUCE = "mean"
AFTER_END = -3.0
RANGE = (None, 0)


def fitness(target_offset):
    """Minus the present distance."""
    return -target_offset.norm(dim=-1)
