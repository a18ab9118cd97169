"""A worker that was started ahead of its use."""

import os
import signal
from pathlib import Path

from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import Message
from eureka_agent.workers.session import PrestartedWorker

CHILDREN = Path(__file__).parent / "children"


def start() -> WorkerProcess:
    return WorkerProcess("crooked", import_path=[CHILDREN])


def answers(worker: WorkerProcess) -> bool:
    return worker.request(Message("echo", {"here": 1}), deadline_s=20).fields == {"here": 1}


def test_a_waiting_worker_is_taken_once() -> None:
    started: list[WorkerProcess] = []

    def count() -> WorkerProcess:
        started.append(start())
        return started[-1]

    with PrestartedWorker(count) as prestarted:
        prestarted.prepare()
        prestarted.prepare()
        assert len(started) == 1
        with prestarted.take() as first, prestarted.take() as second:
            assert started == [first, second]
            assert answers(first)
            assert answers(second)


def test_a_worker_that_died_meanwhile_is_replaced() -> None:
    with PrestartedWorker(start) as prestarted:
        prestarted.prepare()
        waiting = prestarted._waiting
        assert waiting is not None
        assert answers(waiting)
        os.kill(waiting.pid, signal.SIGKILL)
        os.waitid(os.P_PID, waiting.pid, os.WEXITED | os.WNOWAIT)
        with prestarted.take() as worker:
            assert worker is not waiting
            assert answers(worker)


def test_no_worker_is_left_behind() -> None:
    with PrestartedWorker(start) as prestarted:
        prestarted.prepare()
        waiting = prestarted._waiting
    assert waiting is not None
    assert not waiting.alive
    with PrestartedWorker(start):
        pass
