"""A worker does its worst; the parent says what happened and continues."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import (
    InvalidReply,
    JobFailed,
    MemoryExceeded,
    Message,
    ProtocolError,
    WorkerDied,
    WorkerFailed,
    WorkerHung,
)

CHILDREN = Path(__file__).parent / "children"
ROOT = Path(__file__).parents[2]
DEADLINE = 20.0


def start(**options: object) -> WorkerProcess:
    settings: dict = {"heartbeat_timeout_s": DEADLINE, "memory_gib": 0.5} | options
    return WorkerProcess("crooked", import_path=[CHILDREN], **settings)


@pytest.fixture
def worker() -> Iterator[WorkerProcess]:
    with start() as worker:
        yield worker


@pytest.fixture
def watched() -> Iterator[WorkerProcess]:
    """A worker that may be silent for a second."""
    with start(heartbeat_timeout_s=1.0) as worker:
        yield worker


@pytest.fixture(scope="module")
def kept() -> Iterator[WorkerProcess]:
    """One worker for everything that leaves it alive."""
    with start() as worker:
        yield worker


def ask(worker: WorkerProcess, kind: str, **fields: object) -> Message:
    return worker.request(Message(kind, fields), deadline_s=DEADLINE)


def is_gone(pid: int) -> bool:
    """Whether a process is dead, if perhaps not yet reaped by a busy init."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "ZX"


def wait_until_gone(pid: int) -> bool:
    for _ in range(500):
        if is_gone(pid):
            return True
        time.sleep(0.01)
    return False


def test_arrays_and_fields_make_the_round_trip_bit_exactly(kept: WorkerProcess) -> None:
    generator = np.random.default_rng(0)
    arrays = {
        "weights": generator.standard_normal((3, 5, 7)).astype(np.float32),
        "odd": np.array([np.nan, -0.0, np.inf, 5e-324]),
        "transposed": np.arange(6, dtype=np.int64).reshape(2, 3).T,
        "flags": np.array([True, False]),
        "empty": np.zeros((0, 4), np.int32),
        "scalar": np.array(7, np.uint8),
        "large": generator.integers(0, 256, 3_000_000, dtype=np.uint8),
    }
    fields = {"text": "Zürich \U0001f98e", "nested": [{"a": None}], "number": 0.1}
    reply = kept.request(Message("echo", fields, arrays), deadline_s=DEADLINE)
    assert reply.fields == fields
    assert list(reply.arrays) == list(arrays)
    for name, array in arrays.items():
        assert reply.arrays[name].dtype == array.dtype
        assert reply.arrays[name].shape == array.shape
        assert reply.arrays[name].tobytes() == array.tobytes()


def test_a_stray_print_does_not_corrupt_the_conversation(kept: WorkerProcess) -> None:
    assert ask(kept, "stray_print").fields == {"read": ""}
    assert ask(kept, "echo", still="there").fields == {"still": "there"}


def test_an_error_is_reported_and_the_worker_keeps_running(kept: WorkerProcess) -> None:
    with pytest.raises(JobFailed, match=r"^The bell  rang. Wear ear plugs.$") as caught:
        ask(kept, "fail")
    assert caught.value.type == "UsageError"
    with pytest.raises(JobFailed, match="division by zero") as caught:
        ask(kept, "bug", zero=0)
    assert caught.value.type == "ZeroDivisionError"
    with pytest.raises(JobFailed, match="not JSON serializable"):
        ask(kept, "not_json")
    with pytest.raises(JobFailed, match="no job 'dance'"):
        ask(kept, "dance")
    assert ask(kept, "echo", still="there").fields == {"still": "there"}


def test_an_error_without_a_text_is_reported_as_well(kept: WorkerProcess) -> None:
    kinds = {"key": "KeyError", "group": "ExceptionGroup", "cycle": "KeyError", "": "SystemExit"}
    for how, kind in kinds.items():
        with pytest.raises(JobFailed) as caught:
            ask(kept, "fail_without_words", how=how)
        assert caught.value.type == kind
    assert ask(kept, "echo", still="there").fields == {"still": "there"}


def test_a_request_that_cannot_be_sent_does_no_harm(kept: WorkerProcess) -> None:
    with pytest.raises(ProtocolError, match="float16"):
        kept.request(Message("echo", {}, {"a": np.zeros(2, np.float16)}), deadline_s=DEADLINE)
    assert ask(kept, "echo", still="there").fields == {"still": "there"}


def test_heartbeats_carry_progress_and_keep_a_slow_job_alive(watched: WorkerProcess) -> None:
    seen: list[int] = []
    reply = watched.request(
        Message("beat"), deadline_s=DEADLINE, on_progress=lambda fields: seen.append(fields["step"])
    )
    assert reply.kind == "done"
    assert seen == sorted(set(seen))
    assert seen[0] == 0
    assert len(seen) > 1


