"""A population: K policies trained side by side, each on its own reward."""

import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import Environment, SignalLayout, substate
from eureka_agent.simulation import CPU, available_cores
from eureka_agent.training.lane import LaneReport, Reward
from eureka_agent.training.lane_group import LaneGroup

LEAST_WORLDS = 128
"""Of a group: with fewer, the calls of a step cost more than what they do, and threads take turns.

Measured on two cores: cartpole with 128 worlds was 1.2 to 1.4 times as fast in one group as in
two, half_cheetah with 256 worlds 1.1 times as fast in two.
"""


class Population:
    """K lanes of N worlds; K and N stay fixed, an empty lane is masked.

    A result is a function of (program, seed, K, N): at equal K and N a lane's weights are
    bit-identical whatever the other lanes hold, and whichever lane it is.

    On a CPU the lanes are dealt out to groups that run in a thread each: networks this small gain
    nothing from several threads of their own, and so every core is busy all the time. A group has
    at least two lanes: a stack of one is evaluated in another order and differs in the last bit,
    larger ones agree, so that results do not depend on the number of groups and threads.

    Args:
        environment: the task.
        lanes: K.
        worlds: N per lane.
        threads: CPU threads, 0 for one per core.
        device: where physics and networks live.
        backend: of the physics, see `make_simulator`.
        watch: called with a lane before its reward runs, and with -1 after.
    """

    def __init__(
        self,
        environment: Environment,
        lanes: int,
        worlds: int,
        *,
        threads: int = 0,
        device: torch.device = CPU,
        backend: str | None = None,
        watch: Callable[[int], None] = lambda lane: None,
    ) -> None:
        if lanes < 1 or worlds < 1:
            raise UsageError(f"A population needs lanes and worlds, not {lanes} x {worlds}.")
        self.lanes = lanes
        threads = threads or available_cores()
        on_cpu = device.type == "cpu" and backend is None
        most = min(threads, lanes // 2, lanes * worlds // LEAST_WORLDS) if on_cpu else 1
        count = max(most, 1)
        turn = threading.Lock()
        bounds = [lanes * group // count for group in range(count + 1)]
        self._groups = [
            LaneGroup(
                environment,
                last - first,
                worlds,
                threads=max(threads // count, 1),
                device=device,
                backend=backend,
                turn=turn,
                watch=partial(_watch_from, watch, first),
            )
            for first, last in pairwise(bounds)
        ]
        self._firsts = bounds[:-1]
        self._pool = ThreadPoolExecutor(count, "lanes")

    @property
    def layout(self) -> SignalLayout:
        """The packing of the signals of a transition."""
        return self._groups[0].layout

    @property
    def rollout_steps(self) -> int:
        """Environment steps per lane and rollout: the quantum of `advance`."""
        return self._groups[0].rollout_steps

    @property
    def overflow(self) -> str | None:
        """The parts that the physics of the last advance had no room for, if any."""
        return next((group.overflow for group in self._groups if group.overflow), None)

    def load(self, lane: int, reward: Reward, seed: int) -> None:
        """Begin a training run in a lane: weights, episodes and noise are drawn from `seed`.

        Raises:
            UsageError: there is no such lane.
        """
        group, own = self._home(lane)
        group.load(own, reward, seed)

    def stop(self, lane: int) -> None:
        """Empty a lane."""
        group, own = self._home(lane)
        group.stop(own)

    def non_reward_s(self, lane: int) -> float:
        """Seconds that everything but rewards has taken of a lane so far."""
        group, _ = self._home(lane)
        return group.non_reward_s

    def weights(self, lane: int) -> dict[str, Tensor]:
        """The lane's policy as an SB3 state dict on raw observations and true returns."""
        group, own = self._home(lane)
        return group.weights(own)

    def state(self) -> dict[str, np.ndarray]:
        """A checkpoint between two advances: plain arrays by name, without the rewards."""
        return {
            f"{index}.{name}": value
            for index, group in enumerate(self._groups)
            for name, value in group.state().items()
        }

    def resume(self, state: Mapping[str, np.ndarray], rewards: Mapping[int, Reward]) -> None:
        """Continue from a checkpoint of a population of the same environment, K and N.

        Args:
            state: from `state`.
            rewards: of the lanes that were loaded; other lanes come back empty.
        """
        for index, (group, first) in enumerate(zip(self._groups, self._firsts, strict=True)):
            own = {k - first: r for k, r in rewards.items() if 0 <= k - first < group.lanes}
            group.resume(substate(state, f"{index}."), own)

    def advance(
        self, steps: int, heartbeat: Callable[[int], None] = lambda done: None
    ) -> list[LaneReport]:
        """Train every loaded lane for at least `steps` environment steps, in whole rollouts.

        Args:
            steps: per lane.
            heartbeat: called after every reward and every rollout of a group, by one thread at a
                time, with the steps that every lane has done in this advance.

        Returns:
            A report per lane that was loaded, evicted ones included; evicted lanes are empty then.
        """
        done = [0 if group.loaded else steps for group in self._groups]
        turn = threading.Lock()

        def beat(group: int, steps_done: int) -> None:
            with turn:
                done[group] = steps_done
                heartbeat(min(done))

        # All groups end before the first failure is raised, so none runs on unobserved.
        futures = [
            self._pool.submit(group.advance, steps, partial(beat, index))
            for index, group in enumerate(self._groups)
        ]
        for failure in [future.exception() for future in futures]:
            if failure is not None:
                raise failure
        return [
            replace(report, lane=first + report.lane)
            for first, future in zip(self._firsts, futures, strict=True)
            for report in future.result()
        ]

    def _home(self, lane: int) -> tuple[LaneGroup, int]:
        if not 0 <= lane < self.lanes:
            raise UsageError(f"There is no lane {lane}: this population has {self.lanes}.")
        index = bisect_right(self._firsts, lane) - 1
        return self._groups[index], lane - self._firsts[index]


def _watch_from(watch: Callable[[int], None], first: int, lane: int) -> None:
    watch(lane if lane < 0 else first + lane)
