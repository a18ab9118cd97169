"""Gymnasium environments as environments of this program; docs/gymnasium.md says how."""

import functools
import importlib.util
import re
import sys
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import gymnasium
import mujoco
import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from eureka_agent.common.environments import GYMNASIUM
from eureka_agent.common.errors import EurekaError, MissingError, UsageError
from eureka_agent.environment.base import Environment
from eureka_agent.environment.episodes import SignalLayout
from eureka_agent.environment.gymnasium_interface import (
    Interface,
    foreign_environment,
    one_number,
)
from eureka_agent.environment.gymnasium_task import (
    OWN_SCORE,
    TaskFile,
    read_task,
    signals_of,
    task_of,
)
from eureka_agent.environment.random import mix
from eureka_agent.environment.worlds import Step, Worlds
from eureka_agent.reward import Signal

_SCORE = Signal(OWN_SCORE, None, "1", "What the environment itself pays for the step", "other")
_SEEDS = 0x7FFFFFFF
"""Largest seed of an episode: some environments take 32 bits only."""


def find_gymnasium(name: str) -> "GymnasiumEnvironment":
    """Load what `gymnasium:NAME` names.

    Args:
        name: an id that Gymnasium knows, with `module:` before it if a module must be imported
            first; or the path of a task file.

    Raises:
        UsageError: there is no such environment, or it is of a kind that cannot be used.
        MissingError: a package that it needs is not installed.
    """
    if not name.endswith(".toml"):
        return GymnasiumEnvironment(task_of(name), f"{GYMNASIUM}{name}")
    path = Path(name).expanduser().resolve()
    return GymnasiumEnvironment(read_task(path), f"{GYMNASIUM}{path}")


