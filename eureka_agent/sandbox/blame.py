"""One shared byte that says which lane's program a worker is running.

A worker that hangs or crashes cannot say why any more; the byte is already written. It is a hint
from an untrusted process: it chooses whom to try alone first, never more.
"""

import mmap
import os
from pathlib import Path

_NOBODY = 255


class BlameReader:
    """The parent's side, which also creates the file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(self._file, bytes([_NOBODY]))

    def lane(self) -> int | None:
        """The lane whose program is running; None if there is none."""
        # Read, not mapped: a child that cut the file short would end whoever has it mapped.
        content = os.pread(self._file, 1, 0)
        return content[0] if content and content[0] != _NOBODY else None

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)


class BlameWriter:
    """The child's side: a store to memory, cheap enough for every call of a program."""

    def __init__(self, path: Path) -> None:
        with open(path, "r+b") as file:
            self._byte = mmap.mmap(file.fileno(), 1)

    def __call__(self, lane: int) -> None:
        """Say that `lane` runs from now on, or nobody (-1)."""
        self._byte[0] = lane % 256
