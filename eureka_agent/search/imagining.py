"""Episodes that nobody recorded, made of those of untrained policies, to ask a reward about.

Untrained robots fall soon, and what follows says nothing of a robot that does not. So their first
steps are played to and fro up to the time limit: the limbs keep moving, and the robot stays near
the posture in which it was reset. And each posture that it got into is held still.
"""

import torch
from torch import Tensor

from eureka_agent.environment import Environment, Episodes, SignalLayout

MOVING = ("random", "waves")
"""The untrained policies that move all the time."""
SHARE = 20
"""The part of the time limit, as a divisor, that is played to and fro at most."""
RATES = ("velocity", "angular_velocity")
"""Kinds of signals that change their sign when a recording is played backwards."""


def sustained(episodes: Episodes, environment: Environment) -> Episodes:
    """The first steps of episodes, to and fro up to the time limit.

    Of an episode that ended early it is at most the first half: later ones lead to that end.

    Args:
        episodes: of untrained policies, of a task whose goals do not change within an episode.
        environment: the task.
    """
    steps, count = episodes.actions.shape[:2]
    begun = torch.where(episodes.terminated, episodes.lengths // 2, episodes.lengths)
    turn = begun.clamp(1, max(1, steps // SHARE))
    which = torch.arange(count)
    phase = torch.arange(steps + 1)[:, None] % (2 * turn)
    states = episodes.states[torch.minimum(phase, 2 * turn - phase), which].clone()
    back = (phase > turn) | (phase == 0)
    back[0] = False
    rates = _rates(environment.layout)
    states = torch.where(back[..., None] & rates, -states, states)
    ahead = phase[:-1]
    acted = torch.where(ahead < turn, ahead, 2 * turn - ahead - 1)
    return Episodes(
        states,
        episodes.actions[acted, which].clone(),
        torch.full_like(episodes.lengths, steps),
        torch.zeros_like(episodes.terminated),
    )


def held(episodes: Episodes, environment: Environment) -> Episodes:
    """Each posture of episodes, held still without any effort, a step for each.

    Args:
        episodes: recorded ones.
        environment: the task.
    """
    still = torch.where(_rates(environment.layout), 0.0, episodes.states)
    actions = torch.zeros_like(episodes.actions)
    goes_on = torch.zeros_like(episodes.terminated)
    lengths = (episodes.lengths - episodes.terminated.long()).clamp(min=1)
    return Episodes(still, actions, lengths, goes_on, before=still[1:])


def _rates(layout: SignalLayout) -> Tensor:
    """Which columns are rates of any kind `[S]`."""
    return torch.cat(
        [torch.full((s.size or 1,), s.kind in RATES, dtype=torch.bool) for s in layout.signals]
    )
