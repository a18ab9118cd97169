"""Find environments by name or path, load them, and make their worlds."""

import inspect
from pathlib import Path

import torch

from eureka_agent.common.environments import GYMNASIUM, environment_folder
from eureka_agent.common.errors import UsageError
from eureka_agent.environment.base import Environment
from eureka_agent.environment.source_files import foreign_code, load_module
from eureka_agent.environment.worlds import MujocoWorlds, Worlds
from eureka_agent.simulation import CPU

_ATTRIBUTES = {
    "task": 'task = "...": the task in one sentence',
    "substeps": "substeps = ...: physics steps per action",
    "episode_steps": "episode_steps = ...: actions until the time limit",
}
_METHODS = {
    "observation": "observation(self, state): what the policy sees, [N, D]",
    "reset": "reset(self, noise): first positions [m, nq] and velocities [m, nv]",
}


def find_environment(name: str) -> Environment:
    """Load the environment called `name`, or the one in the folder `name`.

    A name is looked up in `envs/`, in the folders of the `EUREKA_ENVS` path list and among the
    entry points of the group `eureka_agent.environments`, in this order. `gymnasium:ID` names a
    Gymnasium environment.

    Raises:
        UsageError: there is no such environment, its folder is not one, or it cannot be used.
        MissingError: a package that it needs is not installed.
    """
    if name.startswith(GYMNASIUM):
        from eureka_agent.environment.gymnasium_adapter import find_gymnasium

        return find_gymnasium(name.removeprefix(GYMNASIUM))
    return load_environment(environment_folder(name))


def variant_of(name: str) -> type[Environment]:
    """The class of another environment, for an `env.py` that changes a part of it.

    Raises:
        UsageError: there is no such environment, or its folder is not one.
    """
    return type(find_environment(name))


def load_environment(folder: Path) -> Environment:
    """Load `env.py` of a folder and its model.

    Raises:
        UsageError: the folder has no env.py, env.py does not define exactly one environment, or
            that cannot be described, as when its model is broken.
    """
    folder = folder.expanduser().resolve()
    path = folder / "env.py"
    if not path.is_file():
        raise UsageError(
            f"{folder} is not an environment: it has no env.py.",
            "An environment is a folder with env.py, fitness.py and a model.",
        )
    if not (folder / "fitness.py").is_file():
        raise UsageError(
            f"Environment {folder.name!r} has no fitness.py.", "Write one: it measures the task."
        )
    module = load_module(path)
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value)
        and issubclass(value, Environment)
        and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise UsageError(
            f"{path} defines {len(classes)} subclasses of Environment.", "Define exactly one."
        )
    (cls,) = classes
    missing = {n: e for n, e in _ATTRIBUTES.items() if not hasattr(cls, n)}
    missing |= {n: e for n, e in _METHODS.items() if getattr(cls, n) is getattr(Environment, n)}
    for name, example in missing.items():
        raise UsageError(f"{path}: {cls.__name__} has no `{name}`.", f"Write {example}.")
    with foreign_code(path):
        environment = cls()
        environment.folder = folder
        described = environment.describe()
    if not described.signals:
        raise UsageError(
            f"{path}: {cls.__name__} declares no signals.",
            'Write some, such as @signal(unit="m", kind="position") above a method.',
        )
    return environment


def make_worlds(
    environment: Environment,
    n: int,
    threads: int = 0,
    *,
    device: torch.device = CPU,
    backend: str | None = None,
) -> Worlds:
    """Make worlds that have begun an episode and stand still.

    Args:
        environment: the task.
        n: number of worlds.
        threads: of the physics on a CPU, 0 for one per core.
        device: where signals and, if MuJoCo steps the worlds, physics live.
        backend: see `make_simulator`.

    Raises:
        EnvironmentFailed: a Gymnasium environment raised something.
    """
    if environment.simulated:
        return MujocoWorlds(environment, n, threads, device=device, backend=backend)
    # Imported only here, as it loads Gymnasium.
    from eureka_agent.environment.gymnasium_adapter import GymnasiumEnvironment, GymnasiumWorlds

    assert isinstance(environment, GymnasiumEnvironment)  # the only kind that is not simulated
    return GymnasiumWorlds(environment, n, device)