def test_a_worker_sees_the_allow_list_and_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    monkeypatch.chdir("/usr")
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("WARP_CACHE_PATH", "kernels")
    monkeypatch.setenv("EUREKA_ENVS", "robots:~/more:/absolute")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    with start() as worker:
        folder = ask(worker, "limits").fields["folder"]
        content = Path(f"/proc/{worker.pid}/environ").read_text()
    pairs = dict(entry.split("=", 1) for entry in content.rstrip("\0").split("\0"))
    assert pairs == {
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "HOME": folder,
        "TMPDIR": folder,
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "OMP_WAIT_POLICY": "PASSIVE",
        "MKL_CBWR": "COMPATIBLE",
        # The worker works in another folder, and has another home.
        "WARP_CACHE_PATH": "/usr/kernels",
        "EUREKA_ENVS": "/usr/robots:/home/someone/more:/absolute",
    }


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("garbage", "header of 1667330644 bytes"),
        ("huge_header", "header of 4294967295 bytes"),
        ("huge_array", "shape"),
        ("flood", "sent garbage"),
        ("flood_heartbeats", "floods"),
    ],
)
def test_a_broken_message_ends_the_worker(worker: WorkerProcess, kind: str, said: str) -> None:
    with pytest.raises(InvalidReply, match=said) as caught:
        ask(worker, kind)
    assert isinstance(caught.value, ProtocolError)
    assert "The crooked process" in caught.value.message
    assert is_gone(worker.pid)


def test_half_a_message_is_no_sign_of_life(watched: WorkerProcess) -> None:
    with pytest.raises(WorkerHung, match="no sign of life for 1 s"):
        ask(watched, "half")
    assert is_gone(watched.pid)


def test_a_second_answer_is_not_taken_for_the_next_one(worker: WorkerProcess) -> None:
    ask(worker, "reply_twice")
    time.sleep(0.2)  # the second one is on its way
    with pytest.raises(InvalidReply, match="without being asked"):
        ask(worker, "echo")


def test_an_answer_to_another_request_is_not_taken(worker: WorkerProcess) -> None:
    assert ask(worker, "forge").kind == "done"
    with pytest.raises(InvalidReply, match=r"not asked|without being asked"):
        ask(worker, "echo")
    assert not worker.alive


def test_a_forged_answer_is_not_taken_for_the_workers(worker: WorkerProcess) -> None:
    with pytest.raises(InvalidReply, match="not asked"):
        ask(worker, "forge_first")
    assert not worker.alive


def test_an_answer_of_another_kind_is_refused(worker: WorkerProcess) -> None:
    with pytest.raises(InvalidReply, match="something else than a reply"):
        ask(worker, "other_kind")
    assert not worker.alive


@pytest.mark.parametrize("status", [0, 3])
def test_an_exit_without_an_answer_is_a_failure_whatever_its_status(
    worker: WorkerProcess, status: int
) -> None:
    with pytest.raises(WorkerDied, match=f"exit status {status}") as caught:
        ask(worker, "leave", status=status)
    assert caught.value.message.endswith("Its last words: I am leaving [31mnow")
    with pytest.raises(WorkerDied, match="already ended"):
        ask(worker, "echo")


def test_a_killed_worker_is_noticed_between_two_requests(worker: WorkerProcess) -> None:
    ask(worker, "echo")
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied):
        ask(worker, "echo")
    assert not worker.alive


def test_a_crash_is_blamed_on_the_lane_that_ran(worker: WorkerProcess) -> None:
    with pytest.raises(WorkerDied, match="SIGSEGV while lane 3 was running") as caught:
        ask(worker, "crash", lane=3)
    assert caught.value.lane == 3


def test_the_active_lane_is_cleared_after_the_request(worker: WorkerProcess) -> None:
    ask(worker, "clean_lane")
    with pytest.raises(WorkerDied) as caught:
        ask(worker, "leave", status=1)
    assert caught.value.lane is None


def test_a_worker_that_destroys_the_shared_byte_harms_only_itself(worker: WorkerProcess) -> None:
    with pytest.raises(WorkerDied) as caught:
        ask(worker, "cut_active_lane")
    assert caught.value.lane is None


def test_a_hang_in_native_code_is_ended_and_blamed(watched: WorkerProcess) -> None:
    with pytest.raises(
        WorkerHung, match="no sign of life for 1 s while lane 0 was running"
    ) as caught:
        ask(watched, "native_hang", lane=0)
    assert caught.value.lane == 0
    assert is_gone(watched.pid)


