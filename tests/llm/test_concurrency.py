"""A server that works on one request after the other answers each of them, asked once."""

import threading
from typing import Any

from loopback import Answer, Drop, Late, Loopback, Received, Status, single_threaded

from eureka_agent.llm import ModelUnavailable


class OneSlot:
    """Answers one request after the other, even if the client has given up.

    Args:
        seconds: that each takes.
        queue: whether it lets others wait; else it turns them away.
    """

    def __init__(self, seconds: float, queue: bool = True) -> None:
        self._seconds, self._queue = seconds, queue
        self._slot = threading.Lock()

    def __call__(self, received: Received) -> Answer | str:
        if not self._slot.acquire(blocking=self._queue):
            return Status(503, "No slot is free.")
        try:
            threading.Event().wait(self._seconds)
        finally:
            self._slot.release()
        return "Done."


def test_a_queue_is_waited_for_as_long_as_it_moves(ask: Any) -> None:
    with Loopback(OneSlot(0.4)) as server:
        outcome = ask(server, 8, timeout_s=2.5)  # less than the eight take together
    assert len(outcome.replies) == len(server.received) == 8
    assert outcome.notices == []


def test_a_queue_without_any_answer_in_time_is_asked_one_at_a_time(ask: Any) -> None:
    def answer(received: Received) -> Answer | str:
        return Late(60, "Too late.") if len(server.received) <= 4 else "Done."

    with Loopback(answer) as server:
        outcome = ask(server, 4, timeout_s=0.5, attempts=1)
    assert len(outcome.replies) == 4, "time-outs in a queue are no failures"
    assert len(server.received) == 8
    assert sum("--set concurrency=1" in notice for notice in outcome.notices) == 1


def test_a_server_that_refuses_some_requests_gets_as_many_as_it_takes(ask: Any) -> None:
    with Loopback(OneSlot(0.1, queue=False)) as server:
        outcome = ask(server, 6, attempts=1)
    assert len(outcome.replies) == 6
    assert len(server.received) <= 6 + 15
    assert outcome.notices[-1].startswith("The server turned requests away")


def test_a_loading_server_is_not_taken_for_crowded(ask: Any) -> None:
    def answer(received: Received) -> Answer | str:
        return Status(503, "Loading model") if len(server.received) <= 4 else "Done."

    with Loopback(answer) as server:
        outcome = ask(server, 4)
    assert len(outcome.replies) == 4
    assert [n for n in outcome.notices if "concurrency" in n] == []


def test_a_single_request_without_an_answer_has_failed(ask: Any) -> None:
    with Loopback(lambda received: Late(60, "Too late.")) as server:
        error = ask(server, timeout_s=0.2, attempts=2).error
    assert isinstance(error, ModelUnavailable)
    assert len(server.received) == 2
    assert "--set reply_timeout=" in error.remedy


def test_a_request_lost_among_answered_ones_has_failed(ask: Any) -> None:
    def answer(received: Received) -> Answer | str:
        first = received.messages[0]["content"] == "#0" and len(server.received) <= 3
        return Late(60, "Too late.") if first else "Done."

    with Loopback(answer) as server:
        outcome = ask(server, 3, timeout_s=0.5)
    assert len(outcome.replies) == 3
    assert [n for n in outcome.notices if "concurrency" in n] == []


def test_dropped_connections_do_not_lower_the_concurrency(ask: Any) -> None:
    with Loopback(lambda received: Drop()) as server:
        outcome = ask(server, 2, attempts=2)
    assert isinstance(outcome.error, ModelUnavailable)


def test_no_connection_stays_open_and_blocks_a_server_with_one_thread(ask: Any) -> None:
    with single_threaded(lambda received: "Done.") as server:
        outcome = ask(server, 3, timeout_s=60)
    assert len(outcome.replies) == len(server.received) == 3
    assert outcome.notices == []
