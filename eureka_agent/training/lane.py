"""One lane of a population: its reward, the cost limit of that, and the report on its training."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from eureka_agent.environment import Memory
from eureka_agent.reward import RewardFailed, RewardValues
from eureka_agent.reward.program import GRACE_S

COST_FACTOR = 10.0
"""A reward may take this many times what the physics and updates of its lane have taken, and
`GRACE_S` in any case. Ordinary rewards take a hundredth of this limit."""


class Reward(Protocol):
    """The reward of a lane: a compiled reward program, or the fitness itself."""

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


class NonRewardTimer:
    """Measures the seconds that a training run spends on everything but its reward.

    Attributes:
        seconds: counted so far.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = time.perf_counter()

    def start(self) -> None:
        """Count from now on."""
        self._since = time.perf_counter()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Count what has passed since the start, and nothing within the block."""
        self.seconds += time.perf_counter() - self._since
        try:
            yield
        finally:
            self.start()


class TimeLimitedReward:
    """A reward that fails once its calls have cost too much processor time.

    A program that takes a minute per call sends a sign of life every minute, so no other time limit
    would end it, and all lanes beside it would wait. On a CPU the reward is charged the processor
    time of the calling thread, so other users of the machine do not matter. It is compared with
    wall-clock time, which only grows with their load.

    Args:
        reward: the one to call.
        non_reward_s: seconds that everything else has taken so far, per lane.
        clock: measures the reward's time.
    """

    def __init__(
        self,
        reward: Reward,
        non_reward_s: Callable[[], float],
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self.parameters, self.weights = reward.parameters, reward.weights
        self._reward, self._non_reward_s, self._clock = reward, non_reward_s, clock
        self._begun, self._spent = non_reward_s(), 0.0

    def __call__(self, arguments: Mapping[str, Tensor]) -> RewardValues:
        """Evaluate `M` transitions.

        Raises:
            RewardFailed: the reward failed, or all its calls together took too long.
        """
        before = self._clock()
        try:
            values = self._reward(arguments)
        finally:
            self._spent += self._clock() - before
        rest = self._non_reward_s() - self._begun
        if self._spent > GRACE_S + COST_FACTOR * rest:
            raise RewardFailed(
                f"The program is too slow: its calls took {self._spent:.1f} s of processor time, "
                f"the physics and the updates of its lane {rest:.1f} s.",
                0,
                "too-slow",
            )
        return values


@dataclass
class ComponentStatistics:
    """A component's weighted value over the steps of an advance."""

    mean: float
    minimum: float
    maximum: float
    share: float
    """Its fraction of the summed absolute means of all components, 0 to 1."""


@dataclass
class LaneReport:
    """The events in a lane during an advance.

    Attributes:
        lane: its number.
        steps: environment steps since it was loaded.
        evicted: why the lane stopped, in one sentence; None while it trains.
        line: line of the program that failed, 0 if unknown.
        diagnostics: means over the rollouts: `kl`, `learning_rate`, `clip_share`, `value_loss`,
            `gradient_norm`, `explained_variance`, `action_spread`, `entropy`, `reward`, `diverged`.
        components: statistics by name of the component.
    """

    lane: int
    steps: int
    evicted: str | None = None
    line: int = 0
    diagnostics: dict[str, float] = field(default_factory=dict)
    components: dict[str, ComponentStatistics] = field(default_factory=dict)


@dataclass
class Lane:
    """The state of one loaded lane, apart from its networks.

    Attributes:
        reward: the one that it trains on.
        generator: draws its action noise and the order of its minibatches.
        memory: of its running episodes.
        steps: environment steps since it was loaded.
        warm: whether the normalisers have seen a rollout.
        updates: PPO updates in the running advance.
    """

    reward: Reward
    generator: torch.Generator
    memory: Memory
    steps: int = 0
    warm: bool = False
    updates: int = 0
    _rollouts: int = 0
    _means: dict[str, Tensor] = field(default_factory=dict)
    _extremes: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def count_rewards(self, values: RewardValues) -> None:
        """Add a rollout to the component statistics of the running advance."""
        self._rollouts += 1
        for name, value in values.components.items():
            weighted = value * self.reward.weights[name]
            low, high = weighted.aminmax()
            if name in self._means:
                lowest, highest = self._extremes[name]
                self._extremes[name] = torch.minimum(lowest, low), torch.maximum(highest, high)
                self._means[name] += weighted.mean()
            else:
                self._means[name], self._extremes[name] = weighted.mean(), (low, high)

    def summarise(self, report: LaneReport, diagnostics: Mapping[str, float]) -> None:
        """Fill a report with the counts, and start over.

        Args:
            report: gets steps, diagnostics and components.
            diagnostics: sums over the updates.
        """
        report.steps = self.steps
        report.diagnostics = {k: v / max(self.updates, 1) for k, v in diagnostics.items()}
        size = sum(abs(float(total)) for total in self._means.values()) or 1.0
        for name, total in self._means.items():
            low, high = self._extremes[name]
            report.components[name] = ComponentStatistics(
                float(total) / self._rollouts, float(low), float(high), abs(float(total)) / size
            )
        self._means, self._extremes = {}, {}
        self.updates = self._rollouts = 0
