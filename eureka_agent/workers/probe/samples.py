"""Rows that a reward program is tried on, and how to describe them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from eureka_agent.environment import (
    Environment,
    Episodes,
    Memory,
    SignalLayout,
    Transitions,
    hold_actions,
    make_worlds,
    pools,
)

BLOCK = 128
"""Rows come in multiples of this: see `join`."""
MAX_RECORDED = 32_768
"""Rows of recorded episodes, evenly spread, that are tried at most; more would find no more."""
WORLDS, STEPS = 32, 64
"""Size of the sample of transitions under random actions."""

_EXTREME = WORLDS // 4
"""Worlds whose every action is -1 or +1: where limits are met and episodes end early."""
_SHOWN_INPUTS, _SHOWN_COLUMNS = 4, 6


@dataclass(frozen=True)
class Batch:
    """Arguments of a program for `M` transitions, and where these come from.

    Attributes:
        arguments: `[M]` or `[M, d]` by parameter.
        where: completes "on 10 transitions ...", such as "under random actions".
    """

    arguments: Mapping[str, Tensor]
    where: str

    def __len__(self) -> int:
        return len(next(iter(self.arguments.values())))

    def rows(self, chosen: Tensor) -> dict[str, Tensor]:
        """The arguments of some rows, copied."""
        return {name: value[chosen] for name, value in self.arguments.items()}

    def describe(self, row: int, names: Sequence[str]) -> str:
        """One row's inputs in words: `pole_up = -1, action = [0.3, 0.25]`."""
        words = [f"{name} = {_shown(self.arguments[name][row])}" for name in names[:_SHOWN_INPUTS]]
        return ", ".join(words)

    def shapes(self) -> str:
        """The shapes of all arguments, which explain most exceptions."""
        shapes = (
            f"{name} [{', '.join(['M', *map(str, value.shape[1:])])}]"
            for name, value in self.arguments.items()
        )
        return f"The arguments are {', '.join(shapes)}, with M rows."


def sampled_batch(
    transitions: Transitions, layout: SignalLayout, parameters: Sequence[str]
) -> Batch:
    """A program's arguments on sampled transitions."""
    memory = Memory.empty(transitions.action.shape[1], layout)
    return Batch(transitions.arguments(layout, parameters, memory), "under random actions")


def recorded_batch(episodes: Episodes, layout: SignalLayout, parameters: Sequence[str]) -> Batch:
    """A program's arguments on recorded episodes, without rows beyond an episode's end."""
    alive = episodes.alive().reshape(-1).nonzero()[:, 0]
    chosen = alive[:: -(-len(alive) // MAX_RECORDED) or 1]
    arguments = episodes.arguments(layout, tuple(parameters))
    return Batch(Batch(arguments, "").rows(chosen), "in recorded episodes")


def join(batches: Sequence[Batch]) -> Batch:
    """All rows in one batch, the first ones repeated up to a multiple of `BLOCK`.

    Vector instructions treat the rows after the last full vector differently, with another last
    bit. Without such rows a result can be compared with that of half of the rows, in any order.
    """
    names = batches[0].arguments.keys()
    joined = {name: torch.cat([batch.arguments[name] for batch in batches]) for name in names}
    whole = Batch(joined, " and ".join(dict.fromkeys(batch.where for batch in batches)))
    padded = -(-len(whole) // BLOCK) * BLOCK
    return Batch(whole.rows(torch.arange(padded) % len(whole)), whole.where)


def _shown(value: Tensor) -> str:
    if value.dim() == 0:
        return str(bool(value)) if value.dtype == torch.bool else f"{float(value):.3g}"
    numbers = [f"{float(number):.3g}" for number in value[:_SHOWN_COLUMNS]]
    more = ["..."] if len(value) > _SHOWN_COLUMNS else []
    return f"[{', '.join(numbers + more)}]"


def sample_transitions(environment: Environment, seed: int) -> Transitions:
    """Step an environment with random actions, the same ones for the same seed.

    Episodes begin with ages spread over the time limit, so that first steps, last steps at the
    limit and, where random actions bring them about, early ends are all among the rows.

    Returns:
        `T = STEPS`, `N = WORLDS`.
    """
    worlds = make_worlds(environment, WORLDS, threads=1)
    ages = torch.arange(WORLDS) * environment.episode_steps // WORLDS
    # The oldest is so near the limit that it meets it, however long an episode is.
    ages[-1] = max(environment.episode_steps - STEPS // 2, 0)
    worlds.start(slice(0, WORLDS), pools.streams(pools.TRAINING, seed, WORLDS), ages)
    actions = _held_actions(worlds.action_size, torch.Generator().manual_seed(seed))
    steps = [worlds.step(action) for action in actions]
    names = ("before", "after", "prev_action", "terminated", "time_left", "fresh")
    stacked = {name: torch.stack([getattr(step, name) for step in steps]) for name in names}
    return Transitions(action=actions, **stacked)


def _held_actions(size: int, generator: torch.Generator) -> Tensor:
    """Actions `[T, N, A]`: the first worlds get extremes, the last one rests, others vary."""
    fresh = torch.rand(STEPS, WORLDS, size, generator=generator) * 2 - 1
    fresh[:, :_EXTREME] = fresh[:, :_EXTREME].sign()
    fresh[:, 0], fresh[:, 1], fresh[:, -2] = 1.0, -1.0, 0.0
    return hold_actions(fresh, generator)
