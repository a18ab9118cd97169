import threading
from typing import Any

import pytest
from loopback import Answer, Completion, Loopback, Received, Status

from eureka_agent.llm import ChatMessage, Client, ModelRefused, ModelSettings, Reply
from eureka_agent.llm.capabilities import Capabilities
from eureka_agent.llm.response import FailedResponse

USE_THE_NEW_NAME = Status(
    400,
    "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
    error_code="unsupported_parameter",
    param="max_tokens",
)


@pytest.mark.parametrize(
    ("failure", "words", "exit_code"),
    [
        (Status(401, "Invalid."), ["refused the key (401): Invalid.", "OPENAI_API_KEY"], 3),
        (Status(403, "Not yours."), ["model tester (403): Not yours.", "OPENAI_API_KEY"], 3),
        (Status(404, "No such model."), ["the model tester (404): No such model.", "--model"], 2),
        (Status(400, "Too long."), ["model tester (400): Too long.", "--model"], 2),
        (Status(422, "Too odd."), ["model tester (422): Too odd.", "--model"], 2),
        (Status(413, "Too large."), ["(413): Too large."], 2),
        (Status(402, "Pay first."), ["no credit left (402): Pay first."], 3),
        (
            Status(429, "You exceeded your quota.", error_code="insufficient_quota"),
            ["no credit left (429)", "You exceeded your quota.", "Add credit"],
            3,
        ),
    ],
)
def test_a_refusal_stops_at_once(
    ask: Any, failure: Status, words: list[str], exit_code: int
) -> None:
    with Loopback(lambda received: failure) as server:
        outcome = ask(server)
    error = outcome.error
    assert isinstance(error, ModelRefused)
    assert all(part in str(error) for part in [server.url, *words]), error
    assert error.exit_code == exit_code
    assert len(server.received) == 1
    assert outcome.notices == []


def test_a_wrong_address_stops_at_once(ask: Any) -> None:
    with Loopback(lambda received: "Hello.") as server:
        error = ask(server, base_url=server.url.removesuffix("/v1")).error
    assert isinstance(error, ModelRefused)
    assert "mostly ends in /v1" in error.remedy


@pytest.mark.parametrize(
    "refusal",
    [
        Status(400, "Unsupported value.", param="temperature"),
        Status(422, "Only the default (1) `temperature` is supported."),
    ],
)
def test_a_refused_temperature_is_left_out_from_then_on(ask: Any, refusal: Status) -> None:
    def answer(received: Received) -> Answer | str:
        return refusal if "temperature" in received.body else "Done."

    with Loopback(answer) as server:
        outcome = ask(server, 2, concurrency=1)
    assert [reply.text for reply in outcome.replies.values()] == ["Done.", "Done."]
    assert len(server.received) == 3
    assert outcome.notices == ["The model does not take `temperature`: it is no longer sent."]


def test_the_limit_is_sent_under_its_new_name_where_the_old_one_is_refused(ask: Any) -> None:
    def answer(received: Received) -> Answer | str:
        return USE_THE_NEW_NAME if "max_tokens" in received.body else "Done."

    with Loopback(answer) as server:
        outcome = ask(server, reply_tokens=7)
    assert outcome.replies["#0"].text == "Done."
    assert server.received[1].body["max_completion_tokens"] == 7
    assert outcome.notices == [
        "The model does not take `max_tokens`: `max_completion_tokens` is sent from now on."
    ]


def test_several_parameters_may_be_refused_one_after_the_other(ask: Any) -> None:
    def answer(received: Received) -> Answer | str:
        for name in ("max_tokens", "temperature", "max_completion_tokens"):
            if name in received.body:
                return Status(400, f"Unknown parameter: {name}")
        return "Done."

    with Loopback(answer) as server:
        outcome = ask(server)
    assert outcome.replies["#0"].text == "Done."
    assert server.received[-1].body.keys() == {"model", "messages", "stream"}
    assert len(outcome.notices) == 3


def test_requests_that_meet_the_same_refusal_are_all_sent_again(ask: Any) -> None:
    together = threading.Barrier(4, timeout=20)

    def answer(received: Received) -> Answer | str:
        if "max_tokens" not in received.body:
            return "Done."
        together.wait()
        return USE_THE_NEW_NAME

    with Loopback(answer) as server:
        outcome = ask(server, 4)
    assert len(outcome.replies) == 4
    assert len(outcome.notices) == 1
    assert all("max_completion_tokens" in received.body for received in server.received[4:])


def test_a_refusal_that_only_names_parameters_ends_after_all_are_left_out(ask: Any) -> None:
    grudge = Status(400, "I like neither temperature nor max_tokens, nor you.")
    with Loopback(lambda received: grudge) as server:
        outcome = ask(server)
    assert isinstance(outcome.error, ModelRefused)
    assert len(server.received) == 3


def test_a_failure_that_names_a_parameter_teaches_nothing(ask: Any) -> None:
    answers = iter([Status(500, "My temperature is too high."), Completion("Done.")])
    with Loopback(lambda received: next(answers)) as server:
        assert ask(server).replies["#0"].text == "Done."
    assert "temperature" in server.received[1].body


def test_the_limit_is_sent_under_its_old_name_where_the_new_one_is_refused() -> None:
    notices: list[str] = []
    capabilities = Capabilities(1.0, 7, notices.append, newest=True)
    for name in ("max_completion_tokens", "max_tokens"):
        request = capabilities.request([])
        assert request.parameters == {"temperature": 1.0, name: 7}
        assert capabilities.learn(request, FailedResponse(400, {"message": f"What is {name}?"}))
    assert capabilities.request([]).parameters == {"temperature": 1.0}
    assert notices == [
        "The model does not take `max_completion_tokens`: `max_tokens` is sent from now on.",
        "The model does not take `max_tokens`: no limit is sent from now on.",
    ]


@pytest.mark.parametrize(
    "refusal",
    [
        Status(400, "Only user and assistant roles are supported!"),
        Status(400, "Conversation roles must alternate user/assistant/user/assistant/..."),
        Status(500, "Value is not callable: System role not supported"),
        Status(400, "'messages[0].role' does not support 'system' with this model."),
    ],
)
def test_a_refused_system_message_goes_into_the_question(refusal: Status) -> None:
    def answer(received: Received) -> Answer | str:
        return refusal if received.messages[0]["role"] == "system" else "Done."

    notices: list[str] = []
    replies: dict[str, Reply] = {}
    asked = [ChatMessage("system", "Be brief."), ChatMessage("user", "Why?")]
    with Loopback(answer) as server:
        settings = ModelSettings(model="tester", base_url=server.url, concurrency=1)
        client = Client(settings, api_key="key", notify=notices.append, first_wait_s=0.01)
        client.complete({"#0": asked, "#1": asked}, replies.__setitem__)
    assert {reply.text for reply in replies.values()} == {"Done."}
    assert [message["content"] for message in server.received[-1].messages] == ["Be brief.\n\nWhy?"]
    assert len(server.received) == 3
    assert len(notices) == 1
