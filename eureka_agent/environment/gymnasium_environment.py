"""Environments of Gymnasium as environments of this program; docs/gymnasium.md says how."""

import functools
import re
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import mujoco
import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from eureka_agent.environment.base import Environment
from eureka_agent.environment.description import TaskDescription
from eureka_agent.environment.discovery import foreign_code
from eureka_agent.environment.gymnasium_task import (
    OWN_SCORE,
    TaskFile,
    read_task,
    signals_of,
    task_of,
)
from eureka_agent.environment.gymnasium_worlds import GymnasiumWorlds
from eureka_agent.environment.stepping import AnyWorlds
from eureka_agent.environment.transitions import SignalLayout
from eureka_agent.errors import MissingError, UsageError
from eureka_agent.finding import GYMNASIUM
from eureka_agent.reward import Signal

_SUFFIX = ".toml"
_MEANING = "What the environment itself pays for the step"


def find_gymnasium(name: str) -> "GymnasiumEnvironment":
    """Load what `gymnasium:NAME` names.

    Args:
        name: an id that Gymnasium knows, with `module:` before it if a module must be imported
            first; or the path of a task file.

    Raises:
        UsageError: there is no such environment, or it is of a kind that cannot be used.
        MissingError: a package that it needs is not installed.
    """
    if not name.endswith(_SUFFIX):
        return GymnasiumEnvironment(task_of(name), f"{GYMNASIUM}{name}")
    path = Path(name).expanduser().resolve()
    return GymnasiumEnvironment(read_task(path), f"{GYMNASIUM}{path}")


class GymnasiumEnvironment(Environment):
    """A registered environment of Gymnasium with a flat Box for observations and one for actions.

    Its signals are the entries of its observation. What it pays itself is one more, which only a
    fitness may read.

    Args:
        task: what Gymnasium does not say of it.
        source: see `Environment.source`.

    Raises:
        UsageError: Gymnasium does not know it, or it is of a kind that cannot be used.
        MissingError: a package that it needs is not installed.
    """

    substeps = 1
    reads_files: ClassVar = True

    def __init__(self, task: TaskFile, source: str) -> None:
        self._file, self._source = task, source
        made = self.make()
        self._observation = _flat(task.id, "observation", made.observation_space)
        self._action = _bounded(task.id, _flat(task.id, "action", made.action_space))
        self._step_s = task.control_step or _control_step(made)
        self.episode_steps, self.training = _time_limit(task, made), task.settings()
        made.close()
        self.task = task.task or f"Solve {task.id} as its designers meant it."
        self.open_goal = not task.task
        self.robot, self.start, self.termination = task.robot, task.start, task.termination
        low, high = self._observation.low.tolist(), self._observation.high.tolist()
        self._signals = signals_of(task, low, high)
        if task.actions and len(task.actions) != self.action_size:
            raise UsageError(
                f"{len(task.actions)} actions are named of {task.id}, it has {self.action_size}.",
                "Name all in the task file, or none.",
            )

    def make(self) -> gymnasium.Env[Any, Any]:
        """One of them, without a time limit and without Gymnasium's checks.

        Raises:
            UsageError: Gymnasium does not know it, or cannot make it.
            MissingError: a package that it needs is not installed.
        """
        name = self._file.id
        try:
            with foreign_code(Path(f"Gymnasium's {name}")):
                return _made(name, self._file.arguments)
        except UsageError as error:
            if isinstance(error.__cause__, gymnasium.error.UnregisteredEnv):
                raise UsageError(
                    f"Gymnasium does not know {name!r}: {error.__cause__}",
                    "If a module registers it, name that first: gymnasium:MODULE:ID. "
                    "gymnasium.pprint_registry() lists all.",
                ) from error
            raise

    def score(self, paid: float, info: dict[str, Any]) -> float:
        """What a step is worth by the environment's own word.

        Args:
            paid: its reward.
            info: the rest of what it says.

        Raises:
            UsageError: the entry of `info` that the task file names is missing, or no number.
        """
        key = self._file.info
        if not key:
            return float(paid)
        try:
            return float(info[key])
        except (KeyError, TypeError, ValueError):
            numbers = sorted(k for k, v in info.items() if isinstance(v, int | float | np.number))
            raise UsageError(
                f"{self.name} says no number {key!r} in its info.",
                f"The entries that are numbers: {', '.join(numbers) or 'none'}.",
            ) from None

    def make_worlds(
        self,
        n: int,
        threads: int = 0,
        *,
        device: torch.device | None = None,
        backend: str | None = None,
    ) -> AnyWorlds:
        """See `Environment.make_worlds`; only signals live on the device."""
        return GymnasiumWorlds(self, n, device or torch.device("cpu"))

    def build(self) -> mujoco.MjModel:
        """Refused: there is no model that could be stepped in a batch.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            f"{self.name} is Gymnasium's: it has no MuJoCo model here.",
            "Use an environment that is a folder for this.",
        )

    @functools.cached_property
    def signals_described(self) -> tuple[Signal, ...]:
        """All that programs may read: the entries of the observation, in their order."""
        return self._signals

    @functools.cached_property
    def layout(self) -> SignalLayout:
        """Signals, then the environment's own score, which no program can ask for.

        It comes last: who tells of the columns of `signals_described` finds them as if it were not.
        """
        own = Signal(OWN_SCORE, None, "1", _MEANING, "other")
        return SignalLayout((*self.signals_described, own))

    @property
    def name(self) -> str:
        """Gymnasium's id."""
        return self._file.id

    @property
    def physics_step(self) -> float:
        """Seconds between two states; nothing is known of steps in between."""
        return self._step_s

    @property
    def action_size(self) -> int:
        """Numbers per action."""
        return len(self._action.low)

    @property
    def action_type(self) -> np.dtype:
        """What numbers Gymnasium's environment takes."""
        return np.dtype(self._action.dtype)

    @property
    def actuators(self) -> tuple[str, ...]:
        """One phrase per column of `action`."""
        return tuple(f"action {i}" for i in range(self.action_size))

    def action_range(self) -> tuple[Tensor, Tensor]:
        """What Gymnasium's environment is given for -1 and for +1, `[A]` each."""
        low, high = (bound.astype(np.float64) for bound in (self._action.low, self._action.high))
        return torch.from_numpy(low), torch.from_numpy(high)

    def describe(self) -> TaskDescription:
        """What a designer of rewards may know; the source is left out, as it holds the score."""
        bounds = zip(self.actuators, *(b.tolist() for b in self.action_range()), strict=True)
        return TaskDescription(
            environment=self.name,
            task=self.task,
            signals=self.signals_described,
            actuators=self.actuators,
            control_step=self.control_step,
            episode_steps=self.episode_steps,
            termination=self.termination,
            robot=self.robot,
            start=self.start,
            actions=self._file.actions
            or tuple(f"{name}: {low:.3g} to {high:.3g}" for name, low, high in bounds),
            physics_step=self.physics_step,
            discount=self.training.discount,
        )

    @property
    def source(self) -> str:
        """See `Environment.source`."""
        return self._source

    @property
    def fitness_path(self) -> Path:
        """A file that measures by the environment's own score."""
        return self._file.fitness_path()

    @property
    def human_reward_path(self) -> Path | None:
        """None: what its designers pay is its fitness."""
        return None


