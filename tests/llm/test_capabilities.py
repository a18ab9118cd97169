"""Parameters, lengths and pictures that a server refuses are changed or left out from then on."""

import base64
import json
import threading
from typing import Any

import pytest
from loopback import (
    Answer,
    Completion,
    Loopback,
    Raw,
    Received,
    Status,
)

from eureka_agent.llm import (
    ChatMessage,
    Client,
    ModelDeclined,
    ModelRefused,
    ModelSettings,
    Picture,
    Reply,
)
from eureka_agent.llm.capabilities import Capabilities
from eureka_agent.llm.response import FailedResponse

USE_THE_NEW_NAME = Status(
    400,
    "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead.",
    error_code="unsupported_parameter",
    param="max_tokens",
)


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


def test_concurrent_requests_with_the_same_refusal_are_all_retried(ask: Any) -> None:
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


def test_a_refusal_that_names_every_parameter_ends_after_all_are_left_out(ask: Any) -> None:
    grudge = Status(400, "I like neither temperature nor max_tokens, nor you.")
    with Loopback(lambda received: grudge) as server:
        outcome = ask(server)
    assert isinstance(outcome.error, ModelRefused)
    assert len(server.received) == 3


def test_a_server_error_that_names_a_parameter_changes_nothing(ask: Any) -> None:
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


def test_a_refused_length_is_lowered_to_the_longest_accepted_one(ask: Any) -> None:
    def answer(received: Received) -> Answer | str:
        most = "the valid range of max_tokens is [1, 8192]"
        return Status(400, most) if received.body["max_tokens"] > 8192 else "Done."

    with Loopback(answer) as server:
        outcome = ask(server, 3, concurrency=1)
    assert [r.body["max_tokens"] for r in server.received] == [16000, 8192, 8192, 8192]
    assert outcome.notices == [
        "The model takes no answers of 16000 tokens: 8192 is the limit from now on, as with "
        "--set reply_tokens=8192."
    ]


def test_a_length_refused_without_a_number_is_halved_until_accepted(ask: Any) -> None:
    def answer(received: Received) -> Answer | str:
        return (
            Status(400, "max_tokens too large") if received.body["max_tokens"] > 5000 else "Done."
        )

    with Loopback(answer) as server:
        assert ask(server).replies["#0"].text == "Done."
    assert [r.body["max_tokens"] for r in server.received] == [16000, 8000, 4000]


def small_window(received: Received) -> Answer | str:
    """A server with a window of 8192 tokens, at 4 characters a token."""
    asked = received.body["max_tokens"]
    prompt = 10 + len(received.messages[0]["content"]) // 4
    if prompt + asked <= 8192:
        return "Done."
    return Raw(
        json.dumps(
            {
                "object": "error",
                "message": f"This model's maximum context length is 8192 tokens. However, you "
                f"requested {prompt + asked} tokens ({prompt} in the messages, {asked} in the "
                "completion).",
            }
        ).encode(),
        code=400,
    )


def test_an_answer_gets_the_rest_of_the_window(ask: Any) -> None:
    with Loopback(small_window) as server:
        outcome = ask(server, 3, text="x" * 16_000, concurrency=1)
    assert len(outcome.replies) == 3
    asked = [r.body["max_tokens"] for r in server.received]
    assert asked[0] == 16000
    assert len(asked) == 4, "what was learned holds for the others"
    assert all(4000 < tokens < 8192 - 4010 for tokens in asked[1:])
    assert "window has 8192 tokens" in outcome.notices[0]


def test_a_question_without_room_for_an_answer_names_sizes_and_settings(ask: Any) -> None:
    with Loopback(small_window) as server:
        error = ask(server, text="x" * 40_000).error
    assert isinstance(error, ModelDeclined)
    assert len(server.received) == 1
    assert all(word in error.message for word in ("10010", "8192"))
    assert "--set history=" in error.remedy


