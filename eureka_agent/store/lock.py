"""One searching process per run, by a lock that the kernel drops however its holder dies."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eureka_agent.errors import StorageError, UsageError

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
