"""Policies without training: random actions, none, constant extremes, and sinusoids.

Their episodes are the first that a reward can be scored on, before anything has been learned.
"""

import math

import torch
from torch import Tensor

SCRIPTED_POLICIES = ("random", "rest", "extremes", "waves")
"""Actions held for a random while, none, the same largest ones throughout, a sinusoid each."""
LONGEST_HOLD = 16
"""Longest time that a random action is held, control steps: short ones average out."""
SLOWEST_HZ, FASTEST_HZ = 0.3, 3.0


def scripted_actions(
    kind: str, steps: int, episodes: int, size: int, control_step: float, seed: int
) -> Tensor:
    """Actions `[steps, episodes, size]` in [-1, 1] of one kind, the same for the same seed.

    Args:
        kind: one of `SCRIPTED_POLICIES`.
        steps: control steps.
        episodes: number of episodes; each gets actions of its own.
        size: numbers per action.
        control_step: seconds between two actions.
        seed: source of all that is random in them.
    """
    generator = torch.Generator().manual_seed(seed)
    match kind:
        case "random":
            fresh = torch.rand(steps, episodes, size, generator=generator) * 2.0 - 1.0
            return hold_actions(fresh, generator)
        case "extremes":  # both ends at once first, then any corner
            corners = torch.rand(episodes, size, generator=generator).sub(0.5).sign()
            corners[:1], corners[1:2] = 1.0, -1.0
            return corners.expand(steps, episodes, size).clone()
        case "waves":
            along = torch.rand(episodes, size, generator=generator)
            hertz = SLOWEST_HZ * (FASTEST_HZ / SLOWEST_HZ) ** along
            phase = torch.rand(episodes, size, generator=generator)
            time = torch.arange(steps)[:, None, None] * control_step
            return torch.sin(2.0 * math.pi * (hertz * time + phase))
    return torch.zeros(steps, episodes, size)


def hold_actions(fresh: Tensor, generator: torch.Generator) -> Tensor:
    """Hold actions for random whiles: of `[T, N, A]` each world takes one, keeps it, takes another.

    Args:
        fresh: the action that a world would take at each step.
        generator: draws how long each is kept, 1 to `LONGEST_HOLD` control steps.
    """
    steps, worlds = fresh.shape[:2]
    actions = fresh.clone()
    left = torch.zeros(worlds, dtype=torch.int64)
    for step in range(steps):
        drawn = torch.randint(1, LONGEST_HOLD + 1, (worlds,), generator=generator)
        held = left > 0
        if step:
            actions[step] = torch.where(held[:, None], actions[step - 1], fresh[step])
        left = torch.where(held, left, drawn) - 1
    return actions
