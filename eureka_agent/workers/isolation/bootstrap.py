"""How a worker starts: its client's `command`, and `main`, the first thing that the worker runs.

The interpreter starts without user site packages and without the working folder on its path, and
imports from where the client does, which works from a checkout, an editable install and a wheel.
`-I` would do the same, but it also ignores PYTHONHASHSEED, and with it goes reproducibility;
the environment is an allow-list, so no other PYTHON variable can be there.
"""

import json
import os
import resource
import runpy
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eureka_agent.workers.isolation.syscalls import prctl

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_FILE_MIB, _LOCKED_MIB, _OPEN_FILES = 64, 64, 256
"""Limits of a worker: size of the largest file it may write, locked memory, file descriptors."""
_MAIN = (
    "import json, sys; options = json.loads(sys.argv[1]); sys.path[:] = options['path']; "
    "from eureka_agent.workers.isolation.bootstrap import main; main(options)"
)


def command(
    module: str,
    active_lane: Path,
    parent: int,
    *,
    address_space_gib: float | None = None,
    import_path: Sequence[Path] = (),
) -> list[str]:
    """Return the command line that runs `module` as a confined worker.

    Args:
        module: dotted name of a module that calls `serve` when run.
        active_lane: the file of the shared byte.
        parent: pid of the process that the worker must not outlive.
        address_space_gib: virtual memory; None for no limit (CUDA maps far more than it uses).
        import_path: folders to import from beside the client's.
    """
    package_root = str(Path(__file__).resolve().parents[3])
    # Absolute, as the worker runs in another folder; the client's "" is its working folder.
    path = [os.path.abspath(entry) for entry in (*import_path, *sys.path)]
    if package_root not in path:
        path.append(package_root)  # an editable install may have found it without the path
    options = {
        "module": module,
        "active_lane": str(active_lane),
        "parent": parent,
        "address_space_gib": address_space_gib,
        "path": path,
    }
    return [sys.executable, "-P", "-s", "-B", "-c", _MAIN, json.dumps(options)]


def main(options: dict[str, Any]) -> None:
    """Confine this process, then run the module with its pipes and the shared byte as arguments."""
    # The protocol's pipes leave fds 0 and 1, so that a stray print cannot corrupt it.
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    confine(options["parent"], options["address_space_gib"])
    sys.argv = [options["module"], str(source), str(sink), options["active_lane"]]
    runpy.run_module(options["module"], run_name="__main__", alter_sys=True)


def confine(parent: int, address_space_gib: float | None) -> None:
    """Give up rights that no worker needs, before anything else is imported or read.

    A worker that could not confine itself ends. Steps that a platform does not have are skipped.

    Raises:
        OSError: a step did not hold.
    """
    linux = sys.platform == "linux"
    if linux:  # elsewhere it ends when its pipes do
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before the call above
        raise ProcessLookupError("The parent is gone.")
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_FSIZE, _FILE_MIB << 20)
    _set_limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    _set_limit(resource.RLIMIT_MEMLOCK, _LOCKED_MIB << 20)
    if address_space_gib is not None and linux:
        _set_limit(resource.RLIMIT_AS, int(address_space_gib * (1 << 30)))
    if linux:
        prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _set_limit(which: int, value: int) -> None:
    """Set soft and hard limit, so that it cannot be raised again."""
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


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
        words: those before a worker's command, given its scratch folder.
        parent: process id that the worker sees as its parent's; None if it sees the true one.
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
"""A machine without network, other processes and shared memory, read-only except for the scratch
folder. The user's files stay readable: the lock-down ends that."""
SANDBOX_EXEC = Wrapper("sandbox-exec", _sandbox_exec)
"""macOS: no network, no new processes, no signals, nothing written outside the scratch folder. The
user's files stay readable. Written from its documentation, and not yet run on a Mac."""
