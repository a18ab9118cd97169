"""Gymnasium environments as environments of this program; docs/gymnasium.md says how."""

import functools
import importlib.util
import re
import sys
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
from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.environment.base import Environment, TaskDescription
from eureka_agent.environment.episodes import SignalLayout
from eureka_agent.environment.gymnasium_interface import (
    Interface,
    foreign_environment,
    one_number,
    without_warnings,
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
    simulated: ClassVar = False

    def __init__(self, task: TaskFile, source: str) -> None:
        self._file, self._source = task, source
        made = self.make()
        with foreign_environment(task.id, "cannot be described"):
            self._observation = _flat(task.id, "observation", made.observation_space)
            self._action = _bounded(task.id, _flat(task.id, "action", made.action_space))
            self._step_s = task.control_step or _control_step(made)
        self.episode_steps, self.training = _time_limit(task, made), task.settings()
        with suppress(Exception):  # nothing depends on how it ends
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
            UsageError: Gymnasium does not know it.
            MissingError: a package that it needs is not installed.
            EnvironmentFailed: its own code fails.
        """
        name = self._file.id
        with foreign_environment(name, "cannot be made"), without_warnings():
            return _made(name, self._file.arguments)

    @property
    def pays(self) -> bool:
        """Whether its own word for what a step is worth is its reward, not an entry of its info."""
        return not self._file.info

    def score(self, info: dict[str, Any]) -> float:
        """What a step is worth by the entry of `info` that the task file names.

        Args:
            info: what the environment says beside its reward.

        Raises:
            UsageError: the entry is missing, or no number.
        """
        key = self._file.info
        number = one_number(info.get(key))
        if number is not None:
            return number
        numbers = sorted(str(k) for k, v in info.items() if one_number(v) is not None)
        raise UsageError(
            f"{self.name} says no number {key!r} in its info.",
            f"The entries that are numbers: {', '.join(numbers) or 'none'}.",
        )

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
            discount=self.training.gamma,
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
    module, _, rest = name.rpartition(":")
    if ":" in module:
        raise UsageError(f"{name!r} has two colons.", "Write gymnasium:MODULE:ID.")
    _look_here(module)
    try:
        # Time is kept by the worlds, and Gymnasium's checks cost more than the physics.
        return gymnasium.make(name, max_episode_steps=-1, disable_env_checker=True, **arguments)
    except gymnasium.error.DependencyNotInstalled as error:
        raise MissingError(
            f"Gymnasium's {name} cannot be made: a package is missing.", _install(name, str(error))
        ) from error
    except ModuleNotFoundError as error:
        # Gymnasium's own words for a module before the id that cannot be imported have no name.
        missing = error.name or getattr(error.__cause__, "name", None) or module
        if error.name is None and f"{module}.".startswith(f"{missing}."):
            cure = (
                "Run from the folder that holds it, name that folder in PYTHONPATH, or install it."
            )
            if module.endswith(".py") or "/" in module:
                cure = (
                    f"Write the module's name alone: {GYMNASIUM}{Path(module).stem}:{rest}. {cure}"
                )
            raise UsageError(
                f"There is no module {missing!r} that could register {rest!r}.", cure
            ) from error
        said = f"Gymnasium's {name} needs the package {missing}, which is not installed."
        raise MissingError(said, _install(name, f"pip install {missing}")) from error
    except gymnasium.error.UnregisteredEnv as error:
        raise UsageError(
            f"Gymnasium does not know {name!r}: {error}",
            "If a module registers it, name that first: gymnasium:MODULE:ID. "
            "gymnasium.pprint_registry() lists all.",
        ) from error
    except gymnasium.error.Error as error:
        raise UsageError(
            f"Gymnasium does not make {name!r}: {str(error).rstrip('.')}.", _cure_of(error)
        ) from error
    except ImportError as error:
        said = f"Gymnasium's {name} cannot be made: {str(error).rstrip('.')}."
        cure = "Use a newer version of it, or install what it asks for."
        raise MissingError(said, cure) from error
    except TypeError as error:
        if "missing" not in str(error) or "argument" not in str(error):
            raise
        raise UsageError(
            f"Gymnasium's {name} cannot be made: {error}.",
            "Give its arguments in [arguments] of a task file, see docs/gymnasium.md.",
        ) from error


def _cure_of(error: gymnasium.error.Error) -> str:
    """What to do about an id or a registration that Gymnasium refuses."""
    if isinstance(error, gymnasium.error.DeprecatedEnv):
        return "Use the version that it names."
    if "Malformed" in str(error):
        return "Write gymnasium:ID, as in gymnasium:Pendulum-v1, or gymnasium:MODULE:ID."
    return "Correct the class or the call of gymnasium.register that it comes from."


def _look_here(module: str) -> None:
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
    """Seconds between two actions, as far as the environment says; else 1."""
    step = getattr(made.unwrapped, "dt", None)
    if isinstance(step, int | float | np.number) and step > 0:
        return float(step)
    rate = (made.metadata or {}).get("render_fps")
    return 1.0 / rate if isinstance(rate, int | float | np.number) and rate > 0 else 1.0


def _time_limit(task: TaskFile, made: gymnasium.Env[Any, Any]) -> int:
    """Control steps that an episode lasts; it was made without the limit it is registered with."""
    registered = gymnasium.registry.get(made.spec.id) if made.spec else None
    limit = task.episode_steps or (registered.max_episode_steps if registered else None)
    if not isinstance(limit, int) or limit < 1:
        has = (
            "no time limit"
            if limit is None
            else f"the time limit {limit!r}, which is no number of steps"
        )
        raise UsageError(
            f"Gymnasium's {task.id} has {has}.",
            "Give episode_steps in a task file, see docs/gymnasium.md; or register it with "
            "max_episode_steps.",
        )
    return limit


_SEEDS = 0x7FFFFFFF
"""What episodes are seeded with is not beyond this: some environments take 32 bits only."""


class GymnasiumWorlds(Worlds):
    """`n` worlds of an environment of Gymnasium, each of them one of it; see `AnyWorlds`.

    An episode that the environment itself cuts before its time limit counts as terminated: what
    became of it afterwards is not known. A world that says anything but finite numbers has
    diverged. It cannot be told what state a world is in, nor can a world be put into one, so a
    training goes on after an interruption by beginning again.

    Args:
        environment: the task.
        n: number of worlds.
        device: where signals live.

    Raises:
        EnvironmentFailed: the environment raised something or gave what no environment gives, here
            or in a step.
    """

    environment: GymnasiumEnvironment

    def __init__(self, environment: GymnasiumEnvironment, n: int, device: torch.device) -> None:
        super().__init__(environment, n, device)
        self._made = [environment.make() for _ in range(n)]
        self._interface = Interface(environment.name, self._made[0], self.layout.width - 1)
        low, high = (bound.numpy() for bound in environment.action_range())
        self._centre, self._half = (low + high) / 2, (high - low) / 2
        self.signals = torch.zeros(n, self.layout.width, device=device)
        self.observation = self._observed(self.signals)
        self._begin(torch.ones_like(self._active))

    def step(self, action: Tensor) -> Step:
        """Apply actions `[n, A]` in [-1, 1] for one control step."""
        self._age += self._active
        after = self._on_host(self.signals)
        terminated, diverged = np.zeros((2, self.n), dtype=np.bool_)
        controls = self._controls(action)
        with self._watched("step"):
            for world in self._active.nonzero()[:, 0].tolist():
                moved, ended = self._moved(world, controls[world])
                self.environment.alive()
                diverged[world] = not np.isfinite(moved).all()
                terminated[world] = ended or diverged[world]
                if not diverged[world]:  # else the last good state stands in
                    after[world] = moved
        signals = torch.from_numpy(after).to(self.signals.device)
        step = self._record(
            action,
            signals,
            self._observed(signals),
            torch.from_numpy(terminated).to(signals.device),
            torch.from_numpy(diverged).to(signals.device),
        )
        over = step.terminated | step.truncated
        if over.any():
            self._begin(over)
        return step

    def state(self) -> dict[str, np.ndarray]:
        """Refused, see the class.

        Raises:
            UsageError: always.
        """
        self._refuse()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Refused, see the class.

        Raises:
            UsageError: always.
        """
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError(
            f"The state of {self.environment.name} cannot be kept: Gymnasium has no way to ask.",
            "Train again from the start, which gives the same result.",
        )

    def _begin(self, chosen: Tensor) -> None:
        seeds = mix(self._streams, self._episodes).cpu().numpy() & _SEEDS
        signals = self._on_host(self.signals)
        with self._watched("reset"):
            for world in chosen.nonzero()[:, 0].tolist():
                result = self._made[world].reset(seed=int(seeds[world]))
                signals[world] = np.append(self._interface.first(result), np.float32(0.0))
                self.environment.alive()
        self._count(chosen)
        # Never in place: what has been handed out must stay as it was.
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

    def _controls(self, action: Tensor) -> np.ndarray:
        """Actions in [-1, 1] as the environment takes them `[n, A]`."""
        controls = self._centre + self._half * action.cpu().numpy()
        return controls.astype(self.environment.action_type)

    def _observed(self, signals: Tensor) -> Tensor:
        """The observation, of which the signals begin with all entries, `[n, D]`."""
        return signals[:, :-1].clone()

    def _on_host(self, value: Tensor) -> np.ndarray:
        return value.cpu().numpy().copy()

    def _watched(self, what: str) -> AbstractContextManager[None]:
        """Whatever the environment raises becomes an error that says whose it is."""
        name, locked = self.environment.name, self.environment.locked
        return foreign_environment(name, f"failed in {what}", locked)
