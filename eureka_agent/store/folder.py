"""Run folders on disk: their names, and finding one by what a person types."""

import errno
import fcntl
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from eureka_agent.common.errors import EurekaError, StorageError, UsageError
from eureka_agent.common.paths import expanded
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


# Whoever looks whether a run is being searched holds the lock for an instant: hence more tries.
TRIES = 10
PAUSE = 0.05


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file `path` for the length of the block.

    A child that is forked without exec shares the lock and would keep it beyond this process's
    death; children that are started the ordinary way get their descriptor closed.

    Raises:
        UsageError: another process holds it; the message names that process. Or it is no file.
        StorageError: it cannot be made, or the file system has no locks.
    """
    try:
        descriptor = _open(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise StorageError(
            f"Run {path.parent} cannot be locked: {error.strerror}.",
            "See that you may write to it and that the disk has room.",
        ) from error
    try:
        if not _acquire(descriptor, path):
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise UsageError(
                f"Run {path.parent.name} is being searched by process {holder}.",
                "Wait until it is done, or stop it first.",
            )
        with suppress(OSError):  # on a full disk; it only tells others who holds it
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int) -> int:
    """A descriptor of a lock file: never what a link leads to, and never waiting for a pipe.

    Raises:
        UsageError: it is no ordinary file, or one with a second name.
        OSError: it cannot be opened.
    """
    safe = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | safe, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise _odd(path) from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise _odd(path)
    return descriptor


def _odd(path: Path) -> UsageError:
    return UsageError(
        f"{path} is a link or no ordinary file, as the lock of a run is.",
        "Remove it, if you know what it is.",
    )


def _acquire(descriptor: int, path: Path) -> bool:
    for _ in range(TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(PAUSE)
        except OSError as error:
            raise StorageError(
                f"{path} cannot be locked: {error.strerror}. Its file system has no file locks "
                "that work, as some network file systems.",
                "Keep runs on a local disk: --runs DIR.",
            ) from error
    return False


def held(path: Path) -> bool:
    """Whether some process holds the lock now; false where that cannot be found out."""
    try:
        descriptor = _open(path, os.O_RDONLY)
    except (OSError, UsageError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)


EPISODES_FILE = "episodes.npz"
"""File in a candidate's folder with the episodes that its policy was judged on."""
