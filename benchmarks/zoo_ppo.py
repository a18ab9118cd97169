"""stable-baselines3's PPO as RL Baselines3 Zoo trains it on Gymnasium's environments.

The hyper-parameters are those of `hyperparams/ppo.yml` in the repository DLR-RM/rl-baselines3-zoo
(commit 208b6fdf3a9a) for HalfCheetah-v4, Hopper-v4 and Ant-v4; what that file leaves out is
stable-baselines3's default. The zoo normalises observations and rewards, with the agent's discount.

Only the physics are ours: Gymnasium's class steps the compiled model of our environment, so that
integrator, control step, observation and reward are the same for both trainers.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium_twin import gymnasium_twin
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import Tensor, nn

from eureka_agent.common.errors import EurekaError
from eureka_agent.environment import Environment, MujocoWorlds, pools

Act = Callable[[Tensor], Tensor]
"""A deterministic policy: observations `[N, D]` to actions `[N, A]` in [-1, 1]."""

CHECKED_STEPS = 20
TOLERANCE = 1e-3
"""Largest difference of an observation that counts as the same, relative to 1 and its size."""


def _wide() -> dict[str, Any]:
    """The network that the zoo's tuned entries use."""
    return {
        "log_std_init": -2,
        "ortho_init": False,
        "activation_fn": nn.ReLU,
        "net_arch": {"pi": [256, 256], "vf": [256, 256]},
    }


ENTRIES: dict[str, dict[str, Any]] = {
    "half_cheetah": {
        "batch_size": 64,
        "n_steps": 512,
        "gamma": 0.98,
        "learning_rate": 2.0633e-05,
        "ent_coef": 0.000401762,
        "clip_range": 0.1,
        "n_epochs": 20,
        "gae_lambda": 0.92,
        "max_grad_norm": 0.8,
        "vf_coef": 0.58096,
        "policy_kwargs": _wide(),
    },
    "hopper": {
        "batch_size": 32,
        "n_steps": 512,
        "gamma": 0.999,
        "learning_rate": 9.80828e-05,
        "ent_coef": 0.00229519,
        "clip_range": 0.2,
        "n_epochs": 5,
        "gae_lambda": 0.99,
        "max_grad_norm": 0.7,
        "vf_coef": 0.835671,
        "policy_kwargs": _wide(),
    },
    "ant": {},
}
"""Arguments of `stable_baselines3.PPO` by environment."""


def train(
    environment: Environment,
    seed: int,
    steps: int,
    points: list[int],
    look: Callable[[int, Act], None],
) -> None:
    """Train one policy.

    Args:
        environment: one that has an entry.
        seed: of the training.
        steps: environment steps; stable-baselines3 rounds up to whole rollouts.
        points: steps at which to look, rounded up in the same way.
        look: called with the steps done and the policy as it is then.

    Raises:
        EurekaError: Gymnasium's environment is not the same as ours.
    """
    check_agreement(environment)
    arguments = ENTRIES[environment.name]
    worlds = VecNormalize(
        DummyVecEnv([lambda: gymnasium_twin(environment)]), gamma=arguments.get("gamma", 0.99)
    )
    model = PPO("MlpPolicy", worlds, seed=seed, device="cpu", **arguments)
    model.learn(steps, callback=_Looks(points, look))
    worlds.close()


def check_agreement(environment: Environment) -> None:
    """Step both from the same state with the same actions.

    Raises:
        EurekaError: what they observe, or when they end, is not the same.
    """
    worlds, twin = MujocoWorlds(environment, 1), gymnasium_twin(environment)
    inner: Any = twin.unwrapped
    streams = pools.streams(pools.TRAINING, 0, 1)
    worlds.start(slice(0, 1), streams, torch.zeros(1, dtype=torch.int64))
    inner.reset()
    inner.set_state(*(worlds.simulator.view(part)[0].numpy() for part in ("qpos", "qvel")))
    noise = np.random.default_rng(0)
    for step in range(CHECKED_STEPS):
        action = noise.uniform(-1, 1, worlds.action_size).astype(np.float32)
        ours = worlds.step(torch.from_numpy(action)[None])
        theirs, _, terminated, _, _ = inner.step(action)
        seen = ours.final_observation[0].numpy()
        same = seen.shape == theirs.shape and np.allclose(seen, theirs, TOLERANCE, TOLERANCE)
        if not same or bool(ours.terminated[0]) != terminated:
            raise EurekaError(
                f"Gymnasium's twin of {environment.name} differs from it at step {step + 1} from "
                "the same state with the same actions.",
                "Make them the same: a comparison of trainers needs one task.",
            )
        if terminated:
            return


class _Looks(BaseCallback):
    """Calls `look` at the first rollout's start after each point, and at the end."""

    def __init__(self, points: list[int], look: Callable[[int, Act], None]) -> None:
        super().__init__()
        self._points, self._look = list(points), look

    def _on_rollout_start(self) -> None:
        if self._points and self.num_timesteps >= self._points[0]:
            self._points = [point for point in self._points if point > self.num_timesteps]
            self._look(self.num_timesteps, self._act)

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        self._look(self.num_timesteps, self._act)

    def _act(self, observation: Tensor) -> Tensor:
        """The policy as stable-baselines3 would deploy it, its clipped normalisation included."""
        worlds = self.model.get_vec_normalize_env()
        assert worlds is not None
        normalised = worlds.normalize_obs(observation.numpy())
        assert isinstance(normalised, np.ndarray)
        action, _ = self.model.predict(normalised, deterministic=True)
        return torch.as_tensor(action)
