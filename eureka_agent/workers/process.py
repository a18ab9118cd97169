"""A supervised child process: the parent's side of everything that is not trusted."""

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
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self, TypeVar

from eureka_agent.common.environments import PATH_LIST, search_path
from eureka_agent.common.paths import expanded
from eureka_agent.common.text import log_text
from eureka_agent.workers.isolation.bootstrap import Limits, Wrapper, command
from eureka_agent.workers.protocol import (
    PAYLOAD_LIMIT,
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

POLL_S = 0.25
"""Seconds between two looks at a child's memory and clock."""
STDERR_LIMIT = 8000
"""Characters of stderr that are kept of a failed child."""

_FREE_HEARTBEATS, _HEARTBEATS_PER_SECOND = 100, 20

Failure = TypeVar("Failure", bound=WorkerFailed)
OnProgress = Callable[[Mapping[str, Any]], None]


class WorkerProcess:
    """A process of its own session, in a scratch folder of its own, that answers requests.

    It sees an allow-listed environment and dies with the parent. One request runs at a time; a
    `Child` belongs to one thread, which must live as long as the child does (Linux ends it with
    the *thread* that started it).

    Args:
        module: dotted name of the module to run; it calls `serve.serve`.
        threads: compute threads it may use.
        memory_gib: resident memory above which it is ended; polled, on Linux only.
        address_space_gib: virtual memory at which its allocations fail; None for no limit.
        heartbeat_timeout_s: silence within a request after which it counts as hung.
        start_timeout_s: time until it must be ready, imports included.
        payload_limit: most bytes of arrays in a message of either direction.
        import_path: folders it imports from beside the parent's.
        wrapper: what it is started inside of.
    """

    def __init__(
        self,
        module: str,
        *,
        threads: int = 1,
        memory_gib: float = 4.0,
        address_space_gib: float | None = None,
        heartbeat_timeout_s: float = 60.0,
        start_timeout_s: float = 120.0,
        payload_limit: int = PAYLOAD_LIMIT,
        import_path: Sequence[Path] = (),
        wrapper: Wrapper | None = None,
    ) -> None:
        self.name = module.rpartition(".")[2]
        self._memory_limit = memory_gib * (1 << 30)
        self._heartbeat_timeout_s = heartbeat_timeout_s
        self._start_timeout_s = start_timeout_s
        self._payload_limit = payload_limit
        self._ready = False

        remove_abandoned(Path(tempfile.gettempdir()))
        self._scratch = Path(tempfile.mkdtemp(prefix=f"{SCRATCH_PREFIX}{os.getpid()}-"))
        blame_path = self._scratch / "blame"
        self._blame = ActiveLaneReader(blame_path)
        self._stderr = open(self._scratch / "stderr.txt", "w+b", buffering=0)
        parent = wrapper.parent if wrapper and wrapper.parent else os.getpid()
        limits = Limits(parent=parent, address_space_gib=address_space_gib)
        before = wrapper.words(self._scratch) if wrapper else []
        self._process = subprocess.Popen(
            [*before, *command(module, limits, blame_path, import_path)],
            env=child_environment(self._scratch, threads),
            cwd=self._scratch,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
            bufsize=0,  # no buffers, no locks: closing a pipe never waits for who is stuck in it
        )
        # One place: a child that sends faster than the parent reads must wait, not fill its memory.
        self._incoming: Incoming = queue.Queue(maxsize=1)
        reader = threading.Thread(
            target=receive,
            args=(self._process.stdout, self._incoming, payload_limit),
            name=f"reader of {self.name}",
            daemon=True,
        )
        reader.start()
        # Runs once: at close, when the object is forgotten, or when the program ends.
        self._end = weakref.finalize(
            self,
            clean_up,
            os.getpid(),
            self._process,
            reader,
            self._incoming,
            [self._blame, self._stderr],
            self._scratch,
        )

    @property
    def pid(self) -> int:
        """Process id of the child, which is also its process group's."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the child can still be asked something."""
        return self._end.alive and not has_ended(self._process)

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
            deadline_s: time for the whole answer, not counting the child's start.
            processor_s: processor time for it: whoever else uses the machine does not count.
            on_progress: gets the fields of every heartbeat. They are a child's words.

        Raises:
            JobFailed: the child answered with an error; it can be asked again.
            ChildDied: it ended without an answer, or was already dead.
            Hung: no heartbeat for too long, or no answer within `deadline_s` or `processor_s`.
            MemoryExceeded: it took too much memory.
            Garbled: what it sent is not a message, or too much.
            ProtocolError: the request itself cannot be sent; nothing happened.

        Whenever this raises anything but `JobFailed` once the request is on its way, the child and
        its process group are dead; so an `on_progress` that raises cancels.
        """
        token = secrets.randbits(53)
        parts = encode(replace(message, token=token), self._payload_limit)
        if not self.alive:
            raise self._failure(WorkerDied, "had already ended")
        try:
            if not self._ready:
                self._await_ready()
            reply = self._exchange(parts, deadline_s, processor_s, on_progress)
            if reply.token != token:  # its programs may write to its pipe, but not foretell this
                raise self._failure(InvalidReply, "answered something that it was not asked")
        except BaseException:
            self.kill()
            raise
        if reply.kind == "error":
            raise _job_failed(reply)
        return reply

    def kill(self) -> None:
        """End the child and every process of its group, now."""
        end_group(self._process)

    def close(self, patience_s: float = 2.0) -> None:
        """Hang up, wait for the child to end, kill what is left, and remove the scratch folder."""
        if self._end.alive:
            assert self._process.stdin is not None
            self._process.stdin.close()
            has_ended(self._process, patience_s)
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _await_ready(self) -> None:
        patience = self._start_timeout_s
        if self._wait(patience, patience, math.inf, None).kind != "ready":
            raise self._failure(InvalidReply, "spoke before it was ready")
        self._ready = True

    def _exchange(
        self,
        parts: list[bytes | memoryview],
        deadline_s: float,
        processor_s: float,
        on_progress: OnProgress | None,
    ) -> Message:
        """Send from a thread: a child that does not read would block the one that watches it."""
        if not self._incoming.empty():
            self._next()  # raises what it has to say if it is no message
            raise self._failure(InvalidReply, "spoke without being asked")
        sender = threading.Thread(
            target=send, args=(self._process.stdin, parts), name=f"to {self.name}", daemon=True
        )
        sender.start()
        reply = self._wait(deadline_s, self._heartbeat_timeout_s, processor_s, on_progress)
        sender.join(POLL_S)
        if sender.is_alive():
            raise self._failure(InvalidReply, "answered before it had read the question")
        return reply

    def _wait(
        self,
        deadline_s: float,
        silence_s: float,
        processor_s: float,
        on_progress: OnProgress | None,
    ) -> Message:
        """Return the next message that is no heartbeat."""
        start = last_sign = time.monotonic()
        spent = processor_seconds(self._process.pid)
        heartbeats = 0
        while True:
            # Looked at before the queue: what a process sent before it ended is read first.
            ended = has_ended(self._process)
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
            if processor_seconds(self._process.pid) - spent > processor_s:
                said = f"gave no answer within {processor_s:g} s of processor time"
                raise self._failure(WorkerHung, said)
            if resident_bytes(self._process.pid) > self._memory_limit:
                limit = self._memory_limit / (1 << 30)
                raise self._failure(MemoryExceeded, f"took more than {limit:.3g} GiB of memory")

    def _next(self) -> Message | None:
        """Return the next message; None if none comes for a moment; raise if none can come."""
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
        has_ended(self._process, POLL_S)  # it hung up; its own exit status tells more than a kill
        failure = self._failure(WorkerDied, _describe(self._process.returncode))
        failure.status = self._process.returncode
        return failure

    def _failure(self, kind: type[Failure], what: str) -> Failure:
        lane, stderr = None, ""
        if self._end.alive:
            lane, stderr = self._blame.lane(), self._stderr_tail()
        where = "" if lane is None else f" while lane {lane} was running"
        words, place = crash_location(stderr)
        last_words = f" Its last words: {log_text(words[-200:])}" if words else ""
        at = f" {log_text(place)}" if place else ""
        said = f"The {self.name} process {what}{where}.{at}{last_words}"
        return kind(said, lane, stderr)

    def _stderr_tail(self) -> str:
        # The parent's own descriptor: by its name the child could put another file there.
        size = os.fstat(self._stderr.fileno()).st_size
        tail = os.pread(self._stderr.fileno(), STDERR_LIMIT, max(0, size - STDERR_LIMIT))
        return log_text(tail.decode(errors="replace"), STDERR_LIMIT, newlines=True)


def _job_failed(reply: Message) -> JobFailed:
    """The child cleaned these texts already, but it is not trusted to."""
    type_name, message = (str(reply.fields.get(name, "")) for name in ("type", "message"))
    return JobFailed(log_text(type_name, 100), log_text(message, 1000, newlines=True))


def _describe(status: int | None) -> str:
    if status is None:
        return "hung up"
    if status >= 0:
        return f"ended with exit status {status} and no answer"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


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
