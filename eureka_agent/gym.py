"""Every environment as a Gymnasium environment, single or vector, with a reward program.

So any RL library can train on the result of a search. Importing this module registers all
environments: `gymnasium.make("eureka_agent/half_cheetah-v0", reward="best/reward.py")`.

The reward program runs in the process that made the environment. Its text is checked as always, but
no sandbox contains it: use programs that you have read.
"""

import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.spaces import Box
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import (
    Environment,
    Fitness,
    Memory,
    MujocoWorlds,
    SimulatedEnv,
    Step,
    find_environment,
    list_environments,
    load_fitness,
    make_worlds,
    read_actions,
)
from eureka_agent.reward import RewardFunction, parse
from eureka_agent.simulation.rendering import Renderer

NAMESPACE = "eureka_agent"
_KEYS = 1 << 63
StepReward = RewardFunction | Fitness


class RewardEnv(SimulatedEnv, gymnasium.Env[np.ndarray, np.ndarray]):
    """One world of an environment; make it with `make`.

    Observations are the environment's own, float32 `[D]`; actions `[A]` are clipped to [-1, 1], and
    refused if they are not finite. A world whose physics failed ends its episode with reward 0 and
    `diverged` in its info. The picture after an episode's last step shows the next one's first
    state. `copy.deepcopy` copies it, state and all.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012 as in the base class

    def __init__(
        self, environment: Environment, reward: StepReward, render_mode: str | None
    ) -> None:
        _check_render_mode(render_mode, environment)
        self.environment, self.render_mode = environment, render_mode
        self.metadata = {**self.metadata, "render_fps": round(1.0 / environment.control_step)}
        self._worlds = _RewardWorlds(environment, reward, 1, threads=1)
        self.observation_space, self.action_space = self._worlds.spaces()
        self._renderer: Renderer | None = None
        self._running = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; returns the observation `[D]` and an empty info.

        Args:
            seed: of this and all later episodes; without it the sequence of episodes continues.
            options: ignored.
        """
        super().reset(seed=seed)
        self._running = True
        return self._worlds.begin([self.np_random])[0], {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Apply an action `[A]`; returns observation, reward, terminated, truncated and info.

        Raises:
            ResetNeeded: no episode has begun, or the last one is over.
            ActionError: the action has another shape, or is not finite.
            EurekaError: the reward failed.
        """
        _require_episode(self._running)
        step, rewards = self._worlds.step([action])
        self._running = not (step.terminated[0] or step.truncated[0])
        info = {"diverged": True} if step.diverged[0] else {}
        observation = step.final_observation[0].numpy().copy()
        terminated, truncated = bool(step.terminated[0]), bool(step.truncated[0])
        return observation, float(rewards[0]), terminated, truncated, info

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """A picture of the present state `[height, width, 3]` uint8; None without a render mode.

        Raises:
            MissingError: nothing on this machine can draw.
        """
        if self.render_mode is None:
            return None
        if self._renderer is None:
            self._renderer = Renderer(self.environment.model)
        return self._worlds.picture(self._renderer)

    def close(self) -> None:
        """Free the memory of the graphics."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None


class RewardVectorEnv(SimulatedEnv, VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`n` worlds of an environment in one simulator; make it with `make_vec`.

    World `i` of a reset with seed `s` goes through the states of a `RewardEnv` with seed `s + i`.
    The step after the end of an episode begins the next: it ignores the action, and its reward is
    0.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 as in the base class
        "render_modes": [],
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(self, environment: Environment, reward: StepReward, n: int, threads: int) -> None:
        self.environment, self.num_envs = environment, n
        self._worlds = _RewardWorlds(environment, reward, n, threads)
        self.single_observation_space, self.single_action_space = self._worlds.spaces()
        self.observation_space = batch_space(self.single_observation_space, n)
        self.action_space = batch_space(self.single_action_space, n)
        self._generators: list[np.random.Generator] = []
        self._over = np.zeros(n, dtype=np.bool_)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin episodes everywhere; returns observations `[n, D]` and an empty info.

        Args:
            seed: of the first world, counted up for the others; or one per world. Without it the
                sequences of episodes continue.
            options: ignored.
        """
        first = not self._generators
        if seed is not None or first:
            each = _seeds(seed, self.num_envs)
            self._generators = [
                self._generators[i] if s is None and not first else seeding.np_random(s)[0]
                for i, s in enumerate(each)
            ]
        self._over = np.zeros(self.num_envs, dtype=np.bool_)
        return self._worlds.begin(self._generators), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Apply actions `[n, A]`; returns observations, rewards, terminated, truncated and info.

        Raises:
            ResetNeeded: no episode has begun.
            ActionError: the actions have another shape, or are not finite.
            EurekaError: the reward failed.
        """
        _require_episode(bool(self._generators))
        step, rewards = self._worlds.step(actions)
        begins, seen = self._over, step.final_observation.numpy().copy()
        terminated, truncated, diverged = (
            flags.numpy() & ~begins for flags in (step.terminated, step.truncated, step.diverged)
        )
        if begins.any():
            seen[begins] = self._worlds.begin(self._generators, begins)[begins]
        self._over = terminated | truncated
        info = {"diverged": diverged, "_diverged": diverged.copy()} if diverged.any() else {}
        return seen, np.where(begins, 0.0, rewards), terminated, truncated, info


def make(
    name: str, *, reward: str | Path | None = None, render_mode: str | None = None
) -> RewardEnv:
    """Make an environment.

    Args:
        name: as on the command line: its name, its folder, or `gymnasium:ID`.
        reward: file of a reward program; without one the reward of each step is its fitness.
        render_mode: `rgb_array` to draw.

    Raises:
        UsageError: there is no such environment, file or render mode.
        RewardRejected: the program is not sound.
    """
    environment = find_environment(name)
    return RewardEnv(environment, _reward(environment, reward), render_mode)


def make_vec(
    name: str, num_envs: int = 1, *, reward: str | Path | None = None, threads: int = 0
) -> RewardVectorEnv:
    """Make many worlds of an environment that are stepped together.

    Args:
        name: see `make`.
        num_envs: how many.
        reward: see `make`.
        threads: of the physics, 0 for one per core.

    Raises:
        UsageError: there is no such environment or file.
        RewardRejected: the program is not sound.
    """
    if not isinstance(num_envs, int) or num_envs < 1:
        raise UsageError(f"There cannot be {num_envs} worlds.", "Give a whole number above 0.")
    environment = find_environment(name)
    return RewardVectorEnv(environment, _reward(environment, reward), num_envs, threads)


def register() -> None:
    """Register all environments with Gymnasium, as importing this module does."""
    for name in list_environments():
        known = f"{NAMESPACE}/{name}-v0"
        if known not in gymnasium.registry:
            gymnasium.register(
                known,
                entry_point=f"{__name__}:make",
                vector_entry_point=f"{__name__}:make_vec",
                kwargs={"name": name},
            )


class _RewardWorlds:
    """Worlds and the reward of their steps."""

    def __init__(self, environment: Environment, reward: StepReward, n: int, threads: int) -> None:
        self._worlds, self._reward, self._n = make_worlds(environment, n, threads), reward, n
        self._memory = Memory.empty(n, self._worlds.layout)

    def spaces(self) -> tuple[Box, Box]:
        """The spaces of an observation and of an action."""
        seen, done = self._worlds.observation.shape[1], self._worlds.action_size
        return Box(-np.inf, np.inf, (seen,), np.float32), Box(-1.0, 1.0, (done,), np.float32)

    def begin(
        self, generators: Sequence[np.random.Generator], chosen: np.ndarray | None = None
    ) -> np.ndarray:
        """Begin episodes, each drawn from the generator of its world.

        Args:
            generators: of all worlds.
            chosen: which worlds begin one `[n]` bool; all when None.

        Returns:
            Observations of all worlds `[n, D]`.
        """
        rows = np.arange(self._n) if chosen is None else chosen.nonzero()[0]
        for run in np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1):  # without gaps
            streams = np.array([generators[i].integers(_KEYS) for i in run], dtype=np.int64)
            ages = torch.zeros(len(run), dtype=torch.int64)
            self._worlds.start(slice(run[0], run[-1] + 1), streams, ages)
        return self._worlds.observation.numpy().copy()

    @torch.no_grad()
    def step(self, actions: object) -> tuple[Step, np.ndarray]:
        """Apply actions `[n, A]`; returns the step and its rewards `[n]` float64."""
        action = read_actions(actions, self._n, self._worlds.action_size)
        step = self._worlds.step(action)
        parameters, layout = self._reward.parameters, self._worlds.layout
        total: Tensor = self._reward(
            step.rollout(action).arguments(layout, parameters, self._memory)
        ).total
        return step, torch.where(step.diverged, 0.0, total).double().numpy()

    def picture(self, renderer: Renderer) -> np.ndarray:
        """A picture of the first world."""
        assert isinstance(self._worlds, MujocoWorlds)
        simulator = self._worlds.simulator
        return renderer.frame(
            simulator.view("qpos")[0].numpy(),
            mocap_pos=simulator.view("mocap_pos")[0].numpy(),
            mocap_quat=simulator.view("mocap_quat")[0].numpy(),
        )


def _reward(environment: Environment, path: str | Path | None) -> StepReward:
    """The reward program in a file, or the fitness."""
    if path is None:
        return load_fitness(environment.fitness_path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The reward {path} cannot be read: {error}.", "Give the path of a reward program."
        ) from error
    return parse(text, environment.signals_described).compile()


def _seeds(seed: int | Sequence[int | None] | None, n: int) -> list[int | None]:
    """A seed per world; None for a random one."""
    if seed is None:
        return [None] * n
    try:
        if not isinstance(seed, Sequence | np.ndarray):
            first = operator.index(seed)
            return list(range(first, first + n))
        each = [s if s is None else operator.index(s) for s in seed]
    except TypeError:
        said = f"The seed {seed!r} is not a whole number."
        raise UsageError(said, "Give one, or one per world.") from None
    if len(each) != n:
        raise UsageError(f"{len(each)} seeds are given for {n} worlds.", "Give one, or all.")
    return each


def _require_episode(running: bool) -> None:
    if not running:
        raise gymnasium.error.ResetNeeded(
            "No episode has begun: call reset() before the first step and after an episode's end."
        )


def _check_render_mode(mode: str | None, environment: Environment) -> None:
    if mode not in (None, "rgb_array"):
        raise UsageError(f"There is no render mode {mode!r}.", "Use rgb_array, or none.")
    if mode is not None:
        environment.model  # noqa: B018 an environment without a model is refused here already


register()
