"""The isolation of reward programs on this machine: tried out, and named by a level.

A kernel's version is no proof. So this module also runs as a worker: its forks put on each layer of
the lock-down, and try every forbidden thing. Workers that run programs put on the layers that held,
and end if one does not hold for them.
"""

import contextlib
import fcntl
import functools
import json
import mmap
import os
import platform
import resource
import shutil
import signal
import socket
import struct
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from eureka_agent.common.errors import MissingError, UsageError, describe
from eureka_agent.workers.isolation import landlock, seccomp
from eureka_agent.workers.isolation.bootstrap import BUBBLEWRAP, SANDBOX_EXEC, Wrapper
from eureka_agent.workers.isolation.lock import LANDLOCK, SECCOMP, drop_capabilities, lock
from eureka_agent.workers.isolation.syscalls import NUMBERS, system_call
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import JobFailed, Message, WorkerFailed, done
from eureka_agent.workers.serve import Reporter, serve

FULL, NEARLY_FULL, REDUCED = "full", "full-", "reduced"
MAC, WEAK, STATIC_ONLY = "mac", "weak", "static-only"
POLICIES = {"required": NEARLY_FULL, "auto": MAC, "weak": WEAK, "off": STATIC_ONLY}
"""Policies that a user can ask for, and the worst level that each accepts; `off` also locks
nothing."""

_LEVELS = {
    FULL: ("Landlock and seccomp hold", ""),
    NEARLY_FULL: ("Landlock of an older kernel and seccomp hold", ""),
    REDUCED: (
        "seccomp alone holds",
        "Landlock is missing, so one layer alone closes the file system to reward programs, and "
        "none does while they train on a GPU. Use Linux 5.13 or newer, in a container that lets "
        "Landlock through.",
    ),
    MAC: (
        "macOS's sandbox-exec holds",
        "On macOS sandbox-exec keeps reward programs from the network and from writing, not from "
        "reading this user's files. Run in a Linux virtual machine what you do not trust.",
    ),
    WEAK: (
        "Landlock or bubblewrap alone holds",
        "seccomp is missing, so reward programs may use parts of the network, start processes and "
        "disturb others. Run in a container or a virtual machine.",
    ),
    STATIC_ONLY: (
        "no lock-down holds, only the check of the text",
        "Only the check of their text keeps reward programs from this user's files, network and "
        "processes. Run in a container or a virtual machine.",
    ),
}
"""Meaning of each level, and a warning for the user."""
LEVELS = tuple(_LEVELS)
"""Best first."""
RUN_A_PROGRAM = "run another program"
WORK = "compute in threads"
"""The only thing that must still be possible."""
_FIOSETOWN, _F_SETSIG = 0x8901, 10
Attempt = Callable[[], object]

_MODULE, _DEADLINE_S = "eureka_agent.workers.sandbox", 60.0
_FULL_ABI = 4
_STAGES: dict[str, Callable[[], object]] = {
    "capabilities": drop_capabilities,
    LANDLOCK: lambda: landlock.restrict(()),
    SECCOMP: seccomp.restrict,
    "together": lock,
}
"""Layers that a fork puts on before it tries."""
_CLOSES = {
    "capabilities": {"use a privilege"},
    LANDLOCK: {"read a file", "write a file", "delete a file", "look into another process"},
}
"""Attempts that each stage must refuse; other stages refuse all."""


@dataclass(frozen=True)
class Isolation:
    """The isolation of reward programs.

    Attributes:
        level: one of `LEVELS`.
        layers: those of the lock-down that held in the self-test.
        findings: by layer, in words, the missing ones too.
        wrapper: the program to start workers inside of; None without one.
        system: kernel and architecture.
    """

    level: str
    layers: tuple[str, ...]
    findings: Mapping[str, str]
    wrapper: Wrapper | None
    system: str

    @property
    def warning(self) -> str:
        """A warning for the user, in plain words; may be empty."""
        return _LEVELS[self.level][1]

    @property
    def meaning(self) -> str:
        """The meaning of the level."""
        return _LEVELS[self.level][0]

    def __str__(self) -> str:
        found = "; ".join(f"{layer} {said}" for layer, said in self.findings.items())
        return f"{self.level}: {self.meaning} ({found}; {self.system})"


def require_isolation(policy: str) -> Isolation:
    """Detect this machine's isolation, and refuse it if the policy asks for more.

    Args:
        policy: a key of `POLICIES`.

    Raises:
        UsageError: there is no such policy.
        MissingError: the machine offers less.
    """
    if policy not in POLICIES:
        raise UsageError(f"There is no sandbox policy {policy!r}.", f"Use {', '.join(POLICIES)}.")
    if policy == "off":
        return Isolation(STATIC_ONLY, (), {"lock-down": "switched off"}, None, _system())
    found = detect_isolation()
    if not _accepts(policy, found.level):
        enough = next(name for name in POLICIES if _accepts(name, found.level))
        raise MissingError(
            f"The sandbox policy {policy!r} needs more than this machine can do: {found}.",
            f"{found.warning} To continue all the same: --sandbox {enough}.",
        )
    return found


