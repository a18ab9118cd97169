"""The client sends many requests at once, and retries those that may pass."""

import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from loopback import Answer, Drop, Late, Loopback, Raw, Received, Status, sequence
from tenacity import Future, RetryCallState, Retrying

from eureka_agent.llm import (
    ChatMessage,
    Client,
    ModelRefused,
    ModelSettings,
    ModelUnavailable,
    Reply,
)
from eureka_agent.llm.failures import TransientFailure

HELLO = {"#0": [ChatMessage("system", "Be kind."), ChatMessage("user", "Hello?")]}


def says(received: Received) -> str:
    """The text of the last message of a request."""
    return received.messages[-1]["content"]


def test_a_request_carries_the_messages_the_settings_and_the_key() -> None:
    replies: dict[str, Reply] = {}
    with Loopback(lambda received: "Hello.") as server:
        settings = ModelSettings(
            model="tester", base_url=server.url, temperature=0.5, reply_tokens=7
        )
        Client(settings, api_key="key-of-mine").complete(HELLO, replies.__setitem__)
    (received,) = server.received
    assert received.body == {
        "model": "tester",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello?"},
        ],
        "temperature": 0.5,
        "max_tokens": 7,
        "stream": False,
    }
    assert received.headers["authorization"] == "Bearer key-of-mine"
    reply = replies["#0"]
    assert (reply.text, reply.reasoning, reply.model) == ("Hello.", "", "loopback-1")
    assert (reply.prompt_tokens, reply.completion_tokens, reply.estimated) == (3, 1, False)
    assert (reply.finish_reason, reply.cost) == ("stop", None)
    assert reply.seconds > 0


def test_all_requests_are_under_way_at_once(ask: Any) -> None:
    together = threading.Barrier(6, timeout=20)

    def answer(received: Received) -> str:
        together.wait()
        return says(received)

    with Loopback(answer) as server:
        outcome = ask(server, 6)
    assert {label: reply.text for label, reply in outcome.replies.items()} == {
        f"#{i}": f"#{i}" for i in range(6)
    }


def test_no_more_requests_are_under_way_than_allowed(ask: Any) -> None:
    most, under_way, lock = 0, 0, threading.Lock()

    def answer(received: Received) -> str:
        nonlocal most, under_way
        with lock:
            under_way += 1
            most = max(most, under_way)
        threading.Event().wait(0.02)
        with lock:
            under_way -= 1
        return "Done."

    with Loopback(answer) as server:
        assert len(ask(server, 7, concurrency=2).replies) == 7
    assert most == 2


@pytest.mark.parametrize(
    ("failure", "notice"),
    [
        (Status(408), "The model's server gave up waiting (408)"),
        (Status(409), "The model's server reports a conflict (409)"),
        (Status(429), "The model's server asks for fewer requests (429)"),
        (Status(500), "The model's server failed (500)"),
        (Status(503), "The model's server is overloaded (503)"),
        (Status(529), "The model's server is overloaded (529)"),
        (Drop(), "The model's server closed the connection without an answer"),
        (Raw(b'{"choices": [{"mess'), "The model's server sent an answer that is not JSON"),
        (Raw(b"\xff\xfe\x00"), "The model's server sent an answer that is not JSON"),
        (Raw(b"[" * 100_000), "The model's server sent an answer that is not JSON"),
        (Raw(b""), "The model's server sent an answer that is not JSON"),
        (Raw(b'{"choices": []}'), "The model's server sent an answer with no choices"),
        (Raw(b'{"choices": [{}]}'), "The model's server sent a choice without a message"),
        (
            Raw(b'{"error": {"message": "Provider is down.", "code": 502}}'),
            "The model's server failed (502)",
        ),
    ],
)
def test_transient_failures_are_retried(ask: Any, failure: Answer, notice: str) -> None:
    with Loopback(sequence([failure, "Done."])) as server:
        outcome = ask(server)
    assert outcome.replies["#0"].text == "Done."
    assert outcome.notices == [f"{notice}: #0 tries again in 1 s (attempt 2 of 4)."]
    assert len(server.received) == 2


def test_a_late_answer_is_asked_for_again(ask: Any) -> None:
    with Loopback(sequence([Late(60, "Too late."), "Done."])) as server:
        outcome = ask(server, timeout_s=0.3)
    assert outcome.replies["#0"].text == "Done."
    assert outcome.notices == [
        "The model's server gave no answer in 0.3 s: #0 tries again in 1 s (attempt 2 of 4)."
    ]


