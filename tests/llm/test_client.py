import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from loopback import Answer, Completion, Drop, Late, Loopback, Raw, Received, Status, sequence

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.llm import (
    ChatMessage,
    Client,
    ModelRefused,
    ModelSettings,
    ModelUnavailable,
    Reply,
)

HELLO = {"#0": [ChatMessage("system", "Be kind."), ChatMessage("user", "Hello?")]}


def says(received: Received) -> str:
    """What the last message of a request says."""
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
def test_what_may_pass_is_tried_again(ask: Any, failure: Answer, notice: str) -> None:
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


def test_what_does_not_pass_is_given_up(ask: Any) -> None:
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


def test_a_server_that_is_not_there_is_named(ask: Any) -> None:
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


def test_an_error_of_the_receiver_is_raised() -> None:
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


def test_an_interrupt_ends_all_requests() -> None:
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


def test_openai_wants_a_key() -> None:
    with pytest.raises(MissingError, match=r"OPENAI_API_KEY.*--base-url"):
        Client(ModelSettings(model="tester"))


def test_the_environment_may_hold_the_key_and_the_address(monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback(lambda received: "Hello.") as server:
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-mine\n")
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        Client(ModelSettings(model="tester")).complete(HELLO, lambda label, reply: None)
    assert server.received[0].headers["authorization"] == "Bearer key-of-mine"


def test_a_server_of_ones_own_needs_no_key() -> None:
    replies: list[Reply] = []
    with Loopback(lambda received: Completion("Hello.")) as server:
        client = Client(ModelSettings(model="tester", base_url=server.url))
        client.complete(HELLO, lambda label, reply: replies.append(reply))
    assert replies[0].text == "Hello."


@pytest.mark.parametrize(
    "address",
    [
        "localhost:8000/v1",
        "ftp://localhost/v1",
        "http:///v1",
        "http://localhost:port/v1",
        "http://[::1/v1",
        "http://local host/v1",
        "model",
        "'http://localhost:8000/v1'",
        "file:///etc/passwd",
        "http://a..b/v1",
    ],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match=r"is not the address.*--base-url"):
        Client(ModelSettings(model="tester", base_url=address), api_key="key-of-mine")


@pytest.mark.parametrize(
    ("address", "cure"),
    [
        ("localhost:8000/v1", "http://localhost:8000/v1"),
        ("localhost:11434", "http://localhost:11434/v1 "),
        ("api.example.com/v1", "https://api.example.com/v1"),
        ("http://höst.example/v1", "xn--hst-sna.example"),
        ("http://☃.example/v1", "xn--n3h.example"),
    ],
)
def test_an_address_is_refused_with_the_right_one(
    address: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(UsageError) as refused:
        Client(ModelSettings(model="tester"), api_key="key-of-mine")
    assert cure in refused.value.remedy
    assert "OPENAI_BASE_URL" in refused.value.remedy


@pytest.mark.parametrize("tail", ["/", "/chat/completions", "/chat/completions/", "\n"])
def test_an_address_may_go_on_as_far_as_people_copy_it(tail: str) -> None:
    with Loopback(lambda received: "Hello.") as server:
        settings = ModelSettings(model="tester", base_url=server.url + tail)
        Client(settings).complete(HELLO, lambda label, reply: None)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "address",
    [
        "http://me:secret@localhost/v1",
        "me:secret@localhost/v1",
        "http://me:secret@localhost:port/v1",
        "http://secret@localhost/v1",
        "http://localhost/v1?token=secret",
        "localhost/v1?token=secret",
        "http://localhost/v1#secret",
    ],
)
def test_an_address_with_more_than_an_address_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(UsageError) as refused:
        Client(ModelSettings(model="tester", base_url=address), api_key="key-of-mine")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("key", ["sk-two words", "sk-línea", "sk-a\nb"])
def test_a_key_that_cannot_be_sent_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(UsageError, match="OPENAI_API_KEY") as refused:
        Client(ModelSettings(model="tester", base_url="http://localhost/v1"), api_key=key)
    assert "sk-" not in str(refused.value)


def test_importing_the_package_does_not_import_openai() -> None:
    program = "import sys, eureka_agent.llm; sys.exit('openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
