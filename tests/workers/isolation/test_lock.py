"""The second line: programs that got past the check leave no trace outside the worker."""

import _ctypes
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from intrusions import ATTACKS

from eureka_agent.common.paths import data_folder
from eureka_agent.workers.isolation.landlock import abi, covers_threads
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import (
    InvalidReply,
    JobFailed,
    MemoryExceeded,
    Message,
    WorkerDied,
    WorkerFailed,
    WorkerHung,
)
from eureka_agent.workers.sandbox import FULL, detect_isolation

CHILDREN = Path(__file__).parents[1] / "children"
DEADLINE, PATIENCE = 60.0, 0.5

HONEST = """
WEIGHTS = {"effort": 1.0}

def compute_reward(action):
    return {"effort": -action.square().sum(-1)}
"""


def opened(layers: list[str] | None) -> WorkerProcess:
    """A worker without a check."""
    worker = WorkerProcess("bypassed", import_path=[CHILDREN], address_space_gib=12.0)
    fields = {
        "environment": str(data_folder("envs") / "cartpole"),
        "lanes": 2,
        "worlds": 4,
        "threads": 2,
        "fitness": None,
        "layers": layers,
    }
    worker.request(Message("open", fields), deadline_s=DEADLINE)
    return worker


@pytest.fixture(scope="module", params=[None, ["seccomp"]], ids=["full", "seccomp"])
def locked(request: pytest.FixtureRequest) -> Iterator[WorkerProcess]:
    """With all layers, and with the one that a container leaves."""
    if detect_isolation().level != FULL:
        pytest.skip("this machine cannot lock a process fully")
    with opened(request.param) as worker:
        yield worker


@pytest.fixture(scope="module")
def unlocked() -> Iterator[WorkerProcess]:
    with opened([]) as worker:
        yield worker


def load(worker: WorkerProcess, text: str) -> str:
    """Load a program; returns the worker's refusal."""
    fields = {"lane": 0, "program": text, "seed": 0}
    try:
        worker.request(Message("load", fields), deadline_s=DEADLINE)
    except JobFailed as error:
        return error.message
    return ""


@dataclass
class Surroundings:
    """The targets of attacks."""

    folder: Path
    tcp: socket.socket
    udp: socket.socket
    inbox: socket.socket
    sleeper: subprocess.Popen[bytes]

    def fill(self, attack: str) -> str:
        """The attack with its targets."""
        port = self.tcp.getsockname()[1]
        for name, value in (
            ("TARGET", str(self.folder)),
            ("PORT", str(port)),
            ("SLEEPER", str(self.sleeper.pid)),
            ("PARENT", str(os.getpid())),
        ):
            attack = attack.replace(name, value)
        return f"{attack}\n{HONEST}"

    def state(self) -> list[object]:
        """The visible state of the targets."""
        paths = [self.folder, *sorted(self.folder.rglob("*"))]
        files = [(str(p), p.lstat().st_mode, p.lstat().st_mtime_ns) for p in paths]
        return [files, (self.folder / "victim").exists() and (self.folder / "victim").read_text()]

    def were_called(self) -> bool:
        """Whether a connection or a message has come."""
        called = False
        with contextlib.suppress(BlockingIOError):
            self.tcp.accept()[0].close()
            called = True
        for box in (self.udp, self.inbox):
            with contextlib.suppress(BlockingIOError):
                called = bool(box.recv(10)) or called
        return called

    def sleeper_dies(self) -> bool:
        """Whether the other process ends; a signal takes a moment."""
        try:
            self.sleeper.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return False
        return True


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[Surroundings]:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inner").write_text("x")
    (tmp_path / "victim").write_text("SECRET")
    shutil.copy(_ctypes.__file__, tmp_path / "library.so")
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox,
        subprocess.Popen(["sleep", "600"]) as sleeper,
    ):
        udp.bind(tcp.getsockname())
        inbox.bind(str(tmp_path / "inbox"))
        for box in (tcp, udp, inbox):
            box.setblocking(False)
        yield Surroundings(tmp_path, tcp, udp, inbox, sleeper)
        sleeper.kill()


def works(worker: WorkerProcess, attack: str, around: Surroundings) -> bool:
    """Whether an attack leaves a trace outside the worker, or learns a secret."""
    before = around.state()
    said = load(worker, around.fill(ATTACKS[attack]))
    assert worker.alive
    changed = around.state() != before
    killed = "SLEEPER" in ATTACKS[attack] and "SECRET" not in said and around.sleeper_dies()
    return changed or killed or around.were_called() or "SECRET" in said


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_leaves_no_trace_outside(
    attack: str, locked: WorkerProcess, surroundings: Surroundings
) -> None:
    assert not works(locked, attack, surroundings)


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_works_where_nothing_is_locked(
    attack: str, unlocked: WorkerProcess, surroundings: Surroundings
) -> None:
    assert works(unlocked, attack, surroundings)


def test_an_honest_program_trains_after_all_attacks(locked: WorkerProcess) -> None:
    assert load(locked, HONEST) == ""
    reply = locked.request(Message("advance", {"steps": 1}), deadline_s=DEADLINE)
    (report,) = reply.fields["reports"]
    assert report["evicted"] is None
    assert report["steps"] > 0


def test_everything_in_the_language_works_when_locked(locked: WorkerProcess) -> None:
    program = (CHILDREN / "whole_language.py").read_text()
    assert load(locked, f"{program}\n{HONEST}") == ""


@pytest.fixture
def crooked() -> Iterator[WorkerProcess]:
    """A locked worker of few words, that may be silent for a second."""
    with WorkerProcess(
        "crooked", import_path=[CHILDREN], heartbeat_timeout_s=1.0, memory_gib=0.5
    ) as worker:
        worker.request(Message("lock_down"), deadline_s=DEADLINE)
        yield worker


@pytest.mark.parametrize(
    ("kind", "fields", "failure", "lane"),
    [
        ("native_hang", {"lane": 1}, WorkerHung, 1),
        ("grow", {}, MemoryExceeded, None),
        ("crash", {"lane": 2}, WorkerDied, 2),
        ("flood", {}, InvalidReply, None),
    ],
)
def test_a_locked_worker_that_misbehaves_is_ended_and_blamed(
    crooked: WorkerProcess,
    kind: str,
    fields: dict[str, int],
    failure: type[WorkerFailed],
    lane: int | None,
) -> None:
    with pytest.raises(failure) as caught:
        crooked.request(Message(kind, fields), deadline_s=DEADLINE)
    assert caught.value.lane == lane
    assert not crooked.alive


def test_a_locked_worker_cannot_fork(crooked: WorkerProcess) -> None:
    with pytest.raises(JobFailed, match="not permitted"):
        crooked.request(Message("fork", {"leave": False}), deadline_s=DEADLINE)
    assert crooked.alive


def test_a_process_with_threads_is_not_locked_by_half() -> None:
    if covers_threads(abi()):
        pytest.skip("this kernel's Landlock holds threads, too")
    with (
        WorkerProcess("crooked", import_path=[CHILDREN]) as worker,
        pytest.raises(JobFailed, match="1 threads run already"),
    ):
        worker.request(Message("lock_too_late"), deadline_s=DEADLINE)
