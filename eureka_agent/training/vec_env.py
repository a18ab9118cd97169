"""An environment with a reward as a stable-baselines3 `VecEnv`: its algorithms run on it as is."""

import operator
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn

from eureka_agent.environment import AnyWorlds, Environment, Memory, Step, make_worlds, mix, pools
from eureka_agent.environment.stepping import SimulatedEnv, read_actions
from eureka_agent.errors import UsageError
from eureka_agent.reward import Evaluation
from eureka_agent.training.lane import Reward
from eureka_agent.training.metered import Elsewhere

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
        worlds: AnyWorlds | None = None,
    ) -> None:
        self.environment, self.reward = environment, reward
        self._worlds = worlds or make_worlds(environment, n, threads)
        self._memory = Memory.empty(n, self._worlds.layout)
        self._seed, self._resets = seed, 0
        self._actions = torch.zeros(n, self._worlds.action_size)
        self.evaluation: Evaluation | None = None
        self.diverged = torch.zeros(n, dtype=torch.bool)
        self.elsewhere = Elsewhere()
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