class GymnasiumEnvironment(Environment):
    """A registered Gymnasium environment with a flat Box for observations and one for actions.

    Its signals are the entries of its observation. Its own reward is one more signal, which only a
    fitness may read.

    Args:
        task: what Gymnasium does not say about it.
        source: see `Environment.source`.

    Raises:
        UsageError: Gymnasium does not know it, or it is of a kind that cannot be used.
        MissingError: a package that it needs is not installed.
        EnvironmentFailed: its own code fails.
    """

    substeps = 1
    reads_files: ClassVar = True
    simulated: ClassVar = False

    def __init__(self, task: TaskFile, source: str) -> None:
        self._file, self._source = task, source
        made = self.make()
        with foreign_environment(task.id, "cannot be described"):
            self._observation = _flat(task.id, "observation", made.observation_space)
            self._action = _bounded(task.id, _flat(task.id, "action", made.action_space))
            self._step_s = task.control_step or _control_step(made)
        self.episode_steps, self.training = _time_limit(task, made), task.settings()
        with suppress(Exception):  # nothing depends on how it closes
            made.close()
        self.task = task.task or f"Solve {task.id} as its designers meant it."
        self.open_goal = not task.task
        self.robot, self.start, self.termination = task.robot, task.start, task.termination
        low, high = self._observation.low.tolist(), self._observation.high.tolist()
        self._signals = signals_of(task, low, high)
        if task.actions and len(task.actions) != self.action_size:
            raise UsageError(
                f"The task file names {len(task.actions)} actions, {task.id} has "
                f"{self.action_size}.",
                "Name all of them, or none.",
            )

    def make(self) -> gymnasium.Env[Any, Any]:
        """Make one, without a time limit and without Gymnasium's checks; raises as `__init__`."""
        with foreign_environment(self.name, "cannot be made"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # every process that makes one would repeat them
            return _made(self.name, self._file.arguments)

    @property
    def pays(self) -> bool:
        """Whether its own score of a step is its reward, not an entry of its info."""
        return not self._file.info

    def score(self, info: dict[str, Any]) -> float:
        """The score of a step: the entry of `info` that the task file names."""
        key = self._file.info
        number = one_number(info.get(key))
        if number is not None:
            return number
        numbers = sorted(str(k) for k, v in info.items() if one_number(v) is not None)
        raise UsageError(
            f"The info of {self.name} has no number {key!r}.",
            f"The entries that are numbers: {', '.join(numbers) or 'none'}.",
        )

    def build(self) -> mujoco.MjModel:
        """Refused: there is no model that could be stepped in a batch."""
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

        It comes last, so that columns of `signals_described` are counted as if it were not there.
        """
        return SignalLayout((*self.signals_described, _SCORE))

    @property
    def name(self) -> str:
        """Gymnasium's id."""
        return self._file.id

    @property
    def physics_step(self) -> float:
        """Seconds between two states; steps in between are unknown."""
        return self._step_s

    @property
    def action_size(self) -> int:
        """Numbers per action."""
        return len(self._action.low)

    @property
    def action_type(self) -> np.dtype:
        """Type of the numbers that the environment takes."""
        return np.dtype(self._action.dtype)

    @property
    def actuators(self) -> tuple[str, ...]:
        """One phrase per column of `action`."""
        return tuple(f"action {i}" for i in range(self.action_size))

    def action_range(self) -> tuple[Tensor, Tensor]:
        """What the environment is given for -1 and for +1, `[A]` each."""
        low, high = (bound.astype(np.float64) for bound in (self._action.low, self._action.high))
        return torch.from_numpy(low), torch.from_numpy(high)

    def _model_facts(self) -> dict[str, Any]:
        bounds = zip(self.actuators, *(b.tolist() for b in self.action_range()), strict=True)
        said = tuple(f"{name}: {low:.3g} to {high:.3g}" for name, low, high in bounds)
        return {"actions": self._file.actions or said}  # no source: it holds the score

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
        """None: its designers' own reward is its fitness."""
        return None


class GymnasiumWorlds(Worlds):
    """`n` worlds that are one Gymnasium environment each, stepped one by one; see `Worlds`.

    An episode that the environment itself cuts before its time limit counts as terminated, as what
    would have followed is unknown. A world that returns numbers that are not finite has diverged.
    Gymnasium has no way to read or set the state of an environment, so an interrupted training run
    begins again.

    Args:
        environment: the task.
        n: number of worlds.
        device: where signals live.

    Raises:
        EnvironmentFailed: the environment raised something or returned what no environment returns,
            here or in a step.
    """

    environment: GymnasiumEnvironment

    def __init__(self, environment: GymnasiumEnvironment, n: int, device: torch.device) -> None:
        super().__init__(environment, n, device)
        self._made = [environment.make() for _ in range(n)]
        self._interface = Interface(environment.name, self._made[0], self.layout.width - 1)
        low, high = (bound.numpy() for bound in environment.action_range())
        self._centre, self._half = (low + high) / 2, (high - low) / 2
        self.signals = torch.zeros(n, self.layout.width, device=device)
        self._begin(torch.ones_like(self._active))

    def step(self, action: Tensor) -> Step:
        """Apply actions `[n, A]` in [-1, 1] for one control step."""
        self._age += self._active
        after = self.signals.cpu().numpy().copy()
        terminated, diverged = np.zeros((2, self.n), dtype=np.bool_)
        controls = self._centre + self._half * action.cpu().numpy()
        controls = controls.astype(self.environment.action_type)
        with self._foreign("step"):
            for world in self._active.nonzero()[:, 0].tolist():
                moved, ended = self._moved(world, controls[world])
                self.environment.alive()
                diverged[world] = not np.isfinite(moved).all()
                terminated[world] = ended or diverged[world]
                if not diverged[world]:  # else the last good state stands in
                    after[world] = moved
        device = self.signals.device
        signals, ends, failures = (
            torch.from_numpy(array).to(device) for array in (after, terminated, diverged)
        )
        step = self._record(action, signals, self._observed(signals), ends, failures)
        over = step.terminated | step.truncated
        if over.any():
            self._begin(over)
        return step

    def state(self) -> dict[str, np.ndarray]:
        """Refused, see the class."""
        self._refuse()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Refused, see the class."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError(
            f"The state of {self.environment.name} cannot be kept: Gymnasium has no way to read "
            "it.",
            "Train again from the start, which gives the same result.",
        )

    def _begin(self, chosen: Tensor) -> None:
        seeds = mix(self._streams, self._episodes).cpu().numpy() & _SEEDS
        # A copy: callers hold the tensors of earlier steps.
        signals = self.signals.cpu().numpy().copy()
        with self._foreign("reset"):
            for world in chosen.nonzero()[:, 0].tolist():
                result = self._made[world].reset(seed=int(seeds[world]))
                signals[world] = np.append(self._interface.first(result), np.float32(0.0))
                self.environment.alive()
        self._count(chosen)
        self.signals = torch.from_numpy(signals).to(self.signals.device)
        self.observation = self._observed(self.signals)

    def _moved(self, world: int, control: np.ndarray) -> tuple[np.ndarray, bool]:
        """Step one world; returns its signals `[S]`, and whether its episode ends."""
        seen, paid, terminated, cut, info = self._interface.later(self._made[world].step(control))
        early = cut and int(self._age[world]) < self.environment.episode_steps
        score = (
            self._interface.paid(paid) if self.environment.pays else self.environment.score(info)
        )
        return np.append(seen, np.float32(score)), terminated or early

    def _observed(self, signals: Tensor) -> Tensor:
        """The observation: all signals but the score, `[n, D]`."""
        return signals[:, :-1].clone()

    def _foreign(self, what: str) -> AbstractContextManager[None]:
        name, locked = self.environment.name, self.environment.locked
        return foreign_environment(name, f"failed in {what}", locked)


