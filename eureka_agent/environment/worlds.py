"""Worlds: many copies of an environment, stepped together in a fixed order."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, NoReturn, Self, TypeAlias

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.common.text import plural
from eureka_agent.environment.base import Environment
from eureka_agent.environment.episodes import Episodes, Transitions
from eureka_agent.environment.random import ResetNoise, mix
from eureka_agent.environment.state import State, Stateful, TaskState
from eureka_agent.simulation import CPU, CpuSimulator, make_simulator


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
        """The step as a rollout of length one; `action` is as applied, in [-1, 1] `[N, A]`."""
        known = vars(self) | {"action": action}
        return Transitions(**{f.name: known[f.name][None] for f in fields(Transitions)})


class ActionError(UsageError, ValueError):
    """Raised for actions of another shape, or with entries that are not finite numbers."""


def read_actions(actions: object, n: int, size: int) -> Tensor:
    """Actions from an RL library as float32 `[n, size]`, clipped to [-1, 1].

    Args:
        actions: an array, or anything that NumPy makes one of.
        n: worlds.
        size: numbers per action.

    Raises:
        ActionError: they have another shape, or a diverged algorithm made them not finite.
    """
    try:
        given = torch.as_tensor(np.asarray(actions, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise ActionError(
            f"The actions are not numbers: {error}.", f"Give numbers of shape {[n, size]}."
        ) from error
    if list(given.shape) != [n, size]:
        raise ActionError(
            f"The actions have the shape {list(given.shape)}, not {[n, size]}.",
            f"Give {size} numbers for each of {plural(n, 'world')}.",
        )
    if not given.isfinite().all():
        world, column = (~given.isfinite()).nonzero()[0].tolist()
        raise ActionError(
            f"The action of world {world} is {given[world, column].item()} in column {column}.",
            "Give finite numbers; a policy that gives others has diverged.",
        )
    return given.clamp(-1.0, 1.0)


class SimulatedEnv:
    """How Gymnasium's and stable-baselines3's forms of an environment are copied."""

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


class Worlds(Stateful):
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
        """Begin an episode everywhere and take a step, so that faults show at once."""
        self.start(slice(0, self.n), torch.zeros_like(self._streams), torch.zeros_like(self._age))
        self.step(torch.zeros_like(self._prev_action))

    def overflow(self) -> str | None:
        """What the physics left out for lack of buffer space since the last call, if anything."""
        return None

    def _begin(self, chosen: Tensor) -> None:
        """Begin an episode in the worlds of a mask `[n]`; the others keep their state."""
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
        """Make the `Step`, and take over its results as the present state; resets come later."""
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


class MujocoWorlds(Worlds):
    """`n` worlds of an environment on MuJoCo; see `Worlds`.

    The order within a control step: physics, task state, signals, terminated; then, for the next
    step, changes of the task and resets, after which signals and observation are read anew, so that
    reaching a goal never looks like a loss.

    Args:
        environment: the task.
        n: number of worlds.
        threads: of the physics on a CPU, 0 for one per core.
        device: where physics and signals live.
        backend: see `make_simulator`.
    """

    STATE: ClassVar = (*Worlds.STATE, "_task")

    def __init__(
        self,
        environment: Environment,
        n: int,
        threads: int = 0,
        *,
        device: torch.device = CPU,
        backend: str | None = None,
    ) -> None:
        super().__init__(environment, n, device)
        self._made_with: dict[str, Any] = {"threads": threads, "device": device, "backend": backend}
        model = environment.model
        self.simulator = make_simulator(model, n, device, threads, backend=backend)
        self.simulator.prepare(environment.substeps)
        # On the CPU a reset costs only the rows that it computes. Choosing rows on a GPU would wait
        # for it: there every row is computed, and a mask chooses.
        self._by_rows = isinstance(self.simulator, CpuSimulator)
        low, high = (bound.to(device) for bound in environment.action_range())
        self._centre, self._half = (low + high) / 2, (high - low) / 2
        self._control = self.simulator.view("ctrl")
        self._qpos = torch.zeros(n, model.nq, dtype=torch.float64, device=device)
        self._qvel = torch.zeros(n, model.nv, dtype=torch.float64, device=device)
        self._act = torch.zeros(n, model.na, dtype=torch.float64, device=device)
        self._stepped: np.ndarray | None = None
        self._task = TaskState(environment.task_state, n, device)
        state = self._state()
        self.observation = environment.observation(state)
        self.signals = self.layout.pack(environment.signals(state))
        self._begin(torch.ones_like(self._active))
        self._set_active(slice(0, 0), False)

    def step(self, action: Tensor) -> Step:
        """Apply actions `[n, A]` in [-1, 1] for one control step."""
        torch.addcmul(self._centre, self._half, action, out=self._control)
        self.simulator.step(self.environment.substeps, self._stepped)
        self._age += self._active
        state = self._state()
        if self.environment.task_state:
            self._task.write(self.environment.update_task(state))
            state.task = self._task.read()
        diverged = self.simulator.diverged() & self._active
        after = self.layout.pack(self.environment.signals(state))
        final_observation = self.environment.observation(state)
        terminated = self.environment.terminated(state) & self._active
        if not self._by_rows or diverged.any():
            after = torch.where(diverged[:, None], self.signals, after)
            final_observation = torch.where(diverged[:, None], self.observation, final_observation)
            terminated = terminated | diverged
        step = self._record(action, after, final_observation, terminated, diverged)
        ended = step.terminated | step.truncated
        if self.environment.task_state:
            self._change_tasks(self.environment.task_changes(state) & self._active & ~ended)
        if not self._by_rows or ended.any():
            self._begin(ended)
        return step

    def overflow(self) -> str | None:
        """See `Worlds.overflow`."""
        return self.simulator.overflow()

    def state(self) -> dict[str, np.ndarray]:
        """See `Stateful.state`."""
        return super().state() | {"simulator": self.simulator.state()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `Stateful.restore`."""
        super().restore(state)
        self.simulator.restore(state["simulator"])
        self._set_active(slice(0, 0), True)

    def __deepcopy__(self, memo: dict[int, Any]) -> "MujocoWorlds":
        """As many worlds in the same state, on a simulator of their own."""
        copied = memo[id(self)] = MujocoWorlds(self.environment, self.n, **self._made_with)
        copied.restore(self.state())
        return copied

    def _begin(self, chosen: Tensor) -> None:
        rows, part = self._rows(chosen)
        streams, episodes = self._streams[part], self._episodes[part]
        self._qpos[part], self._qvel[part] = self.environment.reset(
            ResetNoise(mix(streams, episodes))
        )
        if self.environment.model.na:
            self._act[part] = self.environment.activations(self._qpos[part])
        self.simulator.reset_where(
            chosen, self._qpos, self._qvel, self._act, self.environment.keyframe_number
        )
        if self.environment.task_state:
            noise = ResetNoise(mix(streams, episodes, 0))
            begun = self.environment.begin_task(self._state(rows), noise)
            self._task.write_where(chosen, rows, begun, begin=True)
        self._count(chosen)
        self._observe(chosen, rows)

    def _change_tasks(self, chosen: Tensor) -> None:
        """Set other tasks in the worlds of a mask `[n]`; their episodes continue."""
        if self._by_rows and not chosen.any():
            return
        rows, part = self._rows(chosen)
        noise = ResetNoise(mix(self._streams[part], self._episodes[part], self._age[part]))
        begun = self.environment.begin_task(self._state(rows), noise)
        self._task.write_where(chosen, rows, begun, begin=False)
        self._observe(chosen, rows)

    def _rows(self, chosen: Tensor) -> tuple[Tensor | None, Tensor | slice]:
        """Row numbers of a mask `[n]` and the index of these rows; None and all rows on a GPU."""
        rows = chosen.nonzero()[:, 0] if self._by_rows else None
        return rows, slice(None) if rows is None else rows

    def _observe(self, chosen: Tensor, rows: Tensor | None) -> None:
        """Read signals and observation of the worlds of a mask `[n]` anew."""
        state = self._state(rows)
        signals = self.layout.pack(self.environment.signals(state))
        observation = self.environment.observation(state)
        # Never in place: callers hold the tensors of earlier steps.
        if rows is None:
            self.signals = torch.where(chosen[:, None], signals, self.signals)
            self.observation = torch.where(chosen[:, None], observation, self.observation)
        else:
            self.signals = self.signals.index_copy(0, rows, signals)
            self.observation = self.observation.index_copy(0, rows, observation)

    def _state(self, rows: Tensor | None = None) -> State:
        return State(self.simulator, rows, self._task.read(rows))

    def _set_active(self, worlds: slice, active: bool) -> None:
        super()._set_active(worlds, active)
        stepped = self._active.nonzero()[:, 0]
        self._stepped = None if len(stepped) == self.n else stepped.int().cpu().numpy()


Act: TypeAlias = Callable[[int, Tensor], Tensor]
"""A policy: control step, from 0, and observations `[n, D]` to actions `[n, A]` in [-1, 1]."""
OnStep: TypeAlias = Callable[[int, Tensor], None]
"""Gets each control step before it is taken, and which episodes have ended early `[n]` bool."""


@torch.no_grad()
def record(
    worlds: Worlds,
    streams: Tensor,
    act: Act,
    *,
    living: int | None = None,
    watch: OnStep = lambda step, ended: None,
) -> tuple[Episodes, Tensor]:
    """Let a policy act for one episode in every world.

    Args:
        worlds: all of them are started anew.
        streams: the source of randomness of each episode `[n]`.
        act: the policy.
        living: how many worlds are stepped, the first ones; the others stand still. All when None.
        watch: called before each control step.

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
