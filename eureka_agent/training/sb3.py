"""stable-baselines3 on our environments: a `VecEnv`, and its PPO as a check on our own trainer."""

import operator
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn
from torch import Tensor

from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.environment import (
    Environment,
    Memory,
    SimulatedEnv,
    Worlds,
    make_worlds,
    mix,
    pools,
    read_actions,
)
from eureka_agent.reward import RewardValues
from eureka_agent.simulation import CPU
from eureka_agent.training.lane import Lane, LaneReport, NonRewardTimer, Reward
from eureka_agent.training.lane_group import MAX_DIVERGED
from eureka_agent.training.networks import fold_normalisation, policy_arguments, spaces

_SEEDS = 1 << 63


class RewardedVecEnv(SimulatedEnv, VecEnv):
    """Worlds of an environment with a reward.

    Episodes, memory and divergence are those of a population: with the same seed and actions it
    goes through the same states. Rewards are evaluated at every step instead of once per rollout,
    which is slower. A world whose physics failed gets reward 0 and ends.

    An info is empty except where an episode ends: there it has `terminal_observation`,
    `TimeLimit.truncated`, and `diverged` if the physics failed.

    Args:
        environment: the task.
        reward: computed at every step.
        worlds: of the environment; nothing else steps them.

    Attributes:
        values: the reward and its components at the last step, `n` rows; None before the first.
        diverged: the worlds that failed at the last step `[n]` bool.
        timer: measures everything but the reward.
    """

    def __init__(
        self,
        environment: Environment,
        reward: Reward,
        worlds: Worlds,
    ) -> None:
        self.environment, self.reward = environment, reward
        self._worlds, n = worlds, worlds.n
        self._memory = Memory.empty(n, self._worlds.layout)
        self._seed, self._resets = 0, 0
        self._actions = torch.zeros(n, self._worlds.action_size)
        self.values: RewardValues | None = None
        self.diverged = torch.zeros(n, dtype=torch.bool)
        self.timer = NonRewardTimer()
        super().__init__(n, *spaces(self._worlds.observation.shape[1], self._worlds.action_size))

    def reset(self) -> np.ndarray:
        """Begin new episodes everywhere; returns observations `[n, D]`.

        After `seed(s)` they are the first ones of `s`; otherwise they continue from the last reset.
        """
        if self._seeds[0] is not None:
            self._seed, self._resets = operator.index(self._seeds[0]) % _SEEDS, 0
        self._reset_seeds()
        streams = pools.streams(pools.TRAINING, self._seed, self.num_envs)
        if self._resets:
            streams = mix(streams, self._resets)
        self._resets += 1
        ages = torch.zeros(self.num_envs, dtype=torch.int64)
        self._worlds.start(slice(0, self.num_envs), streams, ages)
        return self._observation()

    def step_async(self, actions: np.ndarray) -> None:
        """Take the actions `[n, A]` of the next step; they are clipped to [-1, 1].

        Raises:
            ActionError: they have another shape, or are not finite.
        """
        self._actions = read_actions(actions, self.num_envs, self._worlds.action_size)

    @torch.no_grad()
    def step_wait(self) -> VecEnvStepReturn:
        """Step all worlds; those whose episode ends return the next one's first observation.

        Raises:
            EurekaError: the reward failed.
        """
        step = self._worlds.step(self._actions)
        arguments = step.rollout(self._actions).arguments(
            self._worlds.layout, self.reward.parameters, self._memory
        )
        with self.timer.paused():
            self.values = self.reward(arguments)
        self.diverged = step.diverged
        rewards = torch.where(step.diverged, 0.0, self.values.total).numpy()
        done = step.terminated | step.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for world in done.nonzero()[:, 0].tolist():
            infos[world] = {
                "terminal_observation": step.final_observation[world].numpy().copy(),
                "TimeLimit.truncated": bool(step.truncated[world]),
            }
            if step.diverged[world]:
                infos[world]["diverged"] = True
        return self._observation(), rewards, done.numpy().copy(), infos

    def close(self) -> None:
        """Do nothing: there is nothing to release."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the environment, which all worlds share, once per world."""
        value = None if attr_name == "render_mode" else getattr(self.environment, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: worlds of one simulator have no attributes of their own.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"{attr_name!r} cannot be set in single worlds of {self.environment.name!r}.",
            "They share one environment: change that before its worlds are made.",
        )

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Call a method of the environment, once per world."""
        method = getattr(self.environment, method_name)
        return [method(*method_args, **method_kwargs) for _ in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper], indices: VecEnvIndices = None
    ) -> list[bool]:
        """No world is wrapped on its own."""
        return [False for _ in self._get_indices(indices)]

    def _observation(self) -> np.ndarray:
        return self._worlds.observation.numpy().copy()


DIAGNOSTICS = {
    "train/approx_kl": "kl",
    "train/clip_fraction": "clip_share",
    "train/value_loss": "value_loss",
    "train/explained_variance": "explained_variance",
    "train/learning_rate": "learning_rate",
    "train/std": "action_spread",
}
"""What stable-baselines3 logs, and what we call it."""
NEVER = 1 << 30
"""Rollouts after which stable-baselines3 writes its log away, and forgets it."""


class Sb3Trainer:
    """Trains one policy with unmodified stable-baselines3; see `Population` for the interface.

    It uses the environment's training settings where stable-baselines3's PPO has them. What
    differs: the learning rate stays as it is at the start; observations and rewards are normalised
    by `VecNormalize`, which clips both at 10 standard deviations; all episodes begin at the same
    time. The exported policy has that normalisation folded in, without the clipping: so the two
    differ only for observations more than 10 standard deviations off. One seed gives one result,
    through the global generators of torch and NumPy, so nothing else may draw from them meanwhile.

    Args:
        environment: the task.
        lanes: must be 1.
        worlds: N.
        threads: physics threads, 0 for one per core.
        device: must be the CPU.
        watch: called with 0 before it trains, and with -1 after.

    Raises:
        UsageError: more than one lane, or another device, is asked for.
    """

    overflow: str | None = None
    """As in `Population`: only on a GPU do buffers have a fixed size."""

    def __init__(
        self,
        environment: Environment,
        lanes: int,
        worlds: int,
        *,
        threads: int = 0,
        device: torch.device = CPU,
        watch: Callable[[int], None] = lambda lane: None,
    ) -> None:
        if lanes != 1:
            raise UsageError(
                f"stable-baselines3 trains one policy at a time, not {lanes}.",
                "Give it one lane, or choose the trainer 'population'.",
            )
        if device.type != "cpu":
            raise UsageError(
                f"The trainer sb3 runs on the CPU, not on {device}.",
                "Give --device cpu, or choose the trainer 'population'.",
            )
        self.layout = environment.layout
        self.rollout_steps = environment.training.n_steps * worlds
        self._environment, self._count = environment, worlds
        # Made once: a locked worker cannot read the files that some worlds are made of.
        self._worlds = make_worlds(environment, worlds, threads)
        self._watch = watch
        self._timer = NonRewardTimer()
        self._lane: Lane | None = None

    def load(self, lane: int, reward: Reward, seed: int) -> None:
        """Begin a training run."""
        self._vec_env = RewardedVecEnv(self._environment, reward, self._worlds)
        self._vec_env.timer = self._timer
        gamma = self._environment.training.gamma
        self._normalised = VecNormalize(self._vec_env, gamma=gamma)
        self._algorithm = _algorithm(self._environment, self._normalised, seed)
        self._lane = Lane(reward, torch.Generator(), Memory.empty(self._count, self.layout))

    def stop(self, lane: int) -> None:
        """Forget the training run."""
        self._lane = None

    def non_reward_s(self, lane: int) -> float:
        """Seconds that everything but the reward has taken so far."""
        return self._timer.seconds

    def weights(self, lane: int) -> dict[str, Tensor]:
        """The policy as a state dict on raw observations and true returns."""
        observations, returns = self._normalised.obs_rms, self._normalised.ret_rms
        epsilon = self._normalised.epsilon
        assert not isinstance(observations, dict)
        return fold_normalisation(
            self._algorithm.policy.state_dict(),
            torch.as_tensor(observations.mean),
            torch.as_tensor(observations.var + epsilon).sqrt(),
            torch.zeros(()),
            torch.as_tensor(returns.var + epsilon).sqrt().float(),
        )

    def advance(
        self, steps: int, heartbeat: Callable[[int], None] = lambda done: None
    ) -> list[LaneReport]:
        """Train for at least `steps` environment steps, in whole rollouts; as `Population` does."""
        lane, report = self._lane, LaneReport(0, 0)
        if lane is None:
            return []
        sums: dict[str, float] = defaultdict(float)
        self._watch(0)
        self._timer.start()
        try:
            for done in range(0, steps, self.rollout_steps):
                for name, value in self._train_rollout(lane).items():
                    sums[name] += value
                heartbeat(done + self.rollout_steps)
        except EurekaError as error:
            report.evicted, report.line = error.message, getattr(error, "line", 0)
            self._lane = None
        finally:
            self._watch(-1)
        lane.summarise(report, sums)
        return [report]

    def _train_rollout(self, lane: Lane) -> dict[str, float]:
        """Run one rollout and one update; returns its diagnostics.

        Raises:
            EurekaError: the reward failed, the physics failed too often, or the weights overflowed.
        """
        steps, counter = self.rollout_steps, _RewardCounter(lane, self._vec_env)
        self._algorithm.learn(steps, counter, log_interval=NEVER, reset_num_timesteps=False)
        diverged = counter.diverged / steps
        if diverged > MAX_DIVERGED:
            raise EurekaError(f"The physics diverged in {diverged:.1%} of a rollout's steps.")
        weights = self._algorithm.policy.state_dict()
        if not all(bool(value.isfinite().all()) for value in weights.values()):
            raise EurekaError("Training diverged: the weights overflowed.")
        lane.updates += 1
        lane.steps = self._algorithm.num_timesteps
        logged = self._algorithm.logger.name_to_value
        return {ours: float(logged[theirs]) for theirs, ours in DIAGNOSTICS.items()} | {
            "entropy": float(weights["log_std"].sum()),
            "reward": counter.total / steps,
            "diverged": diverged,
        }


class _RewardCounter(BaseCallback):
    def __init__(self, lane: Lane, worlds: RewardedVecEnv) -> None:
        super().__init__()
        self._lane, self._worlds = lane, worlds
        self.diverged = 0
        self.total = 0.0

    def _on_step(self) -> bool:
        values = self._worlds.values
        assert values is not None
        self._lane.count_rewards(values)
        self.diverged += int(self._worlds.diverged.sum())
        self.total += float(values.total.sum())
        return True


def _algorithm(environment: Environment, worlds: VecNormalize, seed: int) -> PPO:
    settings = environment.training
    rollout = settings.n_steps * worlds.num_envs
    algorithm = PPO(
        "MlpPolicy",
        worlds,
        learning_rate=settings.learning_rate,
        n_steps=settings.n_steps,
        batch_size=max(-(-rollout // settings.minibatches), 2),
        n_epochs=settings.n_epochs,
        gamma=settings.gamma,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip_range,
        ent_coef=settings.ent_coef,
        vf_coef=settings.vf_coef,
        max_grad_norm=settings.max_grad_norm,
        policy_kwargs=policy_arguments(settings),
        seed=seed,
        device="cpu",
    )
    # Its own logger would make a folder outside this process's scratch folder.
    algorithm.set_logger(Logger(folder=None, output_formats=[]))
    return algorithm
