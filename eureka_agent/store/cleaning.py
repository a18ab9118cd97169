"""Removing old runs: first a plan, which only reads, then its execution step by step.

A run that is being searched is never touched, nor one that was written to after the plan was made.
"""

import math
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.store.folder import LOCK, hold_lock, is_locked, is_plain, list_runs
from eureka_agent.store.reading import RunReader

DAY = 86_400.0
LOSERS_FILES = ("policy.zip", "policy.json", "episodes.npz")
"""The largest files of a candidate's folder; its program, prompts and numbers stay."""
LEFTOVER = re.compile(r"\.[A-Za-z0-9_.-]+-\d{8}-\d{6}-[0-9a-f]{4}")
"""The name of a run folder while it is made or removed."""
LEFTOVER_AGE = 3600.0
"""Seconds after which the process that made or removed it must have been killed."""


@dataclass(frozen=True)
class Removal:
    """One step of a plan.

    Attributes:
        run: the run folder.
        reason: why it can go, in words.
        files: the files to remove; empty to remove the whole run.
        size: bytes that this frees.
        updated: when the run was last written to, in unix seconds.
        best: the highest ranking fitness that is lost with it; None if there is none.
    """

    run: Path
    reason: str
    files: tuple[Path, ...]
    size: int
    updated: float
    best: float | None


@dataclass(frozen=True)
class Plan:
    """What can be removed.

    Attributes:
        removals: the steps, those of the newest run first.
        kept: the number of runs that stay as they are.
        unreadable: the folders of runs that cannot be read and so stay.
    """

    removals: tuple[Removal, ...]
    kept: int
    unreadable: tuple[Path, ...]


def plan_cleaning(directory: Path, *, days: float = 30.0, losers: bool = False) -> Plan:
    """Find what can be removed from the runs in a directory; nothing is changed.

    Args:
        directory: the folder of all runs.
        days: a run stays whole for so many days after it was last written to.
        losers: whether policies and recorded episodes of finished runs can go, except those of the
            best candidate of each generation.

    Raises:
        UsageError: the days are not a number: every run would be older.
    """
    if math.isnan(days):
        raise UsageError("--older nan is not a number of days.", "Give one, such as --older 30.")
    now = time.time()
    before = now - days * DAY
    removals: list[Removal] = []
    unreadable: list[Path] = []
    paths = list_runs(directory)
    for path in paths:
        try:
            with RunReader.open(path) as run, run.transaction():
                found = None if path.is_symlink() else _removal(run, before, losers)
        except (EurekaError, OSError):
            unreadable.append(path)
            continue
        removals += [found] if found else []
    kept = len(paths) - len(removals) - len(unreadable)
    removals += _leftovers(directory, min(before, now - LEFTOVER_AGE))
    return Plan(tuple(removals), kept, tuple(unreadable))


def _removal(run: RunReader, before: float, losers: bool) -> Removal | None:
    row, status = run.row(), run.status()
    if status == "running" or row.updated > before or is_locked(run.path / LOCK):
        return None
    generations = run.generations()
    best = max((g.best for g in generations if g.best is not None), default=None)
    trained = any(generation.finished for generation in generations)
    if status in ("failed", "interrupted") or not trained:
        reason = status if trained else f"{status}, and nothing trained to its end"
        return Removal(run.path, reason, (), _size(run.path), row.updated, best)
    if not losers or not run.measured:  # without a fitness, generations have no winners
        return None
    winners = {row.best_candidate, *(generation.best_candidate for generation in generations)}
    rest = [candidate for candidate in run.candidates() if candidate.id not in winners]
    paths = [run.candidate_folder(loser.id) / name for loser in rest for name in LOSERS_FILES]
    files = tuple(path for path in paths if is_plain(path, run.path))
    size = sum(map(_size, files))
    reason = f"{len(files)} policies and episodes of losers; the run stays"
    return Removal(run.path, reason, files, size, row.updated, None) if files else None


def _leftovers(directory: Path, before: float) -> Iterator[Removal]:
    """Folders that a killed process was making or removing."""
    reason = "left over from a process that was killed"
    for path in sorted(directory.glob(".*")):
        if path.is_symlink() or not path.is_dir() or not LEFTOVER.fullmatch(path.name):
            continue
        updated = path.lstat().st_mtime
        if updated <= before:
            yield Removal(path, reason, (), _size(path), updated, None)


def _size(path: Path) -> int:
    """Bytes of a file or of all files below a folder, not of what links lead to."""
    folders = ((folder, names) for folder, _, names in os.walk(path))
    files = [Path(folder, name) for folder, names in folders for name in names] or [path]
    return sum(file.lstat().st_size for file in files if os.path.lexists(file))


def remove(removal: Removal) -> None:
    """Carry out one step of a plan.

    Raises:
        UsageError: the run is being searched or has changed, or its files cannot be removed.
    """
    path = removal.run
    try:
        if path.name.startswith("."):
            shutil.rmtree(path)
            return
        with hold_lock(path / LOCK):
            with RunReader.open(path) as run:
                if run.row().updated != removal.updated:
                    raise UsageError(
                        f"Run {run.name} was written to in the meantime and stays.",
                        "Make a new plan.",
                    )
            if removal.files:
                for file in removal.files:
                    if is_plain(file, path):
                        file.unlink()
                return
            # Out of sight first: a killed process leaves no half a run.
            hidden = path.rename(path.with_name(f".{path.name}"))
            shutil.rmtree(hidden)
    except OSError as error:
        raise UsageError(
            f"{path} cannot be removed: {error.strerror}.", "See who owns its files."
        ) from error
