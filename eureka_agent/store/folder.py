"""Run folders on disk: their names, and finding one by what a person types."""

import os
import re
import secrets
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from eureka_agent.errors import EurekaError, UsageError
from eureka_agent.paths import expanded
from eureka_agent.store.database import Database

DATABASE = "run.db"
SHOWN = 5
LONGEST = 100
"""Characters of an environment's name in that of a run: file systems allow 255 in all."""


def new_name(environment: str, when: float) -> str:
    """A run's name: `<environment>-<YYYYmmdd-HHMMSS>-<short id>`, `when` in unix seconds."""
    safe = re.sub(r"[^A-Za-z0-9_.]+", "-", environment)[:LONGEST].strip("-.") or "run"
    return f"{safe}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(when))}-{secrets.token_hex(2)}"


def list_runs(directory: Path) -> list[Path]:
    """The run folders in `directory`, newest first; none where the directory does not exist."""
    folders = [
        path.parent for path in directory.glob(f"*/{DATABASE}") if path.parent.name[0] != "."
    ]
    return sorted(folders, key=_created, reverse=True)


def latest_moment(directory: Path) -> float:
    """When the newest run in a directory began, in unix seconds; 0 where there is none."""
    return max(map(_created, list_runs(directory)), default=0.0)


def _created(folder: Path) -> float:
    """When the run began, in unix seconds; for an unreadable one, when it was last written."""
    try:
        with closing(Database(folder / DATABASE, read_only=True)) as database:
            return database.select(_Beginning, "SELECT created FROM run LIMIT 1")[0].created
    except (EurekaError, IndexError):
        with suppress(OSError):
            return (folder / DATABASE).lstat().st_mtime
        return 0.0


@dataclass(frozen=True)
class _Beginning:
    """What of a run's record says how old it is."""

    created: float


def find_run(text: str, directory: Path) -> Path:
    """The folder of the run that `text` means.

    Args:
        text: `latest`, the path of a run folder, a run's name or an unambiguous beginning of it.
        directory: where runs are kept.

    Raises:
        UsageError: no run or several fit; the message says which there are.
    """
    path = expanded(text)
    if text != "latest" and _is_run(path):
        return path
    runs = list_runs(directory)
    if not runs:
        raise UsageError(
            f"There are no runs in {directory}.", "Start one with `eureka-agent search ENV`."
        )
    if text == "latest":
        return runs[0]
    fitting = [run for run in runs if text and run.name.startswith(text)]
    exact = [run for run in fitting if run.name == text]
    if len(fitting) == 1 or exact:
        return (exact or fitting)[0]
    if fitting:
        raise UsageError(
            f"Several runs begin with {text!r}: {_names(fitting)}.", "Type more of it."
        )
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
    close = get_close_matches(text, [run.name for run in runs], n=1)
    hint = f"Did you mean {close[0]}?" if close else f"There are: {_names(runs)}."
    raise UsageError(f"There is no run {text!r} in {directory}.", hint)


def _is_run(path: Path) -> bool:
    try:
        return os.path.lexists(path / DATABASE)
    except ValueError:  # as of a name with a NUL
        return False


def _names(runs: list[Path]) -> str:
    more = f" and {len(runs) - SHOWN} more" if len(runs) > SHOWN else ""
    return ", ".join(run.name for run in runs[:SHOWN]) + more
