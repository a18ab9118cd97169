"""How a child comes to life: the parent's `command`, and `main`, the first thing the child runs.

The interpreter starts without user site packages and without the working folder on its path, and
imports from where the parent does, which works from a checkout, an editable install and a wheel.
`-I` would say the same, but it also ignores PYTHONHASHSEED, and with it goes reproducibility;
the environment is an allow-list, so no other PYTHON variable can be there.
"""

import json
import os
import resource
import runpy
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from eureka_agent.workers.isolation.syscalls import prctl

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_LOCKED_MIB = 64


@dataclass(frozen=True)
class Limits:
    """What a child may use.

    Attributes:
        parent: pid of the process without which the child must not live.
        address_space_gib: virtual memory; None for no limit (CUDA maps far more than it uses).
        file_mib: size of the largest file it may write.
        open_files: file descriptors.
    """

    parent: int
    address_space_gib: float | None = None
    file_mib: int = 64
    open_files: int = 256


def confine(limits: Limits) -> None:
    """Take every step, in order.

    Raises:
        OSError: a step did not hold.
    """
    for step in _STEPS:
        step(limits)


def _die_with_parent(limits: Limits) -> None:
    """End when the parent does, however it ends; where there is no such call, at the pipes' end."""
    if sys.platform == "linux":
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != limits.parent:  # it was gone before the call above
        raise ProcessLookupError("The parent is gone.")


def _limit_resources(limits: Limits) -> None:
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_FSIZE, limits.file_mib << 20)
    _set_limit(resource.RLIMIT_NOFILE, limits.open_files)
    _set_limit(resource.RLIMIT_MEMLOCK, _LOCKED_MIB << 20)
    if limits.address_space_gib is not None and sys.platform == "linux":
        _set_limit(resource.RLIMIT_AS, int(limits.address_space_gib * (1 << 30)))


def _forbid_new_privileges(limits: Limits) -> None:
    del limits
    if sys.platform == "linux":
        prctl(_PR_SET_NO_NEW_PRIVS, 1)


_STEPS: tuple[Callable[[Limits], None], ...] = (
    _die_with_parent,
    _limit_resources,
    _forbid_new_privileges,
)


def _set_limit(which: int, value: int) -> None:
    """Set soft and hard limit, so that it cannot be raised again."""
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


_FIRST_WORDS = (
    "import json, sys; options = json.loads(sys.argv[1]); sys.path[:] = options['path']; "
    "from eureka_agent.workers.isolation.bootstrap import main; main(options)"
)


def command(
    module: str, limits: Limits, blame: Path, import_path: Sequence[Path] = ()
) -> list[str]:
    """Return the command line that runs `module` as a confined child.

    Args:
        module: dotted name of a module that calls `serve` when run.
        limits: what the child may use.
        blame: the file of the shared byte.
        import_path: folders to import from beside the parent's.
    """
    package_root = str(Path(__file__).resolve().parents[3])
    # Absolute, as the child works in another folder; the parent's "" is its working folder.
    path = [os.path.abspath(entry) for entry in (*import_path, *sys.path)]
    if package_root not in path:
        path.append(package_root)  # an editable install may have found it without the path
    options = {"module": module, "limits": asdict(limits), "blame": str(blame), "path": path}
    return [sys.executable, "-P", "-s", "-B", "-c", _FIRST_WORDS, json.dumps(options)]


def main(options: dict) -> None:
    """Confine this process, then run the module with its pipes and the shared byte as arguments."""
    source, sink = _take_pipes()
    confine(Limits(**options["limits"]))
    sys.argv = [options["module"], str(source), str(sink), options["blame"]]
    runpy.run_module(options["module"], run_name="__main__", alter_sys=True)


def _take_pipes() -> tuple[int, int]:
    """Move the protocol's pipes away from fds 0 and 1, so that a stray print cannot corrupt it."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


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
