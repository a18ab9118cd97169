"""Recorded episodes once more: what the robot looked like, from the actions alone."""

from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.environment import Environment, Episodes, Worlds, make_worlds, record
from eureka_agent.video.play import Pose, pose_of

TOLERANCE = 1e-3
"""Of a signal, relative and absolute: below it the replayed episode is the recorded one."""


def replay(
    environment: Environment,
    episodes: Episodes,
    streams: Tensor,
    wanted: Collection[tuple[int, int]],
) -> dict[tuple[int, int], Pose]:
    """Act as in recorded episodes again, and keep some of the states.

    Args:
        environment: the task.
        episodes: E of them, as recorded; the recordings hold signals, no states of the physics.
        streams: the source of randomness of each `[E]`, as it was.
        wanted: pairs of an episode and a step of it, from 0.

    Returns:
        what the robot looked like after these steps; of the last one of an episode ahead of it, as
        the world begins anew with it.

    Raises:
        UsageError: the environment has no physics of ours.
        EurekaError: the episodes went otherwise this time, as they do on another device.
    """
    worlds = make_worlds(environment, len(episodes.lengths))
    if not isinstance(worlds, Worlds):
        raise UsageError(f"{environment.name} has no MuJoCo model of ours to draw.")
    poses: dict[tuple[int, int], Pose] = {}

    lengths = episodes.lengths.tolist()
    moments: dict[int, list[tuple[int, int]]] = {}
    for episode, step in wanted:
        moments.setdefault(min(step + 1, lengths[episode] - 1), []).append((episode, step))

    def watch(t: int, ended: Tensor) -> None:
        for episode, step in moments.get(t, ()):
            poses[episode, step] = pose_of(worlds, episode)

    def act(t: int, observation: Tensor) -> Tensor:
        return episodes.actions[t]

    again, _ = record(worlds, streams, act, watch=watch)
    _require_same(episodes.states, again.states, wanted)
    return poses


def _require_same(then: Tensor, now: Tensor, wanted: Collection[tuple[int, int]]) -> None:
    for episode, step in sorted(wanted):
        seen, seen_again = then[step + 1, episode], now[step + 1, episode]
        if not torch.allclose(seen, seen_again, TOLERANCE, TOLERANCE, equal_nan=True):
            off = float(np.nanmax((seen - seen_again).abs().numpy()))
            raise EurekaError(
                f"Episode {episode} goes otherwise when it is played again: at step {step} a "
                f"signal is {off:.3g} off.",
                "Results of another device or version cannot be drawn from their actions.",
            )
