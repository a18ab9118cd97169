"""Programs that a child is started inside of: bubblewrap on Linux, sandbox-exec on macOS.

They stand in where the lock-down lacks a layer; `isolation` says where.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_PROFILE = """(version 1)
(allow default)
(deny network*)
(deny process-fork)
(deny signal (target others))
(deny file-write*)
(allow file-write* (subpath "{scratch}") (literal "/dev/null"))
"""


@dataclass(frozen=True)
class Wrapper:
    """A program that runs another one with less around it.

    Attributes:
        name: of the program, as it is found on the PATH.
        words: what stands before a child's command, given its scratch folder.
        parent: process id that the child sees as its parent's; None if it sees the true one.
    """

    name: str
    words: Callable[[Path], list[str]]
    parent: int | None = None


def _bubblewrap(scratch: Path) -> list[str]:
    folder = str(scratch)
    return [
        *("bwrap", "--unshare-all", "--die-with-parent"),
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *("--bind", folder, folder, "--chdir", folder, "--"),
    ]


def _sandbox_exec(scratch: Path) -> list[str]:
    profile = _PROFILE.format(scratch=scratch.resolve())  # /var is a link to /private/var there
    return ["sandbox-exec", "-p", profile]


BUBBLEWRAP = Wrapper("bwrap", _bubblewrap, parent=1)
"""A machine without network, other processes and shared memory, read-only but for the scratch
folder. What the user can read stays readable: the lock-down ends that."""
SANDBOX_EXEC = Wrapper("sandbox-exec", _sandbox_exec)
"""macOS: no network, no new processes, no signals, nothing written outside the scratch folder. What
the user can read stays readable. Written by its documentation and not run: nobody had a Mac."""
