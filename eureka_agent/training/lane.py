"""One lane of a population: what it is trained on, and what is reported of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from eureka_agent.environment import AnyWorlds, Memory, Step, Transitions
from eureka_agent.reward import Evaluation


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

    def __call__(self, arguments: Mapping[str, Tensor]) -> Evaluation:
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

    def count_rewards(self, evaluation: Evaluation) -> None:
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


class RolloutBuffer:
    """`T` steps of `W = K·N` worlds.

    Attributes:
        observation: what the policy saw `[T, W, D]`.
        final_observation: what it would see after the step, before any reset `[T, W, D]`.
        sampled: actions before clipping `[T, W, A]`.
        mean: means they were sampled around `[T, W, A]`.
        transitions: what programs read.
        truncated: episodes cut by the time limit `[T, W]`.
        diverged: worlds whose physics failed `[T, W]`.
    """

    def __init__(self, worlds: AnyWorlds, horizon: int) -> None:
        n, a = worlds.n, worlds.action_size
        d, s = worlds.observation.shape[1], worlds.layout.width

        def floats(*size: int) -> Tensor:
            return torch.zeros(horizon, n, *size, device=worlds.observation.device)

        def flags() -> Tensor:
            return torch.zeros(horizon, n, dtype=torch.bool, device=worlds.observation.device)

        self.observation, self.final_observation = floats(d), floats(d)
        self.sampled, self.mean = floats(a), floats(a)
        self.truncated, self.diverged = flags(), flags()
        self.transitions = Transitions(
            before=floats(s),
            after=floats(s),
            action=floats(a),
            prev_action=floats(a),
            terminated=flags(),
            time_left=floats(),
            fresh=flags(),
        )

    def store(
        self, t: int, observation: Tensor, mean: Tensor, sampled: Tensor, action: Tensor, step: Step
    ) -> None:
        """Write step `t`."""
        self.observation[t], self.mean[t], self.sampled[t] = observation, mean, sampled
        self.final_observation[t] = step.final_observation
        self.truncated[t], self.diverged[t] = step.truncated, step.diverged
        part = self.transitions
        part.before[t], part.after[t] = step.before, step.after
        part.action[t], part.prev_action[t] = action, step.prev_action
        part.terminated[t], part.time_left[t] = step.terminated, step.time_left
        part.fresh[t] = step.fresh
