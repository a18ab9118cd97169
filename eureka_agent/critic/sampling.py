"""Real transitions of an environment that nobody has learned anything about yet."""

import torch
from torch import Tensor

from eureka_agent.environment import Environment, Step, Transitions, make_worlds, pools
from eureka_agent.environment.roaming import hold

WORLDS = 32
STEPS = 64

_EXTREME = WORLDS // 4
"""Worlds whose every action is -1 or +1: where limits are met and episodes end early."""


def sample_transitions(environment: Environment, seed: int, threads: int = 1) -> Transitions:
    """Step an environment with random actions, the same ones for the same seed.

    Episodes begin with ages spread over the time limit, so that first steps, last steps at the
    limit and, where random actions bring them about, early ends are all among the rows.

    Args:
        environment: the task.
        seed: source of actions and resets.
        threads: physics threads; the result does not depend on them.

    Returns:
        `T = STEPS`, `N = WORLDS`.
    """
    worlds = make_worlds(environment, WORLDS, threads)
    ages = torch.arange(WORLDS) * environment.episode_steps // WORLDS
    # The oldest is so near the limit that it meets it, however long an episode is.
    ages[-1] = max(environment.episode_steps - STEPS // 2, 0)
    worlds.start(slice(0, WORLDS), pools.streams(pools.TRAINING, seed, WORLDS), ages)
    actions = _held_actions(worlds.action_size, torch.Generator().manual_seed(seed))
    return _stacked([worlds.step(action) for action in actions], actions)


def _held_actions(size: int, generator: torch.Generator) -> Tensor:
    """Actions `[T, N, A]`: the first worlds get extremes, the last one rests, others anything."""
    fresh = torch.rand(STEPS, WORLDS, size, generator=generator) * 2 - 1
    fresh[:, :_EXTREME] = fresh[:, :_EXTREME].sign()
    fresh[:, 0], fresh[:, 1], fresh[:, -2] = 1.0, -1.0, 0.0
    return hold(fresh, generator)


def _stacked(steps: list[Step], actions: Tensor) -> Transitions:
    def stack(name: str) -> Tensor:
        return torch.stack([getattr(step, name) for step in steps])

    return Transitions(
        before=stack("before"),
        after=stack("after"),
        action=actions,
        prev_action=stack("prev_action"),
        terminated=stack("terminated"),
        time_left=stack("time_left"),
        fresh=stack("fresh"),
    )
