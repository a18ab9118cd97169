"""A supervised worker process: the client's side of everything that is not trusted."""

import math
import os
import queue
import re
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeVar

from eureka_agent.common.environments import PATH_LIST, search_path
from eureka_agent.common.paths import expanded
from eureka_agent.common.text import log_text
from eureka_agent.workers.isolation.bootstrap import Wrapper, command
from eureka_agent.workers.protocol import (
    ActiveLaneReader,
    InvalidReply,
    JobFailed,
    MemoryExceeded,
    Message,
    ProtocolError,
    WorkerDied,
    WorkerFailed,
    WorkerHung,
    crash_location,
    encode,
    read_message,
    write_parts,
)

START_S = 120.0
"""Time until a process must be ready, imports included."""
POLL_S = 0.25
"""Seconds between two checks of a worker's memory and clock."""
CLOSE_S = 2.0
"""Seconds that a worker has to end by itself when its parent hangs up."""
STDERR_LIMIT = 8000
"""Characters of a failed worker's stderr that are kept."""
SCRATCH_PREFIX = "eureka-"
"""Start of a scratch folder's name, before the pid of the parent that made it and a hyphen."""

_FREE_HEARTBEATS, _HEARTBEATS_PER_SECOND = 100, 20
_INHERITED = ("LD_LIBRARY_PATH", "MKL_CBWR", "CUDA_VISIBLE_DEVICES")

Failure = TypeVar("Failure", bound=WorkerFailed)
OnProgress = Callable[[Mapping[str, Any]], None]
Incoming = queue.Queue[Message | ProtocolError | None]
"""A worker's messages, then None if its stream ended cleanly, or the error if it did not."""


