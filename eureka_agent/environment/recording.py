"""Recording what a policy does: one whole episode in every world."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from eureka_agent.environment.episodes import Episodes
from eureka_agent.environment.stepping import AnyWorlds

Act: TypeAlias = Callable[[int, Tensor], Tensor]
"""Control step, from 0, and observations `[n, D]` to actions `[n, A]` in [-1, 1]."""
Watch: TypeAlias = Callable[[int, Tensor], None]
"""Told before each control step which it is, and which episodes have ended early `[n]` bool."""


@torch.no_grad()
def record(
    worlds: AnyWorlds,
    streams: Tensor,
    act: Act,
    *,
    living: int | None = None,
    watch: Watch = lambda step, ended: None,
) -> tuple[Episodes, Tensor]:
    """Let a policy act for one episode in every world.

    Args:
        worlds: any; all of them are started anew.
        streams: the source of randomness of each episode `[n]`.
        act: the policy.
        living: how many worlds are stepped, the first ones; the others stand still. All when None.
        watch: is told of each control step before it is done.

    Returns:
        The episodes, and which of them ended because the physics failed `[n]` bool.
    """
    n, limit = worlds.n, worlds.environment.episode_steps
    worlds.start(slice(0, n), streams, torch.zeros(n, dtype=torch.int64))
    worlds.stop(slice(n if living is None else living, n))
    states, actions, before = [worlds.signals], [], []
    lengths = torch.full((n,), limit)
    terminated, diverged = (torch.zeros(n, dtype=torch.bool) for _ in range(2))
    for t in range(limit):
        watch(t, terminated)
        action = act(t, worlds.observation)
        step = worlds.step(action)
        states.append(step.after)
        before.append(step.before)
        actions.append(action)
        diverged |= step.diverged
        for world in (step.terminated & ~terminated).nonzero()[:, 0].tolist():
            terminated[world], lengths[world] = True, t + 1
            worlds.stop(slice(world, world + 1))
    recorded = Episodes(
        torch.stack(states),
        torch.stack(actions),
        lengths,
        terminated,
        torch.stack(before) if worlds.environment.task_state else None,
    )
    return recorded, diverged
