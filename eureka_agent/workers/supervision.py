"""What keeps a child in hand: its environment, its pipes, its memory and its end."""

import mmap
import os
import queue
import re
import shutil
import signal
import stat
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from eureka_agent.common.environments import PATH_LIST, search_path
from eureka_agent.common.paths import expanded
from eureka_agent.workers.protocol import Message, ProtocolError, read_message, write_parts

Incoming = queue.Queue[Message | ProtocolError | None]
"""Messages of a child, then None if its stream ended cleanly or the error if it did not."""

SCRATCH_PREFIX = "eureka-"
"""Beginning of the name of a scratch folder; the pid of the parent that made it and "-" follow."""

_INHERITED = ("LD_LIBRARY_PATH", "MKL_CBWR", "CUDA_VISIBLE_DEVICES")


class Closable(Protocol):
    """What can be closed."""

    def close(self) -> None:
        """Give it back."""


def child_environment(scratch: Path, threads: int) -> dict[str, str]:
    """Everything a child sees of the environment: nothing that is not named here, so no keys."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    if folders := search_path():  # an environment may be a variant of another, found by its name
        inherited[PATH_LIST] = os.pathsep.join(map(str, folders))
    return inherited | {
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "PYTHONHASHSEED": "0",
        "WARP_CACHE_PATH": _kernel_cache(),
        # Waiting threads sleep: spinning ones would starve whoever shares the machine.
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def _kernel_cache() -> str:
    """Where GPU kernels are kept: they take minutes to compile, and scratch folders go."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    kernels = os.environ.get("WARP_CACHE_PATH") or os.path.join(caches, "warp")
    return str(expanded(kernels).absolute())  # a child has another working folder


def remove_abandoned(temporary: Path) -> None:
    """Remove scratch folders of this user whose parent is gone: SIGKILL left it no time to.

    A folder with a living owner is never touched, and nobody makes a folder in the name of a dead
    one, so it does not matter what else goes on; what others remove at the same time is no error.
    """
    for folder in temporary.glob(f"{SCRATCH_PREFIX}*"):
        owner = re.match(rf"{SCRATCH_PREFIX}(\d{{1,9}})-", folder.name)
        with suppress(OSError):
            status = folder.lstat()
            if owner is None or status.st_uid != os.getuid() or not stat.S_ISDIR(status.st_mode):
                continue
            if not _lives(int(owner[1])):
                shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def receive(stream: BinaryIO, incoming: Incoming, payload_limit: int) -> None:
    """Read frames until the stream ends (None comes last) or is none (the error comes last)."""
    with stream:
        try:
            while (message := read_message(stream, payload_limit)) is not None:
                incoming.put(message)
        except ProtocolError as error:
            incoming.put(error)
        else:
            incoming.put(None)


def send(stream: BinaryIO, parts: list[bytes | memoryview]) -> None:
    """Write a frame to a child; one that is gone is noticed by who waits for its answer."""
    with suppress(OSError, ValueError):  # ValueError: the pipe was closed under a stuck write
        write_parts(stream, parts)


def resident_bytes(pid: int) -> int:
    """Memory in RAM of a process and those it started; 0 where the kernel does not say."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0
    own = int(pages) * os.sysconf("SC_PAGE_SIZE")
    return own + sum(resident_bytes(int(child)) for child in started)


def processor_seconds(pid: int) -> float:
    """Processor time of a process and those it started; 0 where the kernel does not say."""
    try:
        # Behind the name, which may hold anything: the fields from the third on.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(processor_seconds(int(child)) for child in started)


def has_ended(process: subprocess.Popen[bytes], patience_s: float = 0.0) -> bool:
    """Wait for a process that may end by itself; what it forked ends with it.

    Here and in `end_group` the group is killed where its leader is reaped and never again: later,
    the same number may be another process's.
    """
    if process.returncode is None:
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return False
        _kill_group(process.pid)
    return True


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its group; nothing if it has ended."""
    if process.returncode is None:
        _kill_group(process.pid)
        process.wait()


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # there is nobody left
        os.killpg(group, signal.SIGKILL)


def clean_up(
    owner: int,
    process: subprocess.Popen[bytes],
    reader: threading.Thread,
    incoming: Incoming,
    resources: Iterable[Closable],
    scratch: Path,
) -> None:
    """Take back everything a child was given; `owner` is the pid of the parent that gave it."""
    if os.getpid() != owner:  # a fork of the parent ends, not the parent
        return
    end_group(process)
    assert process.stdin is not None
    process.stdin.close()
    # The reader may stand before a full queue; empty it until the reader has met the stream's end.
    patience = time.monotonic() + 1.0
    while reader.is_alive() and time.monotonic() < patience:
        with suppress(queue.Empty):
            incoming.get(timeout=0.01)
    for resource in resources:
        resource.close()
    shutil.rmtree(scratch, ignore_errors=True)


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
