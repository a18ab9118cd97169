"""Files of a run folder: written whole or not at all, read only where they are what they seem.

A run folder may come from a stranger, who planted links, pipes or devices in it. So nothing here
follows a link below the run folder, waits for a pipe or reads more than it was told to.
"""

import errno
import os
import secrets
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from eureka_agent.common.errors import UsageError

DRAFTS = ".*.tmp*"
"""Pattern of the names of drafts, which a killed process leaves behind."""
MOST_ARRAY_BYTES = 4 << 30
"""Bytes of recorded episodes in one file, unpacked."""
MOST_FILES = 1_000_000
"""Entries of a run folder that are looked at before it is refused."""


@contextmanager
def draft_of(path: Path) -> Iterator[Path]:
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
        except OSError as error:  # what is in the way is what is named, not the draft
            raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def require_replaceable(path: Path) -> None:
    """Refuse an output that somebody named and that would take the place of no ordinary file.

    A device such as /dev/null would be gone for all programs of the machine.

    Raises:
        OSError: there is a device, a pipe, a link or the like.
    """
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "a device, a pipe or a link is there", str(path))


def write_atomically(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, whenever the process is killed."""
    with draft_of(path) as draft:
        # Program text may hold lone surrogates; they must not cost us the file.
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")


def begin(path: Path) -> IO[bytes]:
    """A new empty file in place of what is there, for what has to be readable while it grows."""
    path.unlink(missing_ok=True)
    return open(path, "xb")


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
        OSError: it is not there, cannot be read, or is no regular file.
    """
    if root is not None:
        _require_inside(path, root)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _odd(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _odd(path)
    return os.fdopen(descriptor, "rb")


def read_plain(path: Path, limit: int, root: Path | None = None) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises:
        OSError: see `open_plain`, or it is larger.
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
        BadZipFile: it is no such file. What is wrong with single arrays comes up on reading them.
    """
    import numpy as np  # which what only looks at runs does not need

    with open_plain(path) as file:
        with zipfile.ZipFile(file) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > MOST_ARRAY_BYTES:
            raise OSError(errno.EFBIG, f"it unpacks to {size:,} bytes", str(path))
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            yield arrays


def require_plain_folder(folder: Path) -> None:
    """Refuse a run folder in which writing could reach beyond it.

    Raises:
        UsageError: it holds a link, a file with a second name, or something that is no file.
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
                        "not go on with it.",
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
    except FileNotFoundError:  # a draft that has become what it was the draft of
        return ""
    if not stat.S_ISREG(status.st_mode):
        return "no ordinary file"
    return "a file with a second name (a hard link)" if status.st_nlink > 1 else ""


def _require_inside(path: Path, root: Path) -> None:
    """Refuse a path that leads through a link below `root`."""
    root = root.absolute()  # either may be relative to the working folder, whatever the other is
    for part in path.absolute().relative_to(root).parents:
        if part.parts and (root / part).is_symlink():
            raise _odd(root / part)


def _odd(path: Path) -> OSError:
    return OSError(errno.EINVAL, "it is a link or no ordinary file", str(path))
