"""The baselines that were published with a run's environment: a yardstick without a training."""

from pathlib import Path
from typing import Any

from eureka_agent.common.errors import UsageError
from eureka_agent.common.statistics import UNBOUNDED, Bounds, clipped
from eureka_agent.common.text import count
from eureka_agent.store import RunReader, RunRow, baselines_path, fingerprint, read_baselines
from eureka_agent.store.trust import OWN_FITNESS, familiar

REWARDS = ("random", "zero", "human", "bare")
KEPT = ("seeds", "steps", "lanes", "worlds", "episodes", "progress", "verdicts", "date", "versions")


def published_baselines(run: RunReader) -> dict[str, Any] | None:
    """What random and zero actions, the human reward and the bare fitness reached.

    `random`, `zero`, `human` and `bare` hold `values` (one per training seed, from the reporting
    pool), `mean` and the 95 % interval `low` to `high`, or are None; `notes` say where the numbers
    do not fit the run. None where nothing is published for what the run is about.
    """
    row = run.row()
    if not run.measured or (run.path / OWN_FITNESS).is_file():
        return None  # they measure something else
    try:
        entry = read_baselines(baselines_path(row.environment_source)).get(row.environment)
    except UsageError as error:
        return dict.fromkeys((*REWARDS, *KEPT)) | {"notes": [error.message]}
    if entry is None:
        return None
    found = {key: entry.get(key) for key in (*REWARDS, *KEPT)}
    low, high = row.measure.get("range") or UNBOUNDED
    found |= {key: _possible(found[key], (low, high)) for key in REWARDS}
    # The run of a stranger may name any folder: the disk is not searched for its sake.
    known = familiar(row.environment_source) or run.made_here()
    return found | {"notes": _notes(row, entry, known)}


def _possible(reward: dict[str, Any] | None, bounds: Bounds) -> dict[str, Any] | None:
    """The results of a reward with an interval that holds nothing impossible."""
    if reward is None or reward.get("low") is None or reward.get("high") is None:
        return reward
    low, high = clipped((reward["low"], reward["high"]), reward["values"], bounds)
    return reward | {"low": low, "high": high}


def _notes(row: RunRow, entry: dict[str, Any], known: bool) -> list[str]:
    """Where an entry does not fit a run."""
    notes = []
    steps, theirs = row.config.get("steps"), entry.get("steps")
    if steps and theirs and steps != theirs:
        notes.append(f"This run trains for {count(steps)} steps, they for {count(theirs)}.")
    folder = Path(row.environment_source)
    if (
        known
        and folder.is_absolute()
        and folder.is_dir()
        and fingerprint(folder) != entry.get("fingerprint")
    ):
        notes.append("The environment has changed since they were measured.")
    return notes
