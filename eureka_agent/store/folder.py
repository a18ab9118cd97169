"""The run folder: its name, its lock, and files that are written whole or not at all.

A run folder may come from a stranger, who planted links, pipes or devices in it. So nothing here
follows a link below the run folder, waits for a pipe or reads without a limit.
"""

import errno
import fcntl
import os
import secrets
import stat
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from eureka_agent.common.errors import EurekaError, StorageError, UsageError
from eureka_agent.common.paths import expanded
from eureka_agent.common.text import did_you_mean, file_name
from eureka_agent.store.database import Database

DATABASE = "run.db"
LOCK = "lock"
EPISODES_FILE = "episodes.npz"
"""File in a candidate's folder with the episodes that its policy was judged on."""
PICTURE = "picture.png"
"""File in a candidate's folder with frames of an episode of its policy."""
VIDEO_TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif"}
"""Media types of films by the suffix of their file, the better ones first."""
DRAFT_PATTERN = ".*.tmp*"
"""Pattern of the names of unfinished files, which a killed process leaves behind."""
MOST_ARRAY_BYTES = 4 << 30
"""Bytes of recorded episodes in one file, unpacked."""
MOST_FILES = 1_000_000
"""Entries of a run folder that are looked at before it is refused."""
LONGEST_NAME = 100
"""Characters of an environment's name in that of a run: file systems allow 255 in all."""
SHOWN = 5
"""Runs that a message names."""
LOCK_TRIES, LOCK_PAUSE = 10, 0.05
"""Attempts to lock, and seconds between them: a look at the lock holds it for an instant."""
_NO_LINK_NO_WAIT = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


# Files


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A new file beside `path` to write to, which takes its place when the block ends well.

    Its name cannot be guessed and it never exists before, so what was planted under either name is
    neither followed nor changed. It has the suffix of `path`, as libraries go by that.
    """
    draft = path.with_name(f".{secrets.token_hex(8)}.tmp{path.suffix}")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.close(os.open(draft, flags, 0o666))
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, "its folder is gone", str(path)) from error
    try:
        yield draft
        try:
            draft.replace(path)
        except OSError as error:  # name what is in the way, not the draft
            raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, whenever the process is killed."""
    with atomic_file(path) as draft:
        # Program text may hold lone surrogates; they must not cost us the file.
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")


def open_new(path: Path) -> IO[bytes]:
    """Open a new empty file in place of an old one, to be read while it grows."""
    path.unlink(missing_ok=True)
    return open(path, "xb")


def require_replaceable(path: Path) -> None:
    """Refuse an output file of the user's choice that would replace something else than a file.

    A device such as /dev/null would be gone for all programs of the machine.

    Raises:
        OSError: there is a device, a pipe, a link or the like.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "a device, a pipe or a link is there", str(path))


def is_plain(path: Path, root: Path) -> bool:
    """Whether `path` is a regular file below `root`, with no link on the way from there."""
    try:
        _require_inside(path, root)
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def open_plain(path: Path, root: Path | None = None) -> IO[bytes]:
    """Open a regular file for reading; never a link, and never waiting for a pipe.

    Args:
        path: the file.
        root: a folder above it, below which no folder on the way may be a link either.

    Raises:
        OSError: it is not there, cannot be read, or is not a regular file.
    """
    if root is not None:
        _require_inside(path, root)
    try:
        descriptor = os.open(path, os.O_RDONLY | _NO_LINK_NO_WAIT)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _odd(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _odd(path)
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path, limit: int, root: Path | None = None) -> bytes:
    """The content of a regular file of at most `limit` bytes; see `open_plain`.

    Raises:
        OSError: it cannot be opened, or is larger.
    """
    with open_plain(path, root) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", str(path))
    return content


@contextmanager
def open_arrays(path: Path) -> Iterator[Any]:
    """The arrays of an `.npz` file, of at most `MOST_ARRAY_BYTES`; nothing of it is unpickled.

    Raises:
        OSError: it cannot be read, or holds more than that.
        BadZipFile: it is not such a file. Faults of single arrays come up on reading them.
    """
    import numpy as np  # not needed by commands that only show runs

    with open_plain(path) as file:
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_ARRAY_BYTES:
            raise OSError(errno.EFBIG, f"it unpacks to {size:,} bytes", str(path))
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            yield arrays


def videos(folder: Path) -> list[Path]:
    """The films in a candidate's folder, the best type first, then by name; never links."""
    found = (path for suffix in VIDEO_TYPES for path in sorted(folder.glob(f"*{suffix}")))
    return [path for path in found if is_plain(path, folder.parent.parent)]


