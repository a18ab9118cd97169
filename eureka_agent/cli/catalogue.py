"""The document of the command `envs`."""

from collections.abc import Sequence
from typing import Any

from eureka_agent.common.environments import list_environments
from eureka_agent.common.errors import UsageError
from eureka_agent.environment import Environment, find_environment
from eureka_agent.store import baselines_path, read_baselines


def environments_document(names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The document of `envs --json`, an entry per environment.

    Args:
        names: environments or paths; () for all, where the entry of a broken one has a `failure`.

    Raises:
        UsageError: one of the names is unknown, or its environment broken.
    """
    if names:
        return [_entry(name, find_environment(name)) for name in names]
    entries = []
    for name in list_environments():
        try:
            entries.append(_entry(name, find_environment(name)))
        except UsageError as error:
            entries.append({"name": name, "task": "", "signals": [], "failure": error.message})
    return entries


def _entry(name: str, found: Environment) -> dict[str, Any]:
    task = found.describe()
    return {
        "name": name,
        "task": task.task,
        "signals": [
            {name: getattr(signal, name) for name in ("name", "shape", "unit", "meaning", "kind")}
            | {"axes": list(signal.axes)}
            for signal in task.signals
        ],
        "robot": task.robot,
        "start": task.start,
        "actuators": list(task.actuators),
        "actions": list(task.actions),
        "control_step": task.control_step,
        "episode_steps": task.episode_steps,
        "termination": task.termination,
        "budget": found.training.budget,
        "human_reward": found.human_reward_path is not None,
        "published_baselines": _published(name, found.source),
        "path": found.source,
    }


def _published(name: str, source: str) -> dict[str, Any] | None:
    """Mean fitness of the baselines published with an environment, and their training steps."""
    try:
        entry = read_baselines(baselines_path(source)).get(name)
    except UsageError:
        return None  # `show` reports the error in the file
    if entry is None:
        return None
    means = {cell: entry[cell]["mean"] for cell in ("random", "human", "bare") if cell in entry}
    return {"steps": entry["steps"]} | means
