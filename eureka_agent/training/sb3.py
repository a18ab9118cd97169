"""stable-baselines3's own PPO behind the interface of a population: the check on our trainer."""

import operator
from collections.abc import Callable
from dataclasses import dataclass, field
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
    Step,
    Worlds,
    make_worlds,
    mix,
    pools,
    read_actions,
)
from eureka_agent.reward import RewardValues
from eureka_agent.simulation import CPU
from eureka_agent.training.lane import Lane, LaneReport, NonRewardTimer, Reward
from eureka_agent.training.lane_group import DIVERGENCE_LIMIT
from eureka_agent.training.networks import MODULES, folded

_SEEDS = 1 << 63


class RewardedVecEnv(SimulatedEnv, VecEnv):
    """`n` worlds of an environment that pay what a reward says.

    Episodes, memory and divergence are those of a population: with the same seed and actions it
    goes through the same states. Rewards are evaluated at every step instead of once per rollout,
    which is slower. A world whose physics failed pays 0 and ends.

    An info is empty but where an episode ends: there it has `terminal_observation`,
    `TimeLimit.truncated`, and `diverged` if the physics failed.

    Args:
        environment: the task.
        reward: what each step pays.
        n: worlds.
        threads: physics threads, 0 for one per core.
        seed: of the episodes, until `seed` is called.
        worlds: to step, `n` of the environment that nobody else steps; made when None.

    Attributes:
        evaluation: what the reward said of the last step, `n` rows; None before the first.
        diverged: which worlds failed at the last step `[n]` bool.
        elsewhere: runs but while the reward does.
    """

    def __init__(
        self,
        environment: Environment,
        reward: Reward,
        n: int,
        threads: int = 0,
        seed: int = 0,
        worlds: Worlds | None = None,
    ) -> None:
        self.environment, self.reward = environment, reward
        self._worlds = worlds or make_worlds(environment, n, threads)
        self._memory = Memory.empty(n, self._worlds.layout)
        self._seed, self._resets = seed, 0
        self._actions = torch.zeros(n, self._worlds.action_size)
        self.evaluation: RewardValues | None = None
        self.diverged = torch.zeros(n, dtype=torch.bool)
        self.elsewhere = NonRewardTimer()
        size = self._worlds.observation.shape[1]
        super().__init__(
            n,
            gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32),
            gymnasium.spaces.Box(-1.0, 1.0, (self._worlds.action_size,), np.float32),
        )

    def reset(self) -> np.ndarray:
        """Begin new episodes everywhere; returns observations `[n, D]`.

        After `seed(s)` they are the first ones of `s`; otherwise they go on from the last reset.
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
        """Take the actions `[n, A]` of the next step; they are cut to [-1, 1].

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
        rewards = self._pay(step)
        ended = step.terminated | step.truncated
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        for world in ended.nonzero()[:, 0].tolist():
            infos[world] = {
                "terminal_observation": step.final_observation[world].numpy().copy(),
                "TimeLimit.truncated": bool(step.truncated[world]),
            }
            if step.diverged[world]:
                infos[world]["diverged"] = True
        return self._observation(), rewards, ended.numpy().copy(), infos

    def close(self) -> None:
        """Nothing is held that must be given back."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the environment, which all worlds share, once per world."""
        value = None if attr_name == "render_mode" else getattr(self.environment, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refused: worlds of one simulator have no attributes of their own.

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

    def _pay(self, step: Step) -> np.ndarray:
        """Rewards of a step `[n]`, which is a rollout of length one."""
        rollout = step.rollout(self._actions)
        layout, names = self._worlds.layout, self.reward.parameters
        arguments = rollout.arguments(layout, names, self._memory)
        with self.elsewhere.paused():
            self.evaluation = self.reward(arguments)
        self.diverged = step.diverged
        return torch.where(step.diverged, 0.0, self.evaluation.total).numpy()


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

    It uses the environment's training settings as far as stable-baselines3's PPO has them. What
    differs: the learning rate stays as it is at the start; observations and rewards are normalised
    by `VecNormalize`, which cuts both at 10 spreads; all episodes begin at the same time. The
    exported policy has that normalisation folded in, without the cut: the two differ only where an
    observation is more than 10 spreads off. One seed gives one result, through the global
    generators of torch and NumPy, so nothing else may draw from them meanwhile.

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
    """As of a population: buffers of a fixed size are only on a GPU."""

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
        self.rollout_steps = environment.training.horizon * worlds
        self._environment, self._count = environment, worlds
        # Once: a worker that trains cannot read the files that some worlds are made of.
        self._worlds = make_worlds(environment, worlds, threads)
        self._watch = watch
        self._elsewhere = NonRewardTimer()
        self._training: _Training | None = None

    def load(self, lane: int, reward: Reward, seed: int) -> None:
        """Begin a training."""
        worlds = RewardedVecEnv(self._environment, reward, self._count, worlds=self._worlds)
        worlds.elsewhere = self._elsewhere
        normalised = VecNormalize(worlds, gamma=self._environment.training.discount)
        memory = Memory.empty(self._count, self.layout)
        self._training = _Training(
            Lane(reward, torch.Generator(), memory),
            worlds,
            normalised,
            _algorithm(self._environment, normalised, seed),
        )

    def stop(self, lane: int) -> None:
        """Forget the training."""
        self._training = None

    def non_reward_s(self, lane: int) -> float:
        """Seconds that all but the reward have taken in the advances so far."""
        return self._elsewhere.seconds

    def weights(self, lane: int) -> dict[str, Tensor]:
        """The policy as a state dict on raw observations and true returns."""
        assert self._training is not None
        return self._training.weights()

    def advance(
        self, steps: int, heartbeat: Callable[[int], None] = lambda done: None
    ) -> list[LaneReport]:
        """Train for at least `steps` environment steps, in whole rollouts; as `Population` does."""
        training, report = self._training, LaneReport(0, 0)
        if training is None:
            return []
        self._watch(0)
        self._elsewhere.start()
        try:
            for done in range(0, steps, self.rollout_steps):
                training.roll(self.rollout_steps)
                heartbeat(done + self.rollout_steps)
        except EurekaError as error:
            report.evicted, report.line = error.message, getattr(error, "line", 0)
            self._training = None
        finally:
            self._watch(-1)
        training.lane.summarise(report, training.sums)
        training.sums = {}
        return [report]


@dataclass
class _Training:
    """A training under way.

    Attributes:
        lane: counts what its reward pays.
        worlds: its own.
        normalised: the same as the algorithm sees them.
        algorithm: stable-baselines3's.
        sums: of the diagnostics over the rollouts of the running advance.
    """

    lane: Lane
    worlds: RewardedVecEnv
    normalised: VecNormalize
    algorithm: PPO
    sums: dict[str, float] = field(default_factory=dict)

    def roll(self, steps: int) -> None:
        """One rollout and one update.

        Raises:
            EurekaError: the reward failed, the physics failed too often, or the weights overflowed.
        """
        watch = _Watch(self)
        self.algorithm.learn(steps, watch, log_interval=NEVER, reset_num_timesteps=False)
        diverged = watch.diverged / steps
        if diverged > DIVERGENCE_LIMIT:
            raise EurekaError(f"The physics diverged in {diverged:.1%} of a rollout's steps.")
        state = self.algorithm.policy.state_dict()
        if not all(bool(value.isfinite().all()) for value in state.values()):
            raise EurekaError("Training diverged: the weights overflowed.")
        logged = self.algorithm.logger.name_to_value
        measured = {ours: float(logged[theirs]) for theirs, ours in DIAGNOSTICS.items()}
        measured |= {
            "entropy": float(state["log_std"].sum()),
            "reward": watch.paid / steps,
            "diverged": diverged,
        }
        for name, value in measured.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.lane.updates += 1
        self.lane.steps = self.algorithm.num_timesteps

    def weights(self) -> dict[str, Tensor]:
        """See `StockTrainer.weights`."""
        seen, paid = self.normalised.obs_rms, self.normalised.ret_rms
        epsilon = self.normalised.epsilon
        assert not isinstance(seen, dict)
        return folded(
            {name: value.clone() for name, value in self.algorithm.policy.state_dict().items()},
            torch.as_tensor(seen.mean),
            torch.as_tensor(seen.var + epsilon).sqrt(),
            torch.zeros(()),
            torch.as_tensor(paid.var + epsilon).sqrt().float(),
        )


class _Watch(BaseCallback):
    """Counts what the reward pays, and failed physics, over a rollout."""

    def __init__(self, training: _Training) -> None:
        super().__init__()
        self._training = training
        self.diverged = 0
        self.paid = 0.0

    def _on_step(self) -> bool:
        worlds = self._training.worlds
        assert worlds.evaluation is not None
        self._training.lane.count_rewards(worlds.evaluation)
        self.diverged += int(worlds.diverged.sum())
        self.paid += float(worlds.evaluation.total.sum())
        return True


def _algorithm(environment: Environment, worlds: VecNormalize, seed: int) -> PPO:
    """PPO with the environment's settings, on one thread of torch and without a log."""
    settings = environment.training
    rollout = settings.horizon * worlds.num_envs
    algorithm = PPO(
        "MlpPolicy",
        worlds,
        learning_rate=settings.learning_rate,
        n_steps=settings.horizon,
        batch_size=max(-(-rollout // settings.minibatches), 2),
        n_epochs=settings.epochs,
        gamma=settings.discount,
        gae_lambda=settings.gae_lambda,
        clip_range=settings.clip,
        ent_coef=settings.entropy,
        vf_coef=settings.value_weight,
        max_grad_norm=settings.gradient_norm,
        policy_kwargs={
            "net_arch": list(settings.hidden),
            "activation_fn": MODULES[settings.activation],
            "log_std_init": settings.initial_log_std,
        },
        seed=seed,
        device="cpu",
    )
    # Its own logger would make a folder outside of this process's.
    algorithm.set_logger(Logger(folder=None, output_formats=[]))
    return algorithm