def test_a_limit_on_processor_time_counts_processor_time(worker: WorkerProcess) -> None:
    worker.request(Message("beat"), deadline_s=DEADLINE, processor_s=30.0)  # it mostly sleeps
    with pytest.raises(WorkerHung, match=r"within 0\.2 s of processor time") as caught:
        worker.request(Message("native_hang", {"lane": 3}), deadline_s=DEADLINE, processor_s=0.2)
    assert caught.value.lane == 3


def test_signs_of_life_do_not_extend_the_deadline(worker: WorkerProcess) -> None:
    ask(worker, "echo")
    with pytest.raises(WorkerHung, match=r"no answer within 0.5 s"):
        worker.request(Message("beat"), deadline_s=0.5)
    assert is_gone(worker.pid)


def test_a_worker_that_does_not_read_cannot_block_its_parent(watched: WorkerProcess) -> None:
    ask(watched, "echo")
    os.kill(watched.pid, signal.SIGSTOP)
    large = Message("echo", {}, {"a": np.zeros(1 << 22, np.uint8)})
    with pytest.raises(WorkerHung):
        watched.request(large, deadline_s=DEADLINE)
    assert is_gone(watched.pid)


def test_growing_memory_is_noticed(worker: WorkerProcess) -> None:
    with pytest.raises(MemoryExceeded, match=r"more than 0.5 GiB"):
        ask(worker, "grow")
    assert is_gone(worker.pid)


def test_an_allocation_beyond_the_address_space_fails_in_the_child() -> None:
    with start(address_space_gib=2.0) as worker:
        with pytest.raises(JobFailed) as caught:
            ask(worker, "allocate", bytes=3 << 30)
        assert caught.value.type == "MemoryError"
        assert ask(worker, "allocate", bytes=1 << 20).fields == {"bytes": 1 << 20}


@pytest.mark.parametrize("leave", [True, False])
def test_forks_of_a_worker_die_with_it(watched: WorkerProcess, leave: bool) -> None:
    seen: dict[str, int] = {}
    with pytest.raises(WorkerDied if leave else WorkerHung):
        watched.request(
            Message("fork", {"leave": leave}), deadline_s=DEADLINE, on_progress=seen.update
        )
    assert wait_until_gone(seen["grandchild"])


def test_a_progress_callback_that_raises_cancels(worker: WorkerProcess) -> None:
    def cancel(fields: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker.request(Message("beat"), deadline_s=DEADLINE, on_progress=cancel)
    assert not worker.alive


def test_a_worker_that_cannot_start_says_why() -> None:
    with (
        WorkerProcess("broken", import_path=[CHILDREN]) as worker,
        pytest.raises(WorkerFailed, match=r"exit status 1.*no such luck"),
    ):
        ask(worker, "echo")


def test_closing_leaves_nothing_behind() -> None:
    worker = start()
    folder = Path(ask(worker, "limits").fields["folder"])
    assert folder.is_dir()
    worker.close()
    worker.close()
    assert is_gone(worker.pid)
    assert not folder.exists()
    with pytest.raises(WorkerDied, match="already ended"):
        ask(worker, "echo")


def run_parent(mode: str, temporary: Path) -> tuple[subprocess.Popen[str], int, Path]:
    """Start a parent in another process; return it with its worker's pid and scratch folder."""
    parent = subprocess.Popen(
        [sys.executable, str(CHILDREN / "parent.py"), mode],
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    with parent.stdout as output:
        pid, folder = output.readline().split()
    return parent, int(pid), Path(folder)


def test_a_worker_that_hangs_dies_with_a_killed_parent(tmp_path: Path) -> None:
    parent, pid, _ = run_parent("hang", tmp_path)
    assert not is_gone(pid)
    parent.kill()
    parent.wait()
    assert wait_until_gone(pid)


def test_the_next_parent_removes_the_folder_of_a_killed_one(tmp_path: Path) -> None:
    parent, pid, left = run_parent("hang", tmp_path)
    parent.kill()
    parent.wait()
    assert wait_until_gone(pid)
    assert left.is_dir()
    living = tmp_path / f"eureka-{os.getpid()}-abc"
    foreign = tmp_path / "eureka-notes"
    link = tmp_path / f"eureka-{parent.pid}-link"
    living.mkdir()
    foreign.mkdir()
    link.symlink_to(foreign)
    following, _, _ = run_parent("forget", tmp_path)
    assert following.wait() == 0
    assert sorted(tmp_path.iterdir()) == sorted([living, foreign, link])


def test_a_program_that_forgets_to_close_leaves_nothing_behind(tmp_path: Path) -> None:
    parent, pid, folder = run_parent("forget", tmp_path)
    assert parent.wait() == 0
    assert is_gone(pid)
    assert not folder.exists()
