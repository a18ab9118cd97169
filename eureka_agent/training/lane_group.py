"""The training loop of PPO, for a group of lanes in one simulator and one stack of networks.

An advance repeats three steps, one rollout of T = `n_steps` control steps at a time:

1. collect: step all worlds with actions a ~ N(mean(observation), std^2);
2. compute rewards: call each lane's reward once, on all T·N transitions of its rollout. A reward
   that raises, or physics that diverged too often, *evicts* the lane: it stops, with the reason in
   its report, and no other lane notices;
3. update: estimate advantages and run the epochs of PPO (`ppo.update`) on all lanes at once.
"""

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
from eureka_agent.training.networks import PolicyStack, fold_normalisation, initial_weights
from eureka_agent.training.normalise import ObservationNormaliser, PopArt

MAX_DIVERGED = 0.02
"""Fraction of a rollout's steps that may end in failed physics; above it the lane is evicted."""


class LaneGroup(Stateful):
    """K lanes of N worlds in one simulator; arguments and attributes are those of `Population`.

    No operation mixes lanes: at equal K and N a lane's weights are bit-identical whatever the other
    lanes hold, and whichever lane it is. On a GPU nothing waits for the device while a rollout is
    collected. `turn` is held while a reward runs, by one group of a population at a time.
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
        self.lanes, self.worlds_per_lane = lanes, worlds
        self.rollout_steps = self.settings.n_steps * worlds
        self._device = device
        self._worlds = make_worlds(
            environment, lanes * worlds, threads, device=device, backend=backend
        )
        self._turn, self._watch = turn, watch
        self._sizes = self._worlds.observation.shape[1], self._worlds.action_size
        template = initial_weights(*self._sizes, self.settings, seed=0)
        self._stack = PolicyStack(template, lanes, self.settings.activation, device)
        self._optimiser = ppo.LaneAdam(
            self._stack.flat, self.settings.learning_rate, self.settings.max_grad_norm
        )
        self._observations = ObservationNormaliser(lanes, self._sizes[0], device)
        self._values = PopArt(lanes, device)
        self._buffer = ppo.RolloutBuffer(self._worlds, self.settings.n_steps)
        self.loaded: dict[int, Lane] = {}
        self._diagnostics: dict[str, Tensor] = {}
        self._timer = NonRewardTimer()
        self.overflow: str | None = None

    @property
    def layout(self) -> SignalLayout:
        """The packing of the signals of a transition."""
        return self._worlds.layout

    @property
    def non_reward_s(self) -> float:
        """Seconds that everything but rewards has taken so far, per lane."""
        return self._timer.seconds / self.lanes

    def load(self, lane: int, reward: Reward, seed: int) -> None:
        """Begin a training run in a lane: weights, episodes and noise are drawn from `seed`."""
        self._stack.load(lane, initial_weights(*self._sizes, self.settings, seed))
        for part in (self._optimiser, self._observations, self._values):
            part.reset(lane)
        generator = torch.Generator(self._device).manual_seed(seed)
        # Ages are spread so that the lane's worlds do not reach the time limit all at once.
        limit = self._worlds.environment.episode_steps
        count = self.worlds_per_lane
        ages = torch.randint(limit, (count,), generator=generator, device=self._device)
        self._worlds.start(self._part(lane), pools.streams(pools.TRAINING, seed, count), ages)
        memory = Memory.empty(count, self.layout, self._device)
        self.loaded[lane] = Lane(reward, generator, memory)

    def stop(self, lane: int) -> None:
        """Empty a lane."""
        self.loaded.pop(lane, None)
        self._worlds.stop(self._part(lane))

    def weights(self, lane: int) -> dict[str, Tensor]:
        """The lane's policy as an SB3 state dict on raw observations and true returns."""
        mean, std = self._observations.mean_and_std()
        return fold_normalisation(
            self._stack.read(lane),
            mean[lane].cpu(),
            std[lane].cpu(),
            self._values.mean[lane].cpu(),
            self._values.std[lane].cpu(),
        )

    def state(self) -> dict[str, np.ndarray]:
        """A checkpoint between two advances: plain arrays by name, without the rewards."""
        result = super().state()
        for number, lane in self.loaded.items():
            own = {f"memory.{name}": value for name, value in lane.memory.state().items()}
            own["generator"] = lane.generator.get_state().numpy()
            own["counters"] = np.array([lane.steps, lane.warm])
            result |= {f"lane.{number}.{name}": value for name, value in own.items()}
        return result

    def resume(self, state: Mapping[str, np.ndarray], rewards: Mapping[int, Reward]) -> None:
        """Continue from a checkpoint; see `Population.resume`."""
        self.restore(state)
        self.loaded = {}
        for lane in range(self.lanes):
            own = substate(state, f"lane.{lane}.")
            if not own or lane not in rewards:
                self.stop(lane)
                continue
            generator = torch.Generator(self._device)
            generator.set_state(torch.from_numpy(own["generator"]))
            memory = Memory.empty(self.worlds_per_lane, self.layout, self._device)
            memory.restore(substate(own, "memory."))
            steps, warm = (int(value) for value in own["counters"])
            self.loaded[lane] = Lane(rewards[lane], generator, memory, steps, bool(warm))

    @torch.no_grad()
    def advance(self, steps: int, heartbeat: Callable[[int], None]) -> list[LaneReport]:
        """Train every loaded lane; see `Population.advance`."""
        reports = {lane: LaneReport(lane, 0) for lane in self.loaded}
        self._diagnostics, self.overflow = {}, None
        self._timer.start()
        done = 0
        while done < steps and self.loaded:
            self._collect_rollout()
            self.overflow = self._worlds.overflow() or self.overflow
            rewards = self._compute_rewards(reports, partial(heartbeat, done))
            if self.loaded:
                self._update(rewards)
            done += self.rollout_steps
            sound = self._stack.flat.isfinite().all(1).tolist()
            for number, lane in list(self.loaded.items()):
                lane.steps += self.rollout_steps
                if not sound[number]:
                    self._evict(reports[number], "Training diverged: the weights overflowed.")
            heartbeat(done)
        for number, lane in self.loaded.items():
            lane.summarise(reports[number], self._sums(number))
        return list(reports.values())

    def _part(self, lane: int) -> slice:
        return slice(lane * self.worlds_per_lane, (lane + 1) * self.worlds_per_lane)

    def _by_lane(self, value: Tensor) -> Tensor:
        """`[T, K·N, ...]` to `[K, T·N, ...]`."""
        value = value.view(len(value), self.lanes, self.worlds_per_lane, *value.shape[2:])
        return value.transpose(0, 1).reshape(self.lanes, -1, *value.shape[3:])

    def _by_time(self, value: Tensor) -> Tensor:
        """`[K, T·N]` to `[T, K, N]`."""
        return value.view(self.lanes, self.settings.n_steps, -1).transpose(0, 1)

    def _collect_rollout(self) -> None:
        """Step all worlds T times with actions sampled from the policies."""
        n_steps, action_size = self.settings.n_steps, self._worlds.action_size
        size = (self.lanes, n_steps, self.worlds_per_lane, action_size)
        noise = torch.zeros(size, device=self._device)
        for number, lane in self.loaded.items():
            torch.randn(noise[number].shape, generator=lane.generator, out=noise[number])
        obs_mean, obs_std = (part[:, None] for part in self._observations.mean_and_std())
        noise *= self._stack.log_std.exp()[:, None, None]
        for t in range(n_steps):
            observation = self._worlds.observation
            seen = observation.view(self.lanes, self.worlds_per_lane, -1)
            mean = self._stack.actor((seen - obs_mean) / obs_std)
            # The environment gets the clipped action; the update needs the probability of the
            # sampled one, as clipping has no density.
            sampled = (mean + noise[:, t]).reshape(self._worlds.n, -1)
            action = sampled.clamp(-1.0, 1.0)
            step = self._worlds.step(action)
            self._buffer.store(t, observation, mean.view_as(sampled), sampled, action, step)

    def _compute_rewards(self, reports: dict[int, LaneReport], beat: Callable[[], None]) -> Tensor:
        """Rewards of the rollout `[K, T·N]`; lanes whose reward or physics failed are evicted."""
        rewards = torch.zeros(self.lanes, self.rollout_steps, device=self._device)
        diverged = self._by_lane(self._buffer.diverged)
        fractions = diverged.float().mean(1).tolist()
        for lane in list(self.loaded):
            if fractions[lane] > MAX_DIVERGED:
                reason = f"The physics diverged in {fractions[lane]:.1%} of a rollout's steps."
                self._evict(reports[lane], reason)
            else:
                rewards[lane] = self._reward(lane, reports[lane])
                beat()
        return rewards.masked_fill_(diverged, 0.0)

    def _reward(self, number: int, report: LaneReport) -> Tensor | float:
        """A lane's reward on its rollout `[T·N]`; if it raises, 0, and the lane is evicted."""
        lane = self.loaded[number]
        arguments = self._buffer.transitions.worlds(self._part(number)).arguments(
            self.layout, lane.reward.parameters, lane.memory
        )
        with self._timer.paused(), self._turn:
            self._watch(number)
            try:
                values = lane.reward(arguments)
            except EurekaError as error:
                self._evict(report, error.message, getattr(error, "line", 0))
                return 0.0
            finally:
                self._watch(-1)
        lane.count_rewards(values)
        return values.total

    def _update(self, rewards: Tensor) -> None:
        """One PPO update on the rollout, of every lane that has seen a rollout before.

        Args:
            rewards: `[K, T·N]`.
        """
        settings, buffer = self.settings, self._buffer
        warm = [k in self.loaded and self.loaded[k].warm for k in range(self.lanes)]
        learning = torch.tensor(warm, device=self._device)

        # The value network predicts normalised returns; advantages are in the reward's own unit.
        raw = self._by_lane(buffer.observation)
        observation = self._observations(raw)
        values = self._values.denormalise(self._stack.values(observation))
        following = self._observations(self._by_lane(buffer.final_observation))
        next_values = self._values.denormalise(self._stack.values(following))
        terminated = self._by_lane(buffer.transitions.terminated)
        done = terminated | self._by_lane(buffer.truncated)
        advantage = ppo.gae(
            self._by_time(rewards),
            self._by_time(values),
            self._by_time(next_values),
            self._by_time(terminated),
            self._by_time(done),
            settings.gamma,
            settings.gae_lambda,
        )
        advantage = advantage.transpose(0, 1).reshape(self.lanes, -1)
        returns = advantage + values  # the lambda-return, target of the value network
        self._stack.rescale_values(*self._values.update(returns))

        log_std = self._stack.log_std[:, None, :]
        sampled, mean = self._by_lane(buffer.sampled), self._by_lane(buffer.mean)
        batch = ppo.Batch(
            observation=observation,
            action=sampled,
            mean=mean,
            log_std=log_std.clone(),
            log_prob=ppo.log_probability(sampled, mean, log_std),
            advantage=ppo.normalise_advantages(advantage),
            target=self._values.normalise(returns),
        )
        diagnostics = ppo.update(
            self._stack, self._optimiser, batch, self._permutations(), learning, settings
        )
        diagnostics |= {
            "learning_rate": self._optimiser.learning_rate.clone(),
            "explained_variance": _explained_variance(values, returns),
            "action_spread": self._stack.log_std.exp().mean(1),
            "entropy": self._stack.log_std.sum(1),
            "reward": rewards.mean(1),
            "diverged": self._by_lane(buffer.diverged).float().mean(1),
        }
        # Only now: the rollout was collected with the statistics from before it.
        self._observations.update(raw)
        for name, value in diagnostics.items():
            counted = torch.where(learning, value, 0.0)
            self._diagnostics[name] = self._diagnostics.get(name, 0.0) + counted
        for number, lane in self.loaded.items():
            if lane.warm:
                lane.updates += 1
            else:
                # The first rollout only teaches the normalisers what numbers to expect.
                lane.warm = True
                self._optimiser.reset(number)

    def _permutations(self) -> Tensor:
        """Orders of the rows `[n_epochs, K, B]`, each lane's from its own generator."""
        rows = torch.arange(self.rollout_steps, device=self._device)
        orders = rows.repeat(self.settings.n_epochs, self.lanes, 1)
        for number, lane in self.loaded.items():
            for order in orders[:, number]:
                torch.randperm(self.rollout_steps, generator=lane.generator, out=order)
        return orders

    def _sums(self, lane: int) -> dict[str, float]:
        return {name: float(value[lane]) for name, value in self._diagnostics.items()}

    def _evict(self, report: LaneReport, reason: str, line: int = 0) -> None:
        report.evicted, report.line = reason, line
        self.loaded[report.lane].summarise(report, self._sums(report.lane))
        self.stop(report.lane)


def _explained_variance(values: Tensor, returns: Tensor) -> Tensor:
    """1 - Var(returns - values) / Var(returns) per lane `[K]`."""
    variance = returns.var(1, unbiased=False)
    error = (returns - values).var(1, unbiased=False)
    return torch.where(variance > 0, 1 - error / variance, 0.0)
