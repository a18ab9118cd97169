"""Share of the time limit in which the fingertip rests on the target.

On it: within 2 cm. At rest: slower than 5 cm/s.
"""

REDUCE = "mean"
AFTER_END = 0.0
RANGE = (0, 1)

NEAR = 0.02  # m
SLOW = 0.05  # m/s


def fitness(target_offset, fingertip_velocity):
    """1 while both hold, else 0."""
    near, slow = target_offset.norm(dim=-1) < NEAR, fingertip_velocity.norm(dim=-1) < SLOW
    return (near & slow).float()


def progress(target_offset):
    """Minus the mean distance to the target, m."""
    return -target_offset.norm(dim=-1)