def require_plain_folder(folder: Path) -> None:
    """Refuse a run folder in which writing could reach beyond it.

    Raises:
        UsageError: it holds a link, a file with a second name, or something that is not a file.
    """
    waiting, seen = [folder], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                seen += 1
                found = _oddity(entry)
                if found or seen > MOST_FILES:
                    raise UsageError(
                        f"{entry.path} is {found or 'one file too many'}: nothing is written to a "
                        "run folder that could lead elsewhere.",
                        "If the run is yours, put the file itself in its place; if it is not, do "
                        "not continue it.",
                    )
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))


def _oddity(entry: os.DirEntry[str]) -> str:
    """What is odd about an entry of a folder, in words; empty for files and folders."""
    if entry.is_symlink():
        return "a link"
    if entry.is_dir(follow_symlinks=False):
        return ""
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # a draft that has just taken its place
        return ""
    if not stat.S_ISREG(status.st_mode):
        return "not an ordinary file"
    return "a file with a second name (a hard link)" if status.st_nlink > 1 else ""


def _require_inside(path: Path, root: Path) -> None:
    """Refuse a path that leads through a link below `root`."""
    root = root.absolute()  # either may be relative to the working folder
    for part in path.absolute().relative_to(root).parents:
        if part.parts and (root / part).is_symlink():
            raise _odd(root / part)


def _odd(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is not an ordinary file", str(path))


# Names


def new_name(environment: str, when: float) -> str:
    """A run's name: `<environment>-<YYYYmmdd-HHMMSS>-<short id>`, `when` in unix seconds."""
    safe = file_name(environment, LONGEST_NAME) or "run"
    return f"{safe}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(when))}-{secrets.token_hex(2)}"


def list_runs(directory: Path) -> list[Path]:
    """The run folders in `directory`, newest first; empty if the directory does not exist."""
    folders = [path.parent for path in directory.glob(f"*/{DATABASE}")]
    visible = [folder for folder in folders if not folder.name.startswith(".")]
    return sorted(visible, key=_created, reverse=True)


def latest_moment(directory: Path) -> float:
    """When the newest run in a directory began, in unix seconds; 0 if there is none."""
    return max(map(_created, list_runs(directory)), default=0.0)


@dataclass(frozen=True)
class _Beginning:
    created: float


def _created(folder: Path) -> float:
    """When the run began, in unix seconds; if it is unreadable, when it was last written."""
    try:
        with closing(Database(folder / DATABASE, read_only=True)) as database:
            return database.select(_Beginning, "SELECT created FROM run LIMIT 1")[0].created
    except (EurekaError, IndexError):
        with suppress(OSError):
            return (folder / DATABASE).lstat().st_mtime
        return 0.0


def find_run(text: str, directory: Path) -> Path:
    """The folder of the run that `text` means.

    Args:
        text: `latest`, the path of a run folder, a run's name or an unambiguous beginning of it.
        directory: the folder of all runs.

    Raises:
        UsageError: no run or several fit; the message names the runs.
    """
    path = expanded(text)
    with suppress(ValueError):  # a name with a NUL
        if text != "latest" and os.path.lexists(path / DATABASE):
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
    text = text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."
    guess = did_you_mean(text, [run.name for run in runs], quote="")
    raise UsageError(
        f"There is no run {text!r} in {directory}.", guess or f"There are: {_names(runs)}."
    )


def _names(runs: list[Path]) -> str:
    more = f" and {len(runs) - SHOWN} more" if len(runs) > SHOWN else ""
    return ", ".join(run.name for run in runs[:SHOWN]) + more


# The lock


@contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold the lock file `path` for the length of the block.

    A child that is forked without exec shares the lock and would keep it beyond this process's
    death; children that are started the ordinary way get their descriptor closed.

    Raises:
        UsageError: another process holds it; the message names that process. Or it is not a file.
        StorageError: it cannot be made, or the file system has no locks.
    """
    try:
        descriptor = _open_lock(path, os.O_RDWR | os.O_CREAT)
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
        with suppress(OSError):  # on a full disk; it only says who holds the lock
            os.truncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock now; false if that cannot be found out."""
    try:
        descriptor = _open_lock(path, os.O_RDONLY)
    except (OSError, UsageError):
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)


def _open_lock(path: Path, flags: int) -> int:
    """A descriptor of a lock file: never what a link leads to, and never waiting for a pipe.

    Raises:
        UsageError: it is not an ordinary file, or one with a second name.
        OSError: it cannot be opened.
    """
    odd = UsageError(
        f"{path} is not an ordinary file, as the lock of a run is.",
        "Remove it, if you know what it is.",
    )
    try:
        descriptor = os.open(path, flags | _NO_LINK_NO_WAIT, 0o644)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise odd from error
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        os.close(descriptor)
        raise odd
    return descriptor


def _acquire(descriptor: int, path: Path) -> bool:
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(LOCK_PAUSE)
        except OSError as error:
            raise StorageError(
                f"{path} cannot be locked: {error.strerror}. Its file system has no file locks "
                "that work, as some network file systems.",
                "Keep runs on a local disk: --runs DIR.",
            ) from error
    return False