class Closing:
    """A context manager that is closed at its end."""

    def close(self) -> None:
        """Give back its resources."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class WorkerProcess(Closing):
    """A process with its own session and scratch folder that answers requests.

    It sees an allow-listed environment and dies with its parent. One request runs at a time. A
    `WorkerProcess` belongs to one thread, which must live as long as the process does: Linux ends
    the process with the *thread* that started it.

    Args:
        module: dotted name of the module to run; it calls `serve.serve`.
        memory_gib: resident memory above which the process is ended; polled, on Linux only.
        address_space_gib: virtual memory at which its allocations fail; None for no limit.
        heartbeat_timeout_s: silence within a request after which it counts as hung.
        import_path: folders it imports from beside the parent's.
        wrapper: the program to start it inside of.
    """

    def __init__(
        self,
        module: str,
        *,
        memory_gib: float = 4.0,
        address_space_gib: float | None = None,
        heartbeat_timeout_s: float = 60.0,
        import_path: Sequence[Path] = (),
        wrapper: Wrapper | None = None,
    ) -> None:
        self.name = module.rpartition(".")[2].removesuffix("_server")
        self._memory_gib, self._heartbeat_timeout_s = memory_gib, heartbeat_timeout_s
        self._ready = False

        remove_abandoned(Path(tempfile.gettempdir()))
        scratch = Path(tempfile.mkdtemp(prefix=f"{SCRATCH_PREFIX}{os.getpid()}-"))
        self._active_lane = ActiveLaneReader(scratch / "active_lane")
        self._stderr = open(scratch / "stderr.txt", "w+b", buffering=0)
        words = command(
            module,
            scratch / "active_lane",
            wrapper.parent if wrapper and wrapper.parent else os.getpid(),
            address_space_gib=address_space_gib,
            import_path=import_path,
        )
        self._process = subprocess.Popen(
            [*(wrapper.words(scratch) if wrapper else ()), *words],
            env=_environment(scratch),
            cwd=scratch,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
            bufsize=0,  # no buffers, no locks: closing a pipe never waits for a thread stuck in it
        )
        # One place: a worker that sends faster than the parent reads must wait, not fill memory.
        self._incoming: Incoming = queue.Queue(maxsize=1)
        reader = threading.Thread(
            target=_receive,
            args=(self._process.stdout, self._incoming),
            name=f"reader of {self.name}",
            daemon=True,
        )
        reader.start()
        # Runs once: at close, when the object is forgotten, or when the program ends.
        self._end = weakref.finalize(
            self,
            _clean_up,
            os.getpid(),
            self._process,
            reader,
            self._incoming,
            [self._active_lane.close, self._stderr.close],
            scratch,
        )

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process can still be asked something."""
        return self._end.alive and not _has_ended(self._process)

    def request(
        self,
        message: Message,
        *,
        deadline_s: float,
        processor_s: float = math.inf,
        on_progress: OnProgress | None = None,
    ) -> Message:
        """Send a request and wait for the reply.

        Args:
            message: the request.
            deadline_s: time for the whole answer, not counting the process's start.
            processor_s: processor time for it, which other users of the machine do not take.
            on_progress: gets the fields of every heartbeat, unchecked.

        Raises:
            JobFailed: the worker answered with an error; it can be asked again.
            WorkerDied: it ended without an answer, or was already dead.
            WorkerHung: no heartbeat for too long, or no answer within `deadline_s` or
                `processor_s`.
            MemoryExceeded: it took too much memory.
            InvalidReply: it sent something else than a reply, or too much.
            ProtocolError: the request itself cannot be sent; nothing happened.

        If this raises anything but `JobFailed` once the request is on its way, the process and its
        group are dead; so an `on_progress` that raises cancels.
        """
        token = secrets.randbits(53)
        parts = encode(replace(message, token=token))
        if not self.alive:
            raise self._failure(WorkerDied, "had already ended")
        try:
            if not self._ready:
                if self._wait().kind != "ready":
                    raise self._failure(InvalidReply, "spoke before it was ready")
                self._ready = True
            if not self._incoming.empty():
                self._next()  # raises its own error if that is no message
                raise self._failure(InvalidReply, "spoke without being asked")
            # Sent from a thread: a worker that does not read would block its supervisor.
            sender = threading.Thread(target=_send, args=(self._process.stdin, parts), daemon=True)
            sender.start()
            reply = self._wait(deadline_s, self._heartbeat_timeout_s, processor_s, on_progress)
            sender.join(POLL_S)
            if sender.is_alive():
                raise self._failure(InvalidReply, "answered before it had read the question")
            if reply.token != token:  # programs may write to the pipe, but cannot guess the token
                raise self._failure(InvalidReply, "answered something that it was not asked")
            if reply.kind not in ("done", "error"):
                raise self._failure(InvalidReply, "answered with something else than a reply")
        except BaseException:
            self.kill()
            raise
        if reply.kind == "error":  # the worker cleaned these texts, but is not trusted to
            kind, said = (str(reply.fields.get(name, "")) for name in ("type", "message"))
            raise JobFailed(log_text(kind, 100), log_text(said, 1000, newlines=True))
        return reply

    def kill(self) -> None:
        """End the process and every other of its group, now."""
        _end_group(self._process)

    def close(self) -> None:
        """Hang up, wait for the process to end, kill what is left, remove the scratch folder."""
        if self._end.alive:
            assert self._process.stdin is not None
            self._process.stdin.close()
            _has_ended(self._process, CLOSE_S)
        self._end()

    def _wait(
        self,
        deadline_s: float = START_S,
        silence_s: float = START_S,
        processor_s: float = math.inf,
        on_progress: OnProgress | None = None,
    ) -> Message:
        """Return the next message that is no heartbeat."""
        start = last_sign = time.monotonic()
        spent, _ = _usage(self.pid)
        heartbeats = 0
        while True:
            # Checked before the queue: what a process sent before it ended is read first.
            ended = _has_ended(self._process)
            message = self._next()
            now = time.monotonic()
            if message is None:  # only now is it silent: the parent itself may have been busy
                if ended:
                    raise self._died()
                if now - last_sign > silence_s:
                    raise self._failure(WorkerHung, f"gave no sign of life for {silence_s:g} s")
            elif message.kind != "heartbeat":
                return message
            else:
                last_sign = now
                heartbeats += 1
                if heartbeats > _FREE_HEARTBEATS + _HEARTBEATS_PER_SECOND * (now - start):
                    raise self._failure(InvalidReply, "floods its parent with heartbeats")
                if on_progress is not None:
                    on_progress(message.fields)
            if now - start > deadline_s:
                raise self._failure(WorkerHung, f"gave no answer within {deadline_s:g} s")
            used_s, used_gib = _usage(self.pid)
            if used_s - spent > processor_s:
                said = f"gave no answer within {processor_s:g} s of processor time"
                raise self._failure(WorkerHung, said)
            if used_gib > self._memory_gib:
                said = f"took more than {self._memory_gib:.3g} GiB of memory"
                raise self._failure(MemoryExceeded, said)

    def _next(self) -> Message | None:
        """The next message; None if none comes for a moment; raises if none can come."""
        try:
            message = self._incoming.get(timeout=POLL_S)
        except queue.Empty:
            return None
        if isinstance(message, ProtocolError):
            raise self._failure(InvalidReply, f"sent garbage: {message}")
        if message is None:
            raise self._died()
        return message

    def _died(self) -> WorkerDied:
        _has_ended(self._process, POLL_S)  # it hung up; its own exit status says more than a kill
        status = self._process.returncode
        if status is None:
            what = "hung up"
        elif status >= 0:
            what = f"ended with exit status {status} and no answer"
        else:
            known = {member.value: member.name for member in signal.Signals}
            what = f"was ended by {known.get(-status, f'signal {-status}')}"
        return self._failure(WorkerDied, what)

    def _failure(self, kind: type[Failure], what: str) -> Failure:
        lane, stderr = None, ""
        if self._end.alive:
            lane = self._active_lane.lane()
            # The parent's own descriptor: under its name the worker could put another file there.
            size = os.fstat(self._stderr.fileno()).st_size
            tail = os.pread(self._stderr.fileno(), STDERR_LIMIT, max(0, size - STDERR_LIMIT))
            stderr = log_text(tail.decode(errors="replace"), STDERR_LIMIT, newlines=True)
        where = "" if lane is None else f" while lane {lane} was running"
        words, place = crash_location(stderr)
        last_words = f" Its last words: {log_text(words[-200:])}" if words else ""
        at = f" {log_text(place)}" if place else ""
        return kind(f"The {self.name} process {what}{where}.{at}{last_words}", lane)


