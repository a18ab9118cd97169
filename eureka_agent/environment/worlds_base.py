"""What all worlds have in common, whatever steps them: who steps, how old an episode is."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.environment.base import Environment
from eureka_agent.environment.task_state import Stateful
from eureka_agent.environment.transitions import Transitions


@dataclass
class Step:
    """What one control step gave, before any reset. Fields as in `Transitions`, `[N, ...]` each.

    Attributes:
        truncated: whether the time limit was reached without termination `[N]` bool.
        diverged: whether the physics failed; these worlds count as terminated and `after` repeats
            their last good state `[N]` bool.
        final_observation: what the policy would see, before any reset `[N, D]`.
    """

    before: Tensor
    after: Tensor
    prev_action: Tensor
    terminated: Tensor
    truncated: Tensor
    diverged: Tensor
    time_left: Tensor
    fresh: Tensor
    final_observation: Tensor

    def rollout(self, action: Tensor) -> Transitions:
        """The step as a rollout of length one.

        Args:
            action: as applied, in [-1, 1] `[N, A]`.
        """
        return Transitions(
            before=self.before[None],
            after=self.after[None],
            action=action[None],
            prev_action=self.prev_action[None],
            terminated=self.terminated[None],
            time_left=self.time_left[None],
            fresh=self.fresh[None],
        )


class ActionError(UsageError, ValueError):
    """Raised for actions of another shape, or with entries that are no finite numbers."""


def read_actions(actions: object, n: int, size: int) -> Tensor:
    """Actions from outside as float32 `[n, size]`, cut to [-1, 1].

    Args:
        actions: an array, or what can be made one.
        n: worlds.
        size: numbers per action.

    Raises:
        ActionError: they are something else; what an algorithm gives when it has diverged is not
            to be taken for an action.
    """
    try:
        given = torch.as_tensor(np.asarray(actions, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise ActionError(
            f"The actions are no numbers: {error}.", f"Give numbers of shape {[n, size]}."
        ) from error
    if list(given.shape) != [n, size]:
        raise ActionError(
            f"The actions have the shape {list(given.shape)}, not {[n, size]}.",
            f"Give {size} numbers for each of {n} world{'s' * (n != 1)}.",
        )
    if not given.isfinite().all():
        world, column = (~given.isfinite()).nonzero()[0].tolist()
        raise ActionError(
            f"The action of world {world} is {given[world, column].item()} in column {column}.",
            "Give finite numbers; a policy that gives others has diverged.",
        )
    return given.clamp(-1.0, 1.0)


class SimulatedEnv:
    """What Gymnasium's and stable-baselines3's forms of an environment share: how it is copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same environment in the same state, with worlds of its own."""
        copied = memo[id(self)] = object.__new__(type(self))
        for name, value in vars(self).items():
            vars(copied)[name] = copy.deepcopy(value, memo)
        return copied

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"A {type(self).__name__} cannot be pickled: a simulator is in it. Pickle what makes "
            "it, such as functools.partial(eureka_agent.gym.make, NAME), or use copy.deepcopy."
        )


class AnyWorlds(Stateful):
    """`n` worlds of an environment, see `make_worlds`.

    Everything random in a world is a function of its stream, of how many episodes it has begun, and
    of its age, never of its neighbours.

    Args:
        environment: the task.
        n: number of worlds.
        device: where signals live.

    Attributes:
        layout: how signals are packed.
        action_size: numbers per action.
        observation: what the policy sees now `[n, D]` float32.
        signals: packed signals of the present states `[n, S]` float32.
    """

    observation: Tensor
    signals: Tensor
    STATE: ClassVar = (
        *("observation", "signals", "_streams", "_episodes", "_age", "_fresh", "_active"),
        "_prev_action",
    )

    def __init__(self, environment: Environment, n: int, device: torch.device) -> None:
        self.environment = environment
        self.n = n
        self.layout = environment.layout
        self.action_size = environment.action_size
        self._streams = torch.zeros(n, dtype=torch.int64, device=device)
        self._episodes = torch.zeros(n, dtype=torch.int64, device=device)
        self._age = torch.zeros(n, dtype=torch.int64, device=device)
        self._fresh = torch.ones(n, dtype=torch.bool, device=device)
        self._active = torch.zeros(n, dtype=torch.bool, device=device)
        self._prev_action = torch.zeros(n, self.action_size, device=device)

    def start(self, worlds: slice, streams: Tensor | np.ndarray, ages: Tensor) -> None:
        """Begin new episodes in a slice of the worlds and step them from now on.

        Args:
            worlds: which worlds.
            streams: one 64-bit key per world: the source of all its randomness, `[m]` int64.
            ages: control steps of the time limit that count as gone, `[m]` int64.
        """
        self._streams[worlds] = torch.as_tensor(streams).to(self._streams)
        self._episodes[worlds] = 0
        self._set_active(worlds, True)
        chosen = torch.zeros_like(self._active)
        chosen[worlds] = True
        self._begin(chosen)
        self._age[worlds] = ages.to(self._age.device)

    def stop(self, worlds: slice) -> None:
        """Step these worlds no longer."""
        self._set_active(worlds, False)

    def step(self, action: Tensor) -> Step:
        """Apply actions `[n, A]` in [-1, 1] for one control step."""
        raise NotImplementedError

    def try_out(self) -> None:
        """Begin an episode everywhere and take a step, so that what is broken shows at once."""
        self.start(slice(0, self.n), torch.zeros_like(self._streams), torch.zeros_like(self._age))
        self.step(torch.zeros_like(self._prev_action))

    def overflow(self) -> str | None:
        """Say what the physics left out for want of room since the last call; None if nothing."""
        return None

    def _begin(self, chosen: Tensor) -> None:
        """Begin an episode in the worlds of a mask `[n]`; the others keep what they have."""
        raise NotImplementedError

    def _set_active(self, worlds: slice, active: bool) -> None:
        self._active[worlds] = active

    def _count(self, chosen: Tensor) -> None:
        """Note that an episode begins in the worlds of a mask `[n]`."""
        self._episodes += chosen
        self._age.masked_fill_(chosen, 0)
        self._fresh |= chosen
        self._prev_action.masked_fill_(chosen[:, None], 0.0)

    def _record(
        self,
        action: Tensor,
        after: Tensor,
        final_observation: Tensor,
        terminated: Tensor,
        diverged: Tensor,
    ) -> Step:
        """Take in what a step brought, and say so; resets come after it."""
        limit = self.environment.episode_steps
        step = Step(
            before=self.signals,
            after=after,
            prev_action=self._prev_action,
            terminated=terminated,
            truncated=(self._age >= limit) & ~terminated & self._active,
            diverged=diverged,
            time_left=1.0 - self._age.float() / limit,
            fresh=self._fresh,
            final_observation=final_observation,
        )
        self.signals, self.observation = after, final_observation
        self._prev_action, self._fresh = action.clone(), torch.zeros_like(self._fresh)
        return step
