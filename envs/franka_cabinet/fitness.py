"""Whether the drawer came open by more than 0.39 m within the time limit: 1 or 0."""

import torch

REDUCE = "any"
AFTER_END = 0.0


def fitness(drawer_opening):
    """1 while the drawer is open, else 0."""
    return (drawer_opening > 0.39).float()


def progress(drawer_opening, fingertips_position, handle_position):
    """Opening of the drawer less the distance from the fingertips to the handle, m."""
    return drawer_opening - torch.linalg.norm(fingertips_position - handle_position, dim=-1)
