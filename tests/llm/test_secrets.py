import traceback
from typing import Any

import pytest
from loopback import Answer, Completion, Loopback, Raw, Status, sequence

from eureka_agent.llm import ChatMessage, Client, ModelError, ModelSettings, Reply
from eureka_agent.llm.endpoint import Redactor

KEY = "my-own-secret"
OTHER = "sk-proj-abcDEF_0123-456789"
ECHO = f"Wrong key {KEY},\x1b[31m not {OTHER}\n" + "and so on " * 100


def everything(answers: list[Answer]) -> list[str]:
    """All texts that leave a client: replies, notices, and an error with its traceback."""
    texts: list[str] = []

    def keep(label: str, reply: Reply) -> None:
        texts.append(repr(reply))

    with Loopback(sequence(answers)) as server:
        client = Client(
            ModelSettings(model="tester", base_url=server.url, attempts=2),
            api_key=KEY,
            notify=texts.append,
            first_wait_s=0.01,
        )
        texts.append(repr(client))
        try:
            client.complete({"#0": [ChatMessage("user", "Hello?")]}, keep)
        except ModelError as error:
            texts += [str(error), repr(error), error.message, error.remedy]
            texts += traceback.format_exception(error)
            assert error.__cause__ is None
            assert error.__context__ is None
    assert all(received.headers["authorization"] == f"Bearer {KEY}" for received in server.received)
    return texts


@pytest.mark.parametrize(
    "answers",
    [
        [Status(401, ECHO)],
        [Status(403, ECHO)],
        [Status(404, ECHO)],
        [Status(400, ECHO)],
        [Status(400, f"{KEY} has no temperature"), Status(400, ECHO)],
        [Status(429, ECHO, error_code="insufficient_quota")],
        [Status(429, ECHO, headers={"Retry-After": "5000"})],
        [Status(503, ECHO)],
        [Raw(b'{"error": "Wrong key my-own-secret"}')],
        [Status(400, f"{KEY}: maximum context length is 90 tokens, your prompt has 900 tokens")],
        [Status(307, headers={"Location": f"/v1/{KEY}"})],
        [Raw(f"<html><title>{KEY}</title>".encode(), 404)],
        [Completion(ECHO, reasoning=ECHO, model=KEY, finish_reason=KEY)],
    ],
)
def test_no_key_leaves_the_client(answers: list[Answer]) -> None:
    texts = everything(answers)
    assert len(texts) > 1
    assert not [text for text in texts if KEY in text or OTHER in text]


def test_a_servers_message_becomes_one_printable_line(ask: Any) -> None:
    with Loopback(lambda received: Status(400, ECHO)) as server:
        error = ask(server).error
    said = error.message.partition("(400): ")[2].removesuffix(".")
    assert said.isprintable()
    assert said.endswith("…")
    assert len(said) <= 300


def test_a_key_at_the_cut_is_hidden_completely() -> None:
    censor = Redactor(KEY)
    assert KEY[:4] not in censor.line("x " * 148 + KEY)
    assert KEY[:4] not in censor.text("x" * 399_996 + KEY)


def test_a_short_key_is_not_removed_from_replies() -> None:
    assert Redactor("x").text("x = max(x, task-oriented)") == "x = max(x, task-oriented)"