def _made(name: str, arguments: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    try:
        # Time is kept by the worlds, and Gymnasium's checks cost more than the physics.
        return gymnasium.make(name, max_episode_steps=-1, disable_env_checker=True, **arguments)
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingError(
            f"Gymnasium's {name} cannot be made: a package is missing.", _install(name, str(error))
        ) from error
    except ModuleNotFoundError as error:
        if error.name is None:  # Gymnasium's word for the module before the id
            raise UsageError(
                f"There is no module {name.partition(':')[0]!r} that could register {name!r}.",
                "Install it, or name its folder in PYTHONPATH.",
            ) from error
        said = f"Gymnasium's {name} needs the package {error.name}, which is not installed."
        raise MissingError(said, _install(name, f"pip install {error.name}")) from error


def _install(name: str, said: str) -> str:
    """The command that installs what an environment needs."""
    extras = re.search(r"gymnasium\[[\w-]+\]", said)
    spec = gymnasium.registry.get(name)
    entry = spec.entry_point if spec else None
    if not extras and isinstance(entry, str) and entry.startswith("gymnasium.envs.mujoco"):
        return 'Install it with: pip install "gymnasium[mujoco]"'
    return f'Install it with: pip install "{extras[0]}"' if extras else f"Install it: {said}"


def _flat(name: str, what: str, space: gymnasium.Space[Any]) -> Box:
    """The space if it is a Box of one dimension."""
    if isinstance(space, Box) and len(space.shape) == 1 and space.shape[0]:
        return space
    kind = f"a Box of shape {space.shape}" if isinstance(space, Box) else f"{type(space).__name__}"
    wrapped = ", or register one in gymnasium.wrappers.FlattenObservation"
    raise UsageError(
        f"The {what}s of Gymnasium's {name} are {kind}; they must be a Box of one dimension.",
        f"Choose a continuous variant of it{wrapped if what == 'observation' else ''}.",
    )


def _bounded(name: str, actions: Box) -> Box:
    if np.isfinite(actions.low).all() and np.isfinite(actions.high).all():
        return actions
    raise UsageError(
        f"The actions of Gymnasium's {name} have no bounds.",
        "Register a variant of it that gives its action_space finite ones: actions in [-1, 1] map "
        "onto them.",
    )


def _control_step(made: gymnasium.Env[Any, Any]) -> float:
    """Seconds between two actions, as far as the environment says; else 1."""
    step = getattr(made.unwrapped, "dt", None)
    if isinstance(step, int | float) and step > 0:
        return float(step)
    rate = made.metadata.get("render_fps")
    return 1.0 / rate if isinstance(rate, int | float) and rate > 0 else 1.0


def _time_limit(task: TaskFile, made: gymnasium.Env[Any, Any]) -> int:
    """Control steps that an episode lasts; it was made without the limit it is registered with."""
    registered = gymnasium.registry.get(made.spec.id) if made.spec else None
    limit = task.episode_steps or (registered.max_episode_steps if registered else None)
    if limit is None:
        raise UsageError(
            f"Gymnasium's {task.id} has no time limit.",
            "Give episode_steps in a task file, see docs/gymnasium.md; or register it with "
            "max_episode_steps.",
        )
    return limit
