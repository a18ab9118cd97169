"""One lane of a population: what it is trained on, and what is reported of it."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from eureka_agent.environment import Memory
from eureka_agent.reward import RewardFailed, RewardValues


class Reward(Protocol):
    """What a lane is trained on: a compiled reward program, or a bare fitness."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the arguments that it reads."""
        ...

    @property
    def weights(self) -> Mapping[str, float]:
        """Weight of each component."""
        ...

    def __call__(self, arguments: Mapping[str, Tensor]) -> RewardValues:
        """Evaluate `M` transitions."""
        ...


@dataclass
class ComponentStatistics:
    """A component's weighted value over the steps of an advance."""

    mean: float
    minimum: float
    maximum: float
    share: float
    """Its part of the summed absolute means of all components, 0 to 1."""


@dataclass
class LaneReport:
    """What happened to a lane during an advance.

    Attributes:
        lane: which.
        steps: environment steps since it was loaded.
        evicted: why the lane stopped, in one sentence; None while it trains.
        line: line of the program that failed, 0 if unknown.
        diagnostics: means over the rollouts: `kl`, `learning_rate`, `clip_share`, `value_loss`,
            `gradient_norm`, `explained_variance`, `action_spread`, `entropy`, `reward`, `diverged`.
        components: by name.
    """

    lane: int
    steps: int
    evicted: str | None = None
    line: int = 0
    diagnostics: dict[str, float] = field(default_factory=dict)
    components: dict[str, ComponentStatistics] = field(default_factory=dict)


@dataclass
class Lane:
    """What belongs to one loaded lane.

    Attributes:
        reward: what it is trained on.
        generator: its action noise and the order of its minibatches.
        memory: what its running episodes have seen.
        steps: environment steps since it was loaded.
        warm: whether the normalisers know what numbers to expect.
        updates: in the running advance.
    """

    reward: Reward
    generator: torch.Generator
    memory: Memory
    steps: int = 0
    warm: bool = False
    updates: int = 0
    _totals: dict[str, Tensor] = field(default_factory=dict)
    _extremes: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)
    _rollouts: int = 0

    def count_rewards(self, evaluation: RewardValues) -> None:
        """Add a rollout to the component statistics of the running advance."""
        self._rollouts += 1
        for name, value in evaluation.components.items():
            weighted = value * self.reward.weights[name]
            low, high = weighted.aminmax()
            if name in self._totals:
                before = self._extremes[name]
                low, high = torch.minimum(before[0], low), torch.maximum(before[1], high)
                self._totals[name] += weighted.mean()
            else:
                self._totals[name] = weighted.mean()
            self._extremes[name] = (low, high)

    def summarise(self, report: LaneReport, diagnostics: Mapping[str, float]) -> None:
        """Turn what was counted into the report, and start anew.

        Args:
            report: to be filled.
            diagnostics: sums over the updates.
        """
        report.steps = self.steps
        report.diagnostics = {k: v / max(self.updates, 1) for k, v in diagnostics.items()}
        size = sum(abs(float(total)) for total in self._totals.values()) or 1.0
        for name, total in self._totals.items():
            low, high = self._extremes[name]
            report.components[name] = ComponentStatistics(
                float(total) / self._rollouts, float(low), float(high), abs(float(total)) / size
            )
        self._totals, self._extremes = {}, {}
        self.updates = self._rollouts = 0


TIMES, GRACE_S = 10.0, 5.0
"""Times what its lane's physics and updates have taken that a reward may take, and what it may take
in any case. Rewards that people and models write take a hundredth of the former."""


class NonRewardTimer:
    """A watch that runs while anything but a reward does.

    Attributes:
        seconds: that have passed so.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = time.perf_counter()

    def start(self) -> None:
        """Count from now on."""
        self._since = time.perf_counter()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count what has passed since the start, and nothing within."""
        self.seconds += time.perf_counter() - self._since
        try:
            yield
        finally:
            self.start()


class TimeLimitedReward:
    """A reward that fails once it has cost too much.

    On a CPU it is charged the processor time of the thread that calls it, so that it does not
    matter who else uses the machine. What it is compared with is the time on the clock, which only
    grows with that.

    Args:
        reward: to be called.
        elsewhere: seconds that everything else has taken so far, its lane's share of them.
        clock: what it is charged by.
    """

    def __init__(
        self,
        reward: Reward,
        elsewhere: Callable[[], float],
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._reward, self._elsewhere, self._clock = reward, elsewhere, clock
        self._begun, self._spent = elsewhere(), 0.0

    @property
    def parameters(self) -> tuple[str, ...]:
        """As of the reward."""
        return self._reward.parameters

    @property
    def weights(self) -> Mapping[str, float]:
        """As of the reward."""
        return self._reward.weights

    def __call__(self, arguments: Mapping[str, Tensor]) -> RewardValues:
        """Evaluate `M` transitions.

        Raises:
            RewardFailed: as the reward does, or all calls together have taken too long.
        """
        before = self._clock()
        try:
            evaluation = self._reward(arguments)
        finally:
            self._spent += self._clock() - before
        rest = self._elsewhere() - self._begun
        if self._spent > GRACE_S + TIMES * rest:
            raise RewardFailed(
                f"The program is too slow: its calls took {self._spent:.1f} s of processor time, "
                f"the physics and the updates of its lane {rest:.1f} s.",
                0,
            )
        return evaluation
