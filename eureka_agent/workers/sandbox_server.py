"""The sandbox's self-test: tries what a locked process must not be able to do. See `serve`.

What a kernel's version promises is no proof. So each layer is put on by a fork of this process,
which then tries every forbidden thing and reports what was refused.
"""

import contextlib
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from eureka_agent.common.errors import describe
from eureka_agent.workers.isolation import landlock, seccomp
from eureka_agent.workers.isolation.lock import drop_capabilities, lock
from eureka_agent.workers.isolation.syscalls import NUMBERS, system_call
from eureka_agent.workers.protocol import Message, done
from eureka_agent.workers.serve import Reporter, serve

_FIOSETOWN, _F_SETSIG = 0x8901, 10

Attempt = Callable[[], object]

RUN_A_PROGRAM = "run another program"
WORK = "compute in threads"
"""The only thing that must still be possible."""


def attempts(victim: Path, descriptor: int, connection: int) -> dict[str, Attempt]:
    """Every forbidden thing, by what it is called. Each raises where it is refused.

    Args:
        victim: a file that may come to harm.
        descriptor: of an open file.
        connection: descriptor of a socket that is connected to another one.
    """
    parent = os.getppid()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {
        "read a file": lambda: os.close(os.open(victim, os.O_RDONLY)),
        "write a file": lambda: os.close(os.open("written", os.O_WRONLY | os.O_CREAT)),
        "change a file": lambda: victim.chmod(0o600),
        "read a file's attributes": lambda: os.listxattr(victim),
        "delete a file": victim.unlink,
        "load a library": lambda: mmap.mmap(
            descriptor, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC
        ),
        "open a socket": lambda: socket.socket().close(),
        "connect": _connect,
        "make a pair of sockets": _pair,
        "send through a socket": lambda: _send(connection),
        "start a process": _fork,
        "signal another process": lambda: os.kill(parent, 0),
        "have another process signalled": lambda: fcntl.fcntl(connection, fcntl.F_SETOWN, parent),
        "have a socket signal another process": lambda: fcntl.ioctl(
            connection, _FIOSETOWN, struct.pack("i", parent)
        ),
        "choose a signal": lambda: fcntl.fcntl(connection, _F_SETSIG, signal.SIGKILL),
        "look into another process": lambda: Path(f"/proc/{parent}/environ").read_bytes(),
        "reach another process": lambda: os.close(os.pidfd_open(parent)),
        "raise a limit": lambda: resource.prlimit(0, resource.RLIMIT_NOFILE, limit),
        "take another user's rights": lambda: os.setgid(os.getgid()),
        "use a privilege": lambda: os.setgroups(os.getgroups()),
        RUN_A_PROGRAM: lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
    }


def _connect() -> None:
    with socket.socket() as connection, contextlib.suppress(ConnectionRefusedError):
        connection.connect(("127.0.0.1", 9))


def _pair() -> None:
    for end in socket.socketpair():
        end.close()


def _send(connection: int) -> None:
    number = NUMBERS[seccomp.machine()]["sendto"]
    system_call("sendto", number, connection, b"x", 1, 0, None, 0)


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _compute_in_thread() -> None:
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(sum(range(1000))))
    thread.start()
    thread.join()
    assert results


STAGES: dict[str, Callable[[], object]] = {
    "nothing": lambda: None,
    "capabilities": drop_capabilities,
    "landlock": lambda: landlock.restrict(()),
    "seccomp": seccomp.restrict,
    "together": lock,
}
"""What a fork puts on before it tries."""


def try_stage(stage: str) -> dict[str, str]:
    """Try everything in a fork of this process.

    Returns:
        By attempt: "" if it was refused, else what happened. `WORK` the other way round.
    """
    victim = Path("victim")
    victim.write_bytes(b"x")
    reader, writer = os.pipe()
    if os.fork() == 0:
        try:
            _try_all(stage, victim, writer)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        outcome = dict(json.loads(line) for line in told)
    os.wait()
    return outcome


def _try_all(stage: str, victim: Path, writer: int) -> None:
    """Write what happens, one line an attempt: the last one may be the end of this process."""

    def tell(name: str, outcome: str) -> None:
        os.write(writer, f"{json.dumps([name, outcome])}\n".encode())

    descriptor = os.open(victim, os.O_RDONLY)
    near, far = socket.socketpair()
    tried = attempts(victim, descriptor, near.fileno())
    try:
        STAGES[stage]()
        _compute_in_thread()
    except Exception as error:
        tell(WORK, describe(error))
        return
    tell(WORK, "")
    for name, attempt in tried.items():
        if name == RUN_A_PROGRAM:
            tell(name, "it ran")  # this process is another program then
        tell(name, _outcome(attempt, PermissionError))
    far.close()


def _outcome(attempt: Attempt, refusal: type[OSError]) -> str:
    try:
        attempt()
    except refusal:
        return ""
    except Exception as error:
        return describe(error)
    return "it worked"


def try_stages(request: Message, reporter: Reporter) -> Message:
    """Fields: `stages`. Replies with `outcomes` by stage and attempt, and Landlock's `abi`."""
    outcomes = {stage: try_stage(stage) for stage in request.fields["stages"]}
    return done({"outcomes": outcomes, "abi": landlock.abi()})


def try_wrapper(request: Message, reporter: Reporter) -> Message:
    """Try what a wrapper must keep from a worker that is not locked yet.

    Fields: `process` (an id), `port` (one that is listened to), `folder`. Replies with `outcomes`
    by attempt as `try_stage` has them, except that what is not there counts as refused, too.
    """
    process, port = request.fields["process"], request.fields["port"]
    target = Path(request.fields["folder"]) / "written"
    tried: dict[str, Attempt] = {
        "see another process": lambda: os.kill(process, 0),
        "connect": lambda: socket.create_connection(("127.0.0.1", port), timeout=5.0).close(),
        "write a file": target.touch,
    }
    return done({"outcomes": {name: _outcome(tried[name], OSError) for name in tried}})


if __name__ == "__main__":
    serve(try_stages, try_wrapper)
