"""Mean height of the hops over the whole time limit, m.

A step counts by how far the whole robot is off the ground, but by no more than its torso is above
where it is when standing, and only while the torso is within 0.5 m of the start. So neither
standing on tiptoe or on the knee nor pulling up the leg is a hop, and a fallen robot hops no more.
"""

import torch

REDUCE = "mean"
AFTER_END = 0.0

STANDING = 1.21  # height of the torso's centre above a straight leg on a flat foot, m
REACH = 0.5  # m


def fitness(ground_clearance, torso_position):
    """Height of the hop at this moment."""
    height = torch.minimum(ground_clearance, torso_position[:, 1] - STANDING).clamp(min=0.0)
    return torch.where(torso_position[:, 0].abs() < REACH, height, 0.0)