def _environment(scratch: Path) -> dict[str, str]:
    """The environment of a worker, an allow-list: it holds no keys."""
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    if folders := search_path():  # an environment may be a variant of another, found by its name
        inherited[PATH_LIST] = os.pathsep.join(map(str, folders))
    # GPU kernels take minutes to compile, so they are kept outside the scratch folder.
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    kernels = os.environ.get("WARP_CACHE_PATH") or os.path.join(caches, "warp")
    return inherited | {
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "WARP_CACHE_PATH": str(expanded(kernels).absolute()),  # a worker has its own folder
        # Waiting threads sleep: spinning ones would starve others on the machine.
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def remove_abandoned(temporary: Path) -> None:
    """Remove scratch folders of this user whose parent is gone: SIGKILL left it no time to.

    A folder with a living owner is never touched, and a dead one makes no folders, so other
    processes do not matter; nor does a folder that another process removes at the same time.
    """
    for folder in temporary.glob(f"{SCRATCH_PREFIX}*"):
        owner = re.match(rf"{SCRATCH_PREFIX}(\d{{1,9}})-", folder.name)
        with suppress(OSError):
            status = folder.lstat()
            ours = status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode)
            if owner and ours and not _lives(int(owner[1])):
                shutil.rmtree(folder, ignore_errors=True)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def _usage(pid: int) -> tuple[float, float]:
    """Processor time in s and GiB in RAM of a process tree; zeros where the kernel is silent."""
    try:
        # Behind the name, which may hold anything: the fields from the third on.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
        started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return 0.0, 0.0
    processor_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    memory_gib = int(pages) * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    for more_s, more_gib in (_usage(int(other)) for other in started):
        processor_s, memory_gib = processor_s + more_s, memory_gib + more_gib
    return processor_s, memory_gib


def _receive(stream: BinaryIO, incoming: Incoming) -> None:
    """Read frames until the stream ends (None comes last) or is broken (the error comes last)."""
    with stream:
        try:
            while (message := read_message(stream)) is not None:
                incoming.put(message)
            incoming.put(None)
        except ProtocolError as error:
            incoming.put(error)


def _send(stream: BinaryIO, parts: list[bytes | memoryview]) -> None:
    """Write a frame; `_wait` notices a worker that is gone."""
    with suppress(OSError, ValueError):  # ValueError: the pipe was closed under a stuck write
        write_parts(stream, parts)


def _has_ended(process: subprocess.Popen[bytes], patience_s: float = 0.0) -> bool:
    """Wait for a process that may end by itself; what it forked ends with it.

    Here and in `_end_group` the group is killed where its leader is reaped and never again: later,
    the same number may be another process's.
    """
    if process.returncode is None:
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            return False
        _kill_group(process.pid)
    return True


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its group; nothing if it has ended."""
    if process.returncode is None:
        _kill_group(process.pid)
        process.wait()


def _kill_group(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # no process is left
        os.killpg(group, signal.SIGKILL)


def _clean_up(
    owner: int,
    process: subprocess.Popen[bytes],
    reader: threading.Thread,
    incoming: Incoming,
    closings: Sequence[Callable[[], None]],
    scratch: Path,
) -> None:
    """Take back everything that a parent gave to a worker; `owner` is that parent's pid."""
    if os.getpid() != owner:  # a fork of the parent ends, not the parent
        return
    _end_group(process)
    assert process.stdin is not None
    process.stdin.close()
    # The reader may wait at a full queue: empty it until the reader has met the stream's end.
    patience = time.monotonic() + 1.0
    while reader.is_alive() and time.monotonic() < patience:
        with suppress(queue.Empty):
            incoming.get(timeout=0.01)
    for close in closings:
        close()
    shutil.rmtree(scratch, ignore_errors=True)
