"""Run folders on disk: their names, and finding one by what a person types."""

import os
import re
import secrets
import sqlite3
import time
from difflib import get_close_matches
from pathlib import Path

from eureka_agent.errors import UsageError
from eureka_agent.paths import expanded

DATABASE = "run.db"
SHOWN = 5


def new_name(environment: str, when: float) -> str:
    """A run's name: `<environment>-<YYYYmmdd-HHMMSS>-<short id>`, `when` in unix seconds."""
    safe = re.sub(r"[^A-Za-z0-9_.]+", "-", environment).strip("-.") or "run"
    return f"{safe}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(when))}-{secrets.token_hex(2)}"


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, whenever the process is killed."""
    # Program text may hold lone surrogates; they must not cost us the file.
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.write_text(text, encoding="utf-8", errors="backslashreplace")
    draft.replace(path)


def list_runs(directory: Path) -> list[Path]:
    """The run folders in `directory`, newest first; none where the directory does not exist."""
    folders = [
        path.parent for path in directory.glob(f"*/{DATABASE}") if path.parent.name[0] != "."
    ]
    return sorted(folders, key=_created, reverse=True)


def _created(folder: Path) -> float:
    """When the run began, in unix seconds; for an unreadable one, when it was last written."""
    path = folder / DATABASE
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return float(connection.execute("SELECT created FROM run").fetchone()[0])
        finally:
            connection.close()
    except (sqlite3.Error, TypeError):
        return path.stat().st_mtime


def find_run(text: str, directory: Path) -> Path:
    """The folder of the run that `text` means.

    Args:
        text: `latest`, the path of a run folder, a run's name or an unambiguous beginning of it.
        directory: where runs are kept.

    Raises:
        UsageError: no run or several fit; the message says which there are.
    """
    path = expanded(text)
    if text != "latest" and (path / DATABASE).is_file():
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
    close = get_close_matches(text, [run.name for run in runs], n=1)
    hint = f"Did you mean {close[0]}?" if close else f"There are: {_names(runs)}."
    raise UsageError(f"There is no run {text!r} in {directory}.", hint)


def _names(runs: list[Path]) -> str:
    more = f" and {len(runs) - SHOWN} more" if len(runs) > SHOWN else ""
    return ", ".join(run.name for run in runs[:SHOWN]) + more