def test_a_failure_that_persists_ends_the_search(ask: Any) -> None:
    with Loopback(lambda received: Status(500, "Out of\nmemory.")) as server:
        outcome = ask(server, attempts=3)
    assert isinstance(outcome.error, ModelUnavailable)
    assert outcome.error.message == (
        "The model's server failed (500): Out of memory; #0 was given up after 3 attempts."
    )
    assert outcome.error.remedy == (
        "Resume the run later; if the server is your own, its log says more."
    )
    assert len(server.received) == 3
    assert len(outcome.notices) == 2


def test_a_missing_server_is_named(ask: Any) -> None:
    with Loopback(lambda received: "Hello.") as server:
        pass
    error = ask(server, attempts=2).error
    assert isinstance(error, ModelUnavailable)
    assert f"No server listens at {server.url}" in str(error)
    assert "--base-url" in error.remedy


def test_replies_under_way_are_handed_on_before_an_error_is_raised(ask: Any) -> None:
    sent = threading.Barrier(3, timeout=20)

    def answer(received: Received) -> Answer:
        sent.wait()
        if says(received) == "#1":
            return Status(400, "I will not.")
        return Late(0.1, "Done.")

    with Loopback(answer) as server:
        outcome = ask(server, 5, concurrency=3)
    assert isinstance(outcome.error, ModelRefused)
    assert outcome.replies.keys() == {"#0", "#2"}
    assert len(server.received) == 3, "those not yet sent are not sent"


def test_a_failure_ends_the_waits_of_other_requests(ask: Any) -> None:
    waits = threading.Event()

    def answer(received: Received) -> Answer:
        if says(received) == "#0":
            waits.set()
            return Status(429, headers={"Retry-After": "500"})
        assert waits.wait(20)
        return Late(0.1, Status(401))

    with Loopback(answer) as server:
        outcome = ask(server, 2)
    assert isinstance(outcome.error, ModelRefused)
    assert len(server.received) == 2


def test_an_error_in_the_callback_is_raised() -> None:
    def full(label: str, reply: Reply) -> None:
        raise OSError("The disk is full.")

    with Loopback(lambda received: "Hello.") as server:
        client = Client(ModelSettings(model="tester", base_url=server.url))
        with pytest.raises(OSError, match="full"):
            client.complete(HELLO, full)


def test_a_client_serves_many_rounds() -> None:
    replies: list[Reply] = []
    with Loopback(lambda received: "Hello.") as server:
        client = Client(ModelSettings(model="tester", base_url=server.url))
        for _ in range(3):
            client.complete(HELLO, lambda label, reply: replies.append(reply))
        client.complete({}, lambda label, reply: replies.append(reply))
    assert len(replies) == 3


def test_ctrl_c_ends_all_requests() -> None:
    # A process of its own, as the signal would reach the tests as well.
    program = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
from eureka_agent.llm import ChatMessage, Client, ModelSettings
client = Client(ModelSettings(model="tester", base_url=sys.argv[1]))
try:
    client.complete({"#0": [ChatMessage("user", "Hello?")]}, print)
except KeyboardInterrupt:
    print("interrupted")
"""
    arrived = threading.Event()

    def answer(received: Received) -> Answer:
        arrived.set()
        return Late(60, "Too late.")

    with Loopback(answer) as server:
        child = subprocess.Popen(
            [sys.executable, "-c", program, server.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONWARNINGS": "error"},
        )
        assert arrived.wait(60)
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=60) == ("interrupted\n", "")


def test_importing_the_package_does_not_import_openai() -> None:
    program = "import sys, eureka_agent.llm; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def waits(asked_s: float) -> list[float]:
    """The waits of a client whose server always asks for the same."""
    client = Client(ModelSettings(model="tester", base_url="http://localhost/v1"))
    state = RetryCallState(Retrying(), None, (), {})
    found = []
    for attempt in range(1, 12):
        state.attempt_number = attempt
        state.outcome = Future.construct(
            attempt, TransientFailure("It failed", asked_s=asked_s), True
        )
        found.append(client._wait(state))
    return found


def test_waits_grow_from_a_second_to_a_minute() -> None:
    found = waits(0)
    assert 1 <= found[0] <= 2
    assert 16 <= found[4] <= 17
    assert found[-1] == 60


def test_waits_are_at_least_as_long_as_asked() -> None:
    found = waits(30)
    assert all(30 <= seconds <= 31 for seconds in found[:5])
    assert found[-1] == 60
