"""Worlds: an environment stepped in many copies, in the order that the contract fixes."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from eureka_agent.environment.base import Environment
from eureka_agent.environment.random import ResetNoise, mix
from eureka_agent.environment.state import State
from eureka_agent.environment.task_state import TaskState
from eureka_agent.environment.worlds_base import AnyWorlds, Step
from eureka_agent.simulation import CpuSimulator
from eureka_agent.simulation.devices import CPU, make_simulator


def make_worlds(
    environment: Environment,
    n: int,
    threads: int = 0,
    *,
    device: torch.device = CPU,
    backend: str | None = None,
) -> AnyWorlds:
    """Make worlds of an environment, which have begun an episode and stand still.

    Args:
        environment: the task.
        n: number of worlds.
        threads: of the physics on a CPU, 0 for one per core.
        device: where signals and, if MuJoCo steps the worlds, physics live.
        backend: see `make_simulator`.

    Raises:
        EnvironmentFailed: an environment of Gymnasium raised something.
    """
    if environment.simulated:
        return Worlds(environment, n, threads, device=device, backend=backend)
    # Only here, as it loads Gymnasium.
    from eureka_agent.environment.gymnasium_environment import GymnasiumEnvironment
    from eureka_agent.environment.gymnasium_worlds import GymnasiumWorlds

    assert isinstance(environment, GymnasiumEnvironment)  # no other steps itself
    return GymnasiumWorlds(environment, n, device)


class Worlds(AnyWorlds):
    """`n` worlds of an environment on MuJoCo; see `AnyWorlds`.

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

    STATE: ClassVar = (*AnyWorlds.STATE, "_task")

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
        self.simulator = make_simulator(environment.model, n, device, threads, backend=backend)
        self.simulator.prepare(environment.substeps)
        # Where rows can be chosen on the host, a reset costs what its rows cost. A GPU would have
        # to be waited for: there every row is computed, and a mask chooses.
        self._by_rows = isinstance(self.simulator, CpuSimulator)
        low, high = (bound.to(device) for bound in environment.action_range())
        self._centre, self._half = (low + high) / 2, (high - low) / 2
        self._control = self.simulator.view("ctrl")
        self._qpos = torch.zeros(n, environment.model.nq, dtype=torch.float64, device=device)
        self._qvel = torch.zeros(n, environment.model.nv, dtype=torch.float64, device=device)
        self._stepped: np.ndarray | None = None
        self._task = TaskState(environment.task_state, n, device)
        self._act = torch.zeros(n, environment.model.na, dtype=torch.float64, device=device)
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
        """See `AnyWorlds.overflow`."""
        return self.simulator.overflow()

    def state(self) -> dict[str, np.ndarray]:
        """See `Stateful.state`."""
        return super().state() | {"simulator": self.simulator.state()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `Stateful.restore`."""
        super().restore(state)
        self.simulator.restore(state["simulator"])
        self._set_active(slice(0, 0), True)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Worlds":
        """As many worlds in the same state, on a simulator of their own."""
        copied = memo[id(self)] = Worlds(self.environment, self.n, **self._made_with)
        copied.restore(self.state())
        return copied

    def _begin(self, chosen: Tensor) -> None:
        rows = chosen.nonzero()[:, 0] if self._by_rows else None
        part = slice(None) if rows is None else rows
        streams, episodes = self._streams[part], self._episodes[part]
        qpos, qvel = self.environment.reset(ResetNoise(mix(streams, episodes)))
        self._qpos[part], self._qvel[part] = qpos, qvel
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
        self._look(chosen, rows)

    def _change_tasks(self, chosen: Tensor) -> None:
        """Set other tasks in the worlds of a mask `[n]`, whose episodes go on."""
        if self._by_rows and not chosen.any():
            return
        rows = chosen.nonzero()[:, 0] if self._by_rows else None
        part = slice(None) if rows is None else rows
        noise = ResetNoise(mix(self._streams[part], self._episodes[part], self._age[part]))
        begun = self.environment.begin_task(self._state(rows), noise)
        self._task.write_where(chosen, rows, begun, begin=False)
        self._look(chosen, rows)

    def _look(self, chosen: Tensor, rows: Tensor | None) -> None:
        """Read signals and observation of the worlds of a mask `[n]` anew."""
        state = self._state(rows)
        signals = self.layout.pack(self.environment.signals(state))
        observation = self.environment.observation(state)
        # Never in place: what has been handed out must stay as it was.
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