def test_a_question_longer_than_the_window_is_not_retried(ask: Any) -> None:
    with Loopback(lambda r: Status(400, "Input is too long for requested model.")) as server:
        error = ask(server).error
    assert isinstance(error, ModelDeclined)
    assert "--set history=" in error.remedy
    assert len(server.received) == 1


def test_an_answer_is_as_long_as_the_credit_left_allows(ask: Any) -> None:
    def answer(received: Received) -> Answer | str:
        asked = received.body["max_tokens"]
        said = f"Requires more credits, or fewer max_tokens: {asked}, but can only afford 3000."
        return Status(402, said) if asked > 3000 else "Done."

    with Loopback(answer) as server:
        outcome = ask(server)
    assert outcome.replies["#0"].limit == 3000
    assert "The credit left allows no answers of 16000 tokens" in outcome.notices[0]


PICTURE = Picture(b"\x89PNG", "What the robot did.")


def has_picture(received: Received) -> bool:
    return isinstance(received.messages[0]["content"], list)


def test_a_picture_is_sent_with_its_caption_after_the_text(ask: Any) -> None:
    with Loopback(lambda received: "Seen.") as server:
        outcome = ask(server, picture=PICTURE)
    assert outcome.replies["#0"].text == "Seen."
    text, caption, picture = server.received[0].messages[0]["content"]
    assert (text["text"], caption["text"]) == ("#0", "What the robot did.")
    encoded = picture["image_url"]["url"].removeprefix("data:image/png;base64,")
    assert base64.b64decode(encoded) == PICTURE.png


@pytest.mark.parametrize(
    "refusal",
    [
        Status(400, "This model does not support image input."),
        Status(400, "messages[0].content must be a string"),
        Status(404, "No endpoints found that support image input"),
        Status(413, "Request too large."),
        Status(422, "unknown variant `image_url`, expected `text`"),
        Status(500, "it is not a multimodal model"),
    ],
)
def test_a_model_without_vision_is_asked_without_pictures_from_then_on(
    ask: Any, refusal: Status
) -> None:
    def answer(received: Received) -> Answer | str:
        return refusal if has_picture(received) else "Read."

    with Loopback(answer) as server:
        outcome = ask(server, 2, picture=PICTURE, concurrency=1)
    assert [reply.text for reply in outcome.replies.values()] == ["Read.", "Read."]
    assert [has_picture(received) for received in server.received] == [True, False, False]
    assert server.received[1].messages[0]["content"] == "#0"
    assert outcome.notices == ["The model does not take pictures: they are no longer sent."]


def test_refusals_of_concurrent_requests_are_reported_once(ask: Any) -> None:
    def answer(received: Received) -> Answer | str:
        return Status(400, "no images") if has_picture(received) else "Read."

    with Loopback(answer) as server:
        outcome = ask(server, 4, picture=PICTURE, concurrency=4)
    assert len(outcome.replies) == 4
    assert len(outcome.notices) == 1


def test_another_refusal_of_a_request_with_a_picture_ends_the_search(ask: Any) -> None:
    with Loopback(lambda received: Status(400, "The prompt is too long.")) as server:
        outcome = ask(server, picture=PICTURE)
    assert isinstance(outcome.error, ModelRefused)
    assert len(server.received) == 1


def test_a_request_without_a_picture_is_not_retried_without_one(ask: Any) -> None:
    with Loopback(lambda received: Status(400, "Bad image.")) as server:
        outcome = ask(server)
    assert isinstance(outcome.error, ModelRefused)
    assert len(server.received) == 1


def test_estimated_tokens_include_pictures(ask: Any) -> None:
    with Loopback(lambda received: Completion("Seen.", usage=None)) as server:
        without, along = (ask(server, picture=p).replies["#0"] for p in (None, PICTURE))
    assert without.estimated
    assert along.prompt_tokens > without.prompt_tokens + 1000
