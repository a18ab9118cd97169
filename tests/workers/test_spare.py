"""A child that was started ahead of its use."""

import os
import signal
from pathlib import Path

from eureka_agent.workers.process import Child, Spare
from eureka_agent.workers.protocol import Message

CHILDREN = Path(__file__).parent / "children"


def start() -> Child:
    return Child("crooked", import_path=[CHILDREN])


def answers(child: Child) -> bool:
    return child.request(Message("echo", {"here": 1}), deadline_s=20).fields == {"here": 1}


def test_the_one_that_waits_is_taken_once() -> None:
    started: list[Child] = []

    def count() -> Child:
        started.append(start())
        return started[-1]

    with Spare(count) as spare:
        spare.prepare()
        spare.prepare()
        assert len(started) == 1
        with spare.take() as first, spare.take() as second:
            assert started == [first, second]
            assert answers(first)
            assert answers(second)


def test_one_that_died_meanwhile_is_replaced() -> None:
    with Spare(start) as spare:
        spare.prepare()
        waiting = spare._child
        assert waiting is not None
        assert answers(waiting)
        os.kill(waiting.pid, signal.SIGKILL)
        os.waitid(os.P_PID, waiting.pid, os.WEXITED | os.WNOWAIT)
        with spare.take() as child:
            assert child is not waiting
            assert answers(child)


def test_none_is_left_behind() -> None:
    with Spare(start) as spare:
        spare.prepare()
        waiting = spare._child
    assert waiting is not None
    assert not waiting.alive
    with Spare(start):
        pass
