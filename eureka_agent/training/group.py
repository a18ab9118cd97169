"""A population: K policies trained side by side, each on its own reward, in one simulator."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from eureka_agent.environment import (
    Environment,
    Memory,
    SignalLayout,
    Stateful,
    Worlds,
    pools,
    under,
)
from eureka_agent.errors import EurekaError, UsageError
from eureka_agent.training import ppo
from eureka_agent.training.export import folded
from eureka_agent.training.lane import Lane, LaneReport, Reward
from eureka_agent.training.networks import PolicyStack, fresh_weights
from eureka_agent.training.normalise import ObservationNormaliser, ValueNormaliser
from eureka_agent.training.optimiser import LaneAdam
from eureka_agent.training.rollout import RolloutBuffer

DIVERGENCE_LIMIT = 0.02
"""Share of a rollout's steps that may end in failed physics; beyond it the lane is evicted."""


class Population(Stateful):
    """K lanes of N worlds in one simulator; K and N stay fixed, an empty lane is masked.

    A result is a function of (program, seed, K, N): at equal K and N a lane's weights are
    bit-identical whatever the other lanes hold, and whichever lane it is.

    Args:
        environment: the task.
        lanes: K.
        worlds: N per lane.
        threads: physics threads, 0 for one per core.
        watch: called with a lane before its reward runs, and with -1 after.
    """

    STATE: ClassVar = ("_worlds", "_stack", "_optimiser", "_observations", "_values")

    def __init__(
        self,
        environment: Environment,
        lanes: int,
        worlds: int,
        *,
        threads: int = 0,
        watch: Callable[[int], None] = lambda lane: None,
    ) -> None:
        if lanes < 1 or worlds < 1:
            raise UsageError(f"A population needs lanes and worlds, not {lanes} x {worlds}.")
        self.settings = environment.training
        self.lanes, self.per_lane = lanes, worlds
        self._worlds = Worlds(environment, lanes * worlds, threads)
        self._watch = watch
        size = self._worlds.observation.shape[1]
        self._shape = (size, self._worlds.action_size)
        template = fresh_weights(*self._shape, self.settings, seed=0)
        self._stack = PolicyStack(template, lanes, self.settings.activation)
        self._optimiser = LaneAdam(
            self._stack.flat, self.settings.learning_rate, self.settings.gradient_norm
        )
        self._observations = ObservationNormaliser(lanes, size)
        self._values = ValueNormaliser(lanes)
        self._buffer = RolloutBuffer(self._worlds, self.settings.horizon)
        self._lanes: dict[int, Lane] = {}

    @property
    def layout(self) -> SignalLayout:
        """How the signals of a transition are packed."""
        return self._worlds.layout

    @property
    def rollout_steps(self) -> int:
        """Environment steps per lane and rollout: the quantum of `advance`."""
        return self.settings.horizon * self.per_lane

    def load(self, lane: int, reward: Reward, seed: int) -> None:
        """Begin a training in a lane: weights, episodes and noise, all drawn from `seed`."""
        if not 0 <= lane < self.lanes:
            raise UsageError(f"There is no lane {lane}: this population has {self.lanes}.")
        self._stack.load(lane, fresh_weights(*self._shape, self.settings, seed))
        self._optimiser.reset(lane)
        self._observations.reset(lane)
        self._values.reset(lane)
        generator = torch.Generator().manual_seed(seed)
        # Ages are spread so that the lane's worlds do not reach the time limit all at once.
        limit = self._worlds.environment.episode_steps
        ages = torch.randint(limit, (self.per_lane,), generator=generator)
        streams = pools.streams(pools.TRAINING, seed, self.per_lane)
        self._worlds.start(self._part(lane), streams, ages)
        memory = Memory.empty(self.per_lane, self._worlds.layout)
        self._lanes[lane] = Lane(reward, generator, memory)

    def stop(self, lane: int) -> None:
        """Empty a lane."""
        self._lanes.pop(lane, None)
        self._worlds.stop(self._part(lane))

    def steps(self, lane: int) -> int:
        """Environment steps of a loaded lane."""
        return self._lanes[lane].steps

    def weights(self, lane: int) -> dict[str, Tensor]:
        """The lane's policy as an SB3 state dict on raw observations and true returns."""
        shift, scale = self._observations.shift_and_scale()
        return folded(
            self._stack.read(lane),
            shift[lane],
            scale[lane],
            self._values.shift[lane],
            self._values.scale[lane],
        )

    def state(self) -> dict[str, np.ndarray]:
        """A checkpoint between two advances: plain arrays by name, but for the rewards."""
        result = super().state()
        for lane, held in self._lanes.items():
            own = {f"memory.{name}": value for name, value in held.memory.state().items()}
            own["generator"] = held.generator.get_state().numpy()
            own["counters"] = np.array([held.steps, held.warm])
            result |= {f"lane.{lane}.{name}": value for name, value in own.items()}
        return result

    def resume(self, state: Mapping[str, np.ndarray], rewards: Mapping[int, Reward]) -> None:
        """Go on from a checkpoint of a population of the same environment, K and N.

        Args:
            state: from `state`.
            rewards: of the lanes that were loaded; other lanes come back empty.
        """
        self.restore(state)
        self._lanes = {}
        for lane in range(self.lanes):
            own = under(state, f"lane.{lane}.")
            if not own or lane not in rewards:
                self.stop(lane)
                continue
            generator = torch.Generator()
            generator.set_state(torch.from_numpy(own["generator"]))
            memory = Memory.empty(self.per_lane, self.layout)
            memory.restore(under(own, "memory."))
            steps, warm = (int(value) for value in own["counters"])
            self._lanes[lane] = Lane(rewards[lane], generator, memory, steps, bool(warm))

    @torch.no_grad()
    def advance(
        self, steps: int, heartbeat: Callable[[int], None] = lambda done: None
    ) -> list[LaneReport]:
        """Train every loaded lane for at least `steps` environment steps, in whole rollouts.

        Args:
            steps: per lane.
            heartbeat: called after every rollout with the steps done in this advance.

        Returns:
            A report per lane that was loaded, evicted ones included; evicted lanes are empty then.
        """
        reports = {lane: LaneReport(lane, 0) for lane in self._lanes}
        done = 0
        while done < steps and self._lanes:
            self._collect()
            rewards = self._evaluate(reports)
            if self._lanes:
                self._learn(rewards)
            done += self.rollout_steps
            for lane, held in list(self._lanes.items()):
                held.steps += self.rollout_steps
                if not bool(torch.isfinite(self._stack.flat[lane]).all()):
                    self._evict(reports[lane], "Training diverged: the weights overflowed.")
            heartbeat(done)
        for lane, held in self._lanes.items():
            held.summarise(reports[lane])
        return list(reports.values())

    def _part(self, lane: int) -> slice:
        return slice(lane * self.per_lane, (lane + 1) * self.per_lane)

    def _by_lane(self, value: Tensor) -> Tensor:
        """`[T, K·N, ...]` to `[K, T·N, ...]`."""
        horizon = value.shape[0]
        value = value.view(horizon, self.lanes, self.per_lane, *value.shape[2:])
        return value.transpose(0, 1).reshape(self.lanes, -1, *value.shape[3:])

    def _collect(self) -> None:
        """Step all worlds for one rollout."""
        horizon, action_size = self.settings.horizon, self._worlds.action_size
        noise = torch.zeros(self.lanes, horizon, self.per_lane, action_size)
        for lane, held in self._lanes.items():
            torch.randn(noise[lane].shape, generator=held.generator, out=noise[lane])
        shift, scale = self._observations.shift_and_scale()
        views = self._stack.views()
        spread = views["log_std"].exp()[:, None]
        for t in range(horizon):
            observation = self._worlds.observation
            seen = observation.view(self.lanes, self.per_lane, -1)
            seen = (seen - shift[:, None]) / scale[:, None]
            mean = self._stack.actor(views, seen)
            sampled = (mean + spread * noise[:, t]).reshape(self._worlds.n, -1)
            action = sampled.clamp(-1.0, 1.0)
            step = self._worlds.step(action)
            self._buffer.store(t, observation, mean.view_as(sampled), sampled, action, step)

    def _evaluate(self, reports: dict[int, LaneReport]) -> Tensor:
        """Rewards of the rollout `[K, T·N]`; lanes whose reward fails are evicted."""
        rewards = torch.zeros(self.lanes, self.rollout_steps)
        layout = self._worlds.layout
        for lane, held in list(self._lanes.items()):
            part = self._part(lane)
            diverged = self._buffer.diverged[:, part].reshape(-1)
            if diverged.float().mean() > DIVERGENCE_LIMIT:
                share = f"{diverged.float().mean():.1%}"
                self._evict(reports[lane], f"The physics diverged in {share} of a rollout's steps.")
                continue
            arguments = self._buffer.transitions.worlds(part).arguments(
                layout, held.reward.parameters, held.memory
            )
            self._watch(lane)
            try:
                evaluation = held.reward(arguments)
            except EurekaError as error:
                self._evict(reports[lane], error.message, getattr(error, "line", 0))
                continue
            finally:
                self._watch(-1)
            rewards[lane] = torch.where(diverged, 0.0, evaluation.total)
            held.count_rewards(evaluation)
        return rewards

    def _learn(self, rewards: Tensor) -> None:
        """One PPO update of every lane that has seen a rollout before."""
        lanes, settings, buffer = self.lanes, self.settings, self._buffer
        learning = torch.tensor(
            [k in self._lanes and self._lanes[k].warm for k in range(lanes)], dtype=torch.bool
        )
        raw = self._by_lane(buffer.observation)
        observation = self._observations(raw)
        views = self._stack.views()
        values = self._values.denormalise(self._stack.critic(views, observation))
        following = self._observations(self._by_lane(buffer.final_observation))
        next_values = self._values.denormalise(self._stack.critic(views, following))
        terminated = self._by_lane(buffer.transitions.terminated)
        ended = terminated | self._by_lane(buffer.truncated)
        horizon = settings.horizon
        advantage = _in_time(
            ppo.advantages(
                _by_time(rewards, horizon),
                _by_time(values, horizon),
                _by_time(next_values, horizon),
                _by_time(terminated, horizon),
                _by_time(ended, horizon),
                settings.discount,
                settings.gae_lambda,
            )
        )
        returns = advantage + values
        self._stack.rescale_values(*self._values.update(returns))
        log_std = views["log_std"][:, None, :]
        sampled, mean = self._by_lane(buffer.sampled), self._by_lane(buffer.mean)
        batch = ppo.Batch(
            observation=observation,
            action=sampled,
            mean=mean,
            log_std=log_std.clone(),
            log_prob=ppo.log_probability(sampled, mean, log_std),
            advantage=ppo.normalised(advantage),
            target=self._values.normalise(returns),
        )
        measured = ppo.update(
            self._stack, self._optimiser, batch, self._orders(), learning, settings
        )
        measured |= {
            "learning_rate": self._optimiser.learning_rate.clone(),
            "explained_variance": _explained_variance(values, returns),
            "action_spread": views["log_std"].exp().mean(1),
            "entropy": views["log_std"].sum(1),
            "reward": rewards.mean(1),
            "diverged": self._by_lane(buffer.diverged).float().mean(1),
        }
        self._observations.update(raw)
        for lane, held in self._lanes.items():
            if held.warm:
                held.count_update(lane, measured)
            else:
                # The first rollout only teaches the normalisers what numbers to expect.
                held.warm = True
                self._optimiser.reset(lane)

    def _orders(self) -> Tensor:
        """Permutations of the rows `[epochs, K, B]`, each lane's from its own generator."""
        rows = torch.arange(self.rollout_steps)
        orders = rows.repeat(self.settings.epochs, self.lanes, 1)
        for lane, held in self._lanes.items():
            for epoch in range(self.settings.epochs):
                orders[epoch, lane] = torch.randperm(len(rows), generator=held.generator)
        return orders

    def _evict(self, report: LaneReport, reason: str, line: int = 0) -> None:
        held = self._lanes[report.lane]
        report.evicted, report.line = reason, line
        held.summarise(report)
        self.stop(report.lane)


def _by_time(value: Tensor, horizon: int) -> Tensor:
    """`[K, T·N]` to `[T, K, N]`."""
    return value.view(value.shape[0], horizon, -1).transpose(0, 1)


def _in_time(value: Tensor) -> Tensor:
    """`[T, K, N]` to `[K, T·N]`."""
    return value.transpose(0, 1).reshape(value.shape[1], -1)


def _explained_variance(values: Tensor, returns: Tensor) -> Tensor:
    """Share of the returns' variance that the values explain, per lane `[K]`."""
    variance = returns.var(1, unbiased=False)
    error = (returns - values).var(1, unbiased=False)
    return torch.where(variance > 0, 1 - error / variance, 0.0)
