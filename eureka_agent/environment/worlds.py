"""Worlds: an environment stepped in many copies, in the order that the contract fixes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from eureka_agent.environment.base import Environment, State
from eureka_agent.environment.random import ResetNoise, mix
from eureka_agent.environment.stateful import Stateful
from eureka_agent.environment.transitions import SignalLayout
from eureka_agent.simulation import CpuSimulator


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


class Worlds(Stateful):
    """`n` worlds of an environment.

    The order within a control step: physics, signals, terminated; then, for the next step, resets
    and the observation. Everything random in a world is a function of its stream and of how many
    episodes it has begun, so a world never depends on its neighbours.

    Attributes:
        observation: what the policy sees now `[n, D]` float32.
        signals: packed signals of the present states `[n, S]` float32.
    """

    STATE: ClassVar = (
        *("observation", "signals", "_streams", "_episodes", "_age", "_fresh", "_active"),
        "_prev_action",
    )

    def __init__(self, environment: Environment, n: int, threads: int = 0) -> None:
        self.environment = environment
        self.n = n
        self.layout = SignalLayout(environment.signals_described)
        self.simulator = CpuSimulator(environment.model, n, threads)
        low, high = environment.action_range()
        self._centre, self._half = (low + high) / 2, (high - low) / 2
        self.action_size = len(low)
        self._control = self.simulator.view("ctrl")
        self._streams = np.zeros(n, dtype=np.uint64)
        self._episodes = np.zeros(n, dtype=np.int64)
        self._age = torch.zeros(n, dtype=torch.int64)
        self._fresh = torch.ones(n, dtype=torch.bool)
        self._active = torch.zeros(n, dtype=torch.bool)
        self._stepped: list[int] = []
        self._prev_action = torch.zeros(n, self.action_size)
        self._begin(np.arange(n))
        state = State(self.simulator)
        self.observation = environment.observation(state)
        self.signals = self.layout.pack(environment.signals(state))

    def start(self, worlds: slice, streams: Sequence[int] | np.ndarray, ages: Tensor) -> None:
        """Begin new episodes in a slice of the worlds and step them from now on.

        Args:
            worlds: which worlds.
            streams: one 64-bit key per world: the source of all its randomness.
            ages: control steps of the time limit that count as gone, `[m]` int64.
        """
        ids = np.arange(self.n)[worlds]
        self._streams[ids] = np.asarray(streams, dtype=np.uint64)
        self._episodes[ids] = 0
        self._set_active(worlds, True)
        self._begin(ids)
        self._age[worlds] = ages
        self._observe(torch.as_tensor(ids))

    def stop(self, worlds: slice) -> None:
        """Step these worlds no longer."""
        self._set_active(worlds, False)

    def step(self, action: Tensor) -> Step:
        """Apply actions `[n, A]` in [-1, 1] for one control step."""
        self._control[:] = self._centre + self._half * action
        self.simulator.step(self.environment.substeps, self._stepped)
        self._age[self._active] += 1
        state = State(self.simulator)
        diverged = self.simulator.diverged() & self._active
        after = self.layout.pack(self.environment.signals(state))
        final_observation = self.environment.observation(state)
        terminated = self.environment.terminated(state) & self._active
        if diverged.any():
            after = torch.where(diverged[:, None], self.signals, after)
            final_observation = torch.where(diverged[:, None], self.observation, final_observation)
            terminated = terminated | diverged
        truncated = (self._age >= self.environment.episode_steps) & ~terminated & self._active
        step = Step(
            before=self.signals,
            after=after,
            prev_action=self._prev_action,
            terminated=terminated,
            truncated=truncated,
            diverged=diverged,
            time_left=1.0 - self._age.float() / self.environment.episode_steps,
            fresh=self._fresh,
            final_observation=final_observation,
        )
        self.signals, self.observation = after, final_observation
        self._prev_action, self._fresh = action.clone(), torch.zeros(self.n, dtype=torch.bool)
        ended = (terminated | truncated).nonzero()[:, 0]
        if len(ended):
            self._begin(ended.numpy())
            self._observe(ended)
        return step

    def state(self) -> dict[str, np.ndarray]:
        """See `Stateful.state`."""
        return super().state() | {"simulator": self.simulator.state()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `Stateful.restore`."""
        super().restore(state)
        self.simulator.restore(state["simulator"])
        self._set_active(slice(0, 0), True)

    def _begin(self, ids: np.ndarray) -> None:
        noise = ResetNoise(mix(self._streams[ids], self._episodes[ids]))
        qpos, qvel = self.environment.reset(noise)
        self.simulator.reset(ids.tolist(), qpos, qvel)
        self._episodes[ids] += 1
        rows = torch.as_tensor(ids)
        self._age[rows] = 0
        self._fresh[rows] = True
        self._prev_action[rows] = 0.0

    def _observe(self, rows: Tensor) -> None:
        """Refresh signals and observation of worlds that begin an episode; others keep theirs."""
        state = State(self.simulator)
        chosen = torch.zeros(self.n, 1, dtype=torch.bool)
        chosen[rows] = True
        signals = self.layout.pack(self.environment.signals(state))
        self.signals = torch.where(chosen, signals, self.signals)
        self.observation = torch.where(
            chosen, self.environment.observation(state), self.observation
        )

    def _set_active(self, worlds: slice, active: bool) -> None:
        self._active[worlds] = active
        self._stepped = self._active.nonzero()[:, 0].tolist()
