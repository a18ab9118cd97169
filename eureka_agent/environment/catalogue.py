"""What environments there are, as a plain document."""

from typing import Any

from eureka_agent.environment.discovery import find_environment, list_environments
from eureka_agent.errors import UsageError
from eureka_agent.store import baselines_path, read_baselines


def environments_document() -> list[dict[str, Any]]:
    """The document of `envs --json`, an entry per environment; a broken one says its `failure`."""
    entries = []
    for name in list_environments():
        try:
            found = find_environment(name)
            task = found.describe()
        except UsageError as error:
            entries.append({"name": name, "task": "", "signals": [], "failure": error.message})
            continue
        entries.append(
            {
                "name": name,
                "task": task.task,
                "signals": [
                    {
                        "name": signal.name,
                        "shape": signal.shape,
                        "unit": signal.unit,
                        "meaning": signal.meaning,
                        "kind": signal.kind,
                        "axes": list(signal.axes),
                    }
                    for signal in task.signals
                ],
                "actuators": list(task.actuators),
                "control_step": task.control_step,
                "episode_steps": task.episode_steps,
                "termination": task.termination,
                "human_reward": found.human_reward_path is not None,
                "published_baselines": _published(name, str(found.folder)),
                "path": str(found.folder),
            }
        )
    return entries


def _published(name: str, folder: str) -> dict[str, Any] | None:
    """Mean fitness of the baselines that came with an environment, and after how many steps."""
    try:
        entry = read_baselines(baselines_path(folder)).get(name)
    except UsageError:
        return None  # `show` tells what is wrong with the file
    if entry is None:
        return None
    means = {cell: entry[cell]["mean"] for cell in ("random", "human", "bare") if cell in entry}
    return {"steps": entry["steps"]} | means
