"""A group of lanes: policies that are stepped in one simulator and updated as one stack."""

import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import EurekaError
from eureka_agent.environment import (
    Environment,
    Memory,
    SignalLayout,
    Stateful,
    make_worlds,
    pools,
    substate,
)
from eureka_agent.training import ppo
from eureka_agent.training.lane import Lane, LaneReport, NonRewardTimer, Reward
from eureka_agent.training.networks import PolicyStack, folded, initial_weights
from eureka_agent.training.normalise import ObservationNormaliser, PopArt
from eureka_agent.training.ppo import LaneAdam, RolloutBuffer

DIVERGENCE_LIMIT = 0.02
"""Share of a rollout's steps that may end in failed physics; beyond it the lane is evicted."""


class LaneGroup(Stateful):
    """K lanes of N worlds in one simulator; K and N stay fixed, an empty lane is masked.

    No step mixes lanes: at equal K and N a lane's weights are bit-identical whatever the other
    lanes hold, and whichever lane it is. On a GPU nothing waits for the device while a rollout is
    collected.

    Args:
        environment: the task.
        lanes: K.
        worlds: N per lane.
        threads: physics threads.
        device: where physics and networks live.
        backend: of the physics, see `make_simulator`.
        turn: held while a reward runs, by one group of a population at a time.
        watch: called with a lane before its reward runs, and with -1 after.

    Attributes:
        overflow: what the physics of the last advance left out for want of room, if anything.
    """

    STATE: ClassVar = ("_worlds", "_stack", "_optimiser", "_observations", "_values")

    def __init__(
        self,
        environment: Environment,
        lanes: int,
        worlds: int,
        *,
        threads: int,
        device: torch.device,
        backend: str | None,
        turn: threading.Lock,
        watch: Callable[[int], None],
    ) -> None:
        self.settings = environment.training
        self.lanes, self.per_lane = lanes, worlds
        self.rollout_steps = self.settings.horizon * worlds
        self._device = device
        self._worlds = make_worlds(
            environment, lanes * worlds, threads, device=device, backend=backend
        )
        self._turn, self._watch = turn, watch
        size = self._worlds.observation.shape[1]
        self._shape = (size, self._worlds.action_size)
        template = initial_weights(*self._shape, self.settings, seed=0)
        self._stack = PolicyStack(template, lanes, self.settings.activation, device)
        self._optimiser = LaneAdam(
            self._stack.flat, self.settings.learning_rate, self.settings.gradient_norm
        )
        self._observations = ObservationNormaliser(lanes, size, device)
        self._values = PopArt(lanes, device)
        self._buffer = RolloutBuffer(self._worlds, self.settings.horizon)
        self._lanes: dict[int, Lane] = {}
        self._measured: dict[str, Tensor] = {}
        self._elsewhere = NonRewardTimer()
        self.overflow: str | None = None

    @property
    def layout(self) -> SignalLayout:
        """How the signals of a transition are packed."""
        return self._worlds.layout

    @property
    def loaded(self) -> tuple[int, ...]:
        """Lanes that train."""
        return tuple(self._lanes)

    @property
    def non_reward_s(self) -> float:
        """Seconds that all but rewards have taken in the advances so far, of one lane."""
        return self._elsewhere.seconds / self.lanes

    def load(self, lane: int, reward: Reward, seed: int) -> None:
        """Begin a training in a lane: weights, episodes and noise, all drawn from `seed`."""
        self._stack.load(lane, initial_weights(*self._shape, self.settings, seed))
        self._optimiser.reset(lane)
        self._observations.reset(lane)
        self._values.reset(lane)
        generator = torch.Generator(self._device).manual_seed(seed)
        # Ages are spread so that the lane's worlds do not reach the time limit all at once.
        limit = self._worlds.environment.episode_steps
        ages = torch.randint(limit, (self.per_lane,), generator=generator, device=self._device)
        streams = pools.streams(pools.TRAINING, seed, self.per_lane)
        self._worlds.start(self._part(lane), streams, ages)
        memory = Memory.empty(self.per_lane, self.layout, self._device)
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
            shift[lane].cpu(),
            scale[lane].cpu(),
            self._values.shift[lane].cpu(),
            self._values.scale[lane].cpu(),
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
        """Go on from a checkpoint of a group of the same environment, K and N.

        Args:
            state: from `state`.
            rewards: of the lanes that were loaded; other lanes come back empty.
        """
        self.restore(state)
        self._lanes = {}
        for lane in range(self.lanes):
            own = substate(state, f"lane.{lane}.")
            if not own or lane not in rewards:
                self.stop(lane)
                continue
            generator = torch.Generator(self._device)
            generator.set_state(torch.from_numpy(own["generator"]))
            memory = Memory.empty(self.per_lane, self.layout, self._device)
            memory.restore(substate(own, "memory."))
            steps, warm = (int(value) for value in own["counters"])
            self._lanes[lane] = Lane(rewards[lane], generator, memory, steps, bool(warm))

    @torch.no_grad()
    def advance(self, steps: int, heartbeat: Callable[[int], None]) -> list[LaneReport]:
        """Train every loaded lane for at least `steps` environment steps, in whole rollouts.

        Args:
            steps: per lane.
            heartbeat: called after every reward and every rollout with the steps done in this
                advance.

        Returns:
            A report per lane that was loaded, evicted ones included; evicted lanes are empty then.
        """
        reports = {lane: LaneReport(lane, 0) for lane in self._lanes}
        self._measured, self.overflow = {}, None
        self._elsewhere.start()
        done = 0
        while done < steps and self._lanes:
            self._collect()
            self.overflow = self._worlds.overflow() or self.overflow
            rewards = self._evaluate(reports, partial(heartbeat, done))
            if self._lanes:
                self._learn(rewards)
            done += self.rollout_steps
            sound = self._stack.flat.isfinite().all(1).tolist()
            for lane, held in list(self._lanes.items()):
                held.steps += self.rollout_steps
                if not sound[lane]:
                    self._evict(reports[lane], "Training diverged: the weights overflowed.")
            heartbeat(done)
        for lane, held in self._lanes.items():
            held.summarise(reports[lane], self._diagnostics(lane))
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
        size = (self.lanes, horizon, self.per_lane, action_size)
        noise = torch.zeros(size, device=self._device)
        for lane, held in self._lanes.items():
            torch.randn(noise[lane].shape, generator=held.generator, out=noise[lane])
        shift, scale = (part[:, None] for part in self._observations.shift_and_scale())
        noise *= self._stack.log_std.exp()[:, None, None]
        for t in range(horizon):
            observation = self._worlds.observation
            seen = observation.view(self.lanes, self.per_lane, -1)
            mean = self._stack.actor((seen - shift) / scale)
            sampled = (mean + noise[:, t]).reshape(self._worlds.n, -1)
            action = sampled.clamp(-1.0, 1.0)
            step = self._worlds.step(action)
            self._buffer.store(t, observation, mean.view_as(sampled), sampled, action, step)

    def _evaluate(self, reports: dict[int, LaneReport], beat: Callable[[], None]) -> Tensor:
        """Rewards of the rollout `[K, T·N]`; lanes whose reward fails are evicted."""
        rewards = torch.zeros(self.lanes, self.rollout_steps, device=self._device)
        failed = self._by_lane(self._buffer.diverged)
        shares = failed.float().mean(1).tolist()
        for lane in list(self._lanes):
            if shares[lane] > DIVERGENCE_LIMIT:
                share = f"{shares[lane]:.1%}"
                self._evict(reports[lane], f"The physics diverged in {share} of a rollout's steps.")
            else:
                rewards[lane] = self._paid(lane, reports[lane])
                beat()
        return rewards.masked_fill_(failed, 0.0)

    def _paid(self, lane: int, report: LaneReport) -> Tensor | float:
        """What a lane's reward pays for the rollout `[T·N]`; 0 if it fails, and the lane ends."""
        held = self._lanes[lane]
        arguments = self._buffer.transitions.worlds(self._part(lane)).arguments(
            self.layout, held.reward.parameters, held.memory
        )
        with self._elsewhere.paused(), self._turn:
            self._watch(lane)
            try:
                evaluation = held.reward(arguments)
            except EurekaError as error:
                self._evict(report, error.message, getattr(error, "line", 0))
                return 0.0
            finally:
                self._watch(-1)
        held.count_rewards(evaluation)
        return evaluation.total

    def _learn(self, rewards: Tensor) -> None:
        """One PPO update of every lane that has seen a rollout before."""
        lanes, settings, buffer = self.lanes, self.settings, self._buffer
        warm = [k in self._lanes and self._lanes[k].warm for k in range(lanes)]
        learning = torch.tensor(warm, device=self._device)
        raw = self._by_lane(buffer.observation)
        observation = self._observations(raw)
        values = self._values.denormalise(self._stack.values(observation))
        following = self._observations(self._by_lane(buffer.final_observation))
        next_values = self._values.denormalise(self._stack.values(following))
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
        log_std = self._stack.log_std[:, None, :]
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
            "action_spread": self._stack.log_std.exp().mean(1),
            "entropy": self._stack.log_std.sum(1),
            "reward": rewards.mean(1),
            "diverged": self._by_lane(buffer.diverged).float().mean(1),
        }
        self._observations.update(raw)
        for name, value in measured.items():
            counted = torch.where(learning, value, 0.0)
            self._measured[name] = self._measured.get(name, 0.0) + counted
        for lane, held in self._lanes.items():
            if held.warm:
                held.updates += 1
            else:
                # The first rollout only teaches the normalisers what numbers to expect.
                held.warm = True
                self._optimiser.reset(lane)

    def _orders(self) -> Tensor:
        """Permutations of the rows `[epochs, K, B]`, each lane's from its own generator."""
        size = self.rollout_steps
        rows = torch.arange(size, device=self._device)
        orders = rows.repeat(self.settings.epochs, self.lanes, 1)
        for lane, held in self._lanes.items():
            for epoch in range(self.settings.epochs):
                torch.randperm(size, generator=held.generator, out=orders[epoch, lane])
        return orders

    def _diagnostics(self, lane: int) -> dict[str, float]:
        """Sums of a lane's diagnostics over this advance."""
        return {name: float(value[lane]) for name, value in self._measured.items()}

    def _evict(self, report: LaneReport, reason: str, line: int = 0) -> None:
        held = self._lanes[report.lane]
        report.evicted, report.line = reason, line
        held.summarise(report, self._diagnostics(report.lane))
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