@functools.cache
def detect_isolation() -> Isolation:
    """Try all layers in a worker, once in the life of this process."""
    if sys.platform == "darwin":
        failure = wrapper_failure(SANDBOX_EXEC)
        level, wrapper = (STATIC_ONLY, None) if failure else (MAC, SANDBOX_EXEC)
        findings = {SANDBOX_EXEC.name: failure or "holds"}
        return Isolation(level, (), findings, wrapper, _system())
    try:
        with WorkerProcess(_MODULE) as worker:
            request = Message("try_stages", {"stages": list(_STAGES)})
            said = worker.request(request, deadline_s=_DEADLINE_S).fields
    except (WorkerFailed, JobFailed) as error:
        said = {"outcomes": {stage: {_MODULE: error.message} for stage in _STAGES}, "abi": 0}
    found = prove(said["outcomes"], said["abi"])
    if found.level in (FULL, NEARLY_FULL):
        return found
    failure = wrapper_failure(BUBBLEWRAP)
    findings = {**found.findings, BUBBLEWRAP.name: failure or "holds"}
    if failure:
        return replace(found, findings=findings)
    level = WEAK if found.level == STATIC_ONLY else found.level
    return replace(found, level=level, findings=findings, wrapper=BUBBLEWRAP)


def prove(outcomes: Mapping[str, Mapping[str, str]], abi: int) -> Isolation:
    """The level that a self-test proves.

    Args:
        outcomes: by stage and attempt, as of `try_stage`; of all stages except "nothing".
        abi: of Landlock, 0 without.
    """
    open_to = {stage: _left_open(stage, outcomes[stage]) for stage in _STAGES}
    holds = {stage: not open_to[stage] for stage in _STAGES}
    if holds[LANDLOCK] and holds[SECCOMP] and holds["together"]:
        level = FULL if abi >= _FULL_ABI else NEARLY_FULL
    elif holds[SECCOMP]:
        level = REDUCED
    else:
        level = WEAK if holds[LANDLOCK] else STATIC_ONLY
    findings = {stage: open_to[stage] or "holds" for stage in _STAGES}
    if holds["together"]:
        del findings["together"]
    if holds[LANDLOCK]:
        findings[LANDLOCK] = f"holds (ABI {abi})"
    elif not abi:
        findings[LANDLOCK] = "missing from this kernel, or hidden by a container"
    layers = tuple(stage for stage in (LANDLOCK, SECCOMP) if holds[stage])
    return Isolation(level, layers, findings, None, _system())


def wrapper_failure(wrapper: Wrapper) -> str:
    """Try a wrapper; returns why it cannot be used, or nothing."""
    if shutil.which(wrapper.name) is None:
        return "not installed"
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            socket.create_server(("127.0.0.1", 0)) as server,
            WorkerProcess(_MODULE, wrapper=wrapper) as worker,
        ):
            port = server.getsockname()[1]
            fields = {"process": os.getpid(), "port": port, "folder": folder}
            reply = worker.request(Message("try_wrapper", fields), deadline_s=_DEADLINE_S)
    except (WorkerFailed, JobFailed) as error:
        return f"fails: {error.message}"
    still = [name for name, said in reply.fields["outcomes"].items() if said]
    return f"fails: a worker could still {' and '.join(still)}" if still else ""


def _left_open(stage: str, outcome: Mapping[str, str]) -> str:
    """Attempts that a layer should have refused and did not, in words; empty if it holds."""
    if len(outcome) == 1:  # the layer could not be put on
        return f"fails: {next(iter(outcome.values()))}"
    closes = _CLOSES.get(stage, attempts(Path(), -1, -1).keys())
    still = [name for name in closes if outcome.get(name, "not tried")]
    return f"fails: a program could still {' and '.join(still)}" if still else ""


def _accepts(policy: str, level: str) -> bool:
    return LEVELS.index(level) <= LEVELS.index(POLICIES[policy])


def _system() -> str:
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def attempts(victim: Path, descriptor: int, connection: int) -> dict[str, Attempt]:
    """Every forbidden thing, by name. Each raises if it is refused.

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


def try_stage(stage: str) -> dict[str, str]:
    """Try everything in a fork of this process.

    Returns:
        By attempt: "" if it was refused, else the outcome. `WORK` the other way round.
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
    """Write outcomes, one line an attempt: the last one may be the end of this process."""

    def tell(name: str, outcome: str) -> None:
        os.write(writer, f"{json.dumps([name, outcome])}\n".encode())

    descriptor = os.open(victim, os.O_RDONLY)
    near, far = socket.socketpair()
    tried = attempts(victim, descriptor, near.fileno())
    try:
        if stage != "nothing":
            _STAGES[stage]()
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
    """Try everything that a wrapper must keep from a worker that is not locked yet.

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