def _made(name: str, arguments: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """Make an environment; errors of Gymnasium get a cure, other errors pass."""
    module, _, rest = name.rpartition(":")
    if ":" in module:
        raise UsageError(f"{name!r} has two colons.", "Write gymnasium:MODULE:ID.")
    _search_working_folder(module)
    try:
        # Worlds keep the time, and Gymnasium's checks cost more than the physics.
        return gymnasium.make(name, max_episode_steps=-1, disable_env_checker=True, **arguments)
    except (gymnasium.error.Error, ImportError, TypeError) as error:
        explained = _explained(error, name, module, rest)
        if explained is None:
            raise
        raise explained from error


def _explained(error: Exception, name: str, module: str, rest: str) -> EurekaError | None:
    """What an error in making `module:rest`, the environment `name`, means; None if unknown."""
    said = str(error).rstrip(".")
    match error:
        case gymnasium.error.DependencyNotInstalled():
            message = f"Gymnasium's {name} cannot be made: a package is missing."
            return MissingError(message, _install(name, str(error)))
        case ModuleNotFoundError():
            # Gymnasium's own error for a module before the id that cannot be imported has no name.
            missing = error.name or getattr(error.__cause__, "name", None) or module
            if error.name is not None or not f"{module}.".startswith(f"{missing}."):
                message = f"Gymnasium's {name} needs the package {missing}, which is not installed."
                return MissingError(message, _install(name, f"pip install {missing}"))
            cure = (
                "Run from the folder that holds it, name that folder in PYTHONPATH, or install it."
            )
            if module.endswith(".py") or "/" in module:
                right = f"{GYMNASIUM}{Path(module).stem}:{rest}"
                cure = f"Write the module's name alone: {right}. {cure}"
            return UsageError(f"There is no module {missing!r} that could register {rest!r}.", cure)
        case gymnasium.error.UnregisteredEnv():
            return UsageError(
                f"Gymnasium does not know {name!r}: {error}",
                "If a module registers it, name that first: gymnasium:MODULE:ID. "
                "gymnasium.pprint_registry() lists all.",
            )
        case gymnasium.error.Error():
            cure = "Correct the class or the call of gymnasium.register that it comes from."
            if isinstance(error, gymnasium.error.DeprecatedEnv):
                cure = "Use the version that it names."
            elif "Malformed" in said:
                cure = "Write gymnasium:ID, as in gymnasium:Pendulum-v1, or gymnasium:MODULE:ID."
            return UsageError(f"Gymnasium does not make {name!r}: {said}.", cure)
        case ImportError():
            cure = "Use a newer version of it, or install what it asks for."
            return MissingError(f"Gymnasium's {name} cannot be made: {said}.", cure)
        case TypeError() if "missing" in said and "argument" in said:
            return UsageError(
                f"Gymnasium's {name} cannot be made: {error}.",
                "Give its arguments in [arguments] of a task file, see docs/gymnasium.md.",
            )
    return None


def _search_working_folder(module: str) -> None:
    """Let a module be found in the working folder if it is nowhere else, as Python itself does."""
    root, here = module.partition(".")[0], str(Path.cwd())
    if root and here not in sys.path and importlib.util.find_spec(root) is None:
        sys.path.append(here)
        importlib.invalidate_caches()


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
    wrapper = "FlattenObservation" if what == "observation" else "TransformAction"
    raise UsageError(
        f"The {what}s of Gymnasium's {name} are {kind}; they must be a Box of one dimension, not "
        "empty.",
        f"Choose a variant of it that has one, or register it in gymnasium.wrappers.{wrapper}.",
    )


def _bounded(name: str, actions: Box) -> Box:
    if np.isfinite(actions.low).all() and np.isfinite(actions.high).all():
        return actions
    raise UsageError(
        f"The actions of Gymnasium's {name} have no bounds.",
        "Register a variant of it that gives its action_space finite ones: actions in [-1, 1] map "
        "onto them. In its code: action_space = Box(-1.0, 1.0, ...).",
    )


def _control_step(made: gymnasium.Env[Any, Any]) -> float:
    """Seconds between two actions if the environment says so; else 1."""
    step = getattr(made.unwrapped, "dt", None)
    if isinstance(step, int | float | np.number) and step > 0:
        return float(step)
    rate = (made.metadata or {}).get("render_fps")
    return 1.0 / rate if isinstance(rate, int | float | np.number) and rate > 0 else 1.0


def _time_limit(task: TaskFile, made: gymnasium.Env[Any, Any]) -> int:
    """Control steps of an episode, from the registry, as it was made without a limit."""
    registered = gymnasium.registry.get(made.spec.id) if made.spec else None
    limit = task.episode_steps or (registered.max_episode_steps if registered else None)
    if isinstance(limit, int) and limit >= 1:
        return limit
    has = "no time limit" if limit is None else f"the time limit {limit!r}, no number of steps"
    raise UsageError(
        f"Gymnasium's {task.id} has {has}.",
        "Give episode_steps in a task file, see docs/gymnasium.md; or register it with "
        "max_episode_steps.",
    )
