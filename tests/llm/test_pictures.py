"""Pictures go to models that take them, and others are asked without."""

import base64
from typing import Any

import pytest
from loopback import Answer, Completion, Loopback, Received, Status

from eureka_agent.llm import ModelRefused, Picture

PICTURE = Picture(b"\x89PNG", "What the robot did.")


def has_picture(received: Received) -> bool:
    return isinstance(received.messages[0]["content"], list)


def test_a_picture_crosses_with_its_caption_behind_the_text(ask: Any) -> None:
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
def test_a_model_without_eyes_is_asked_without_pictures_from_then_on(
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


def test_refusals_of_requests_under_way_at_once_are_told_once(ask: Any) -> None:
    def answer(received: Received) -> Answer | str:
        return Status(400, "no images") if has_picture(received) else "Read."

    with Loopback(answer) as server:
        outcome = ask(server, 4, picture=PICTURE, concurrency=4)
    assert len(outcome.replies) == 4
    assert len(outcome.notices) == 1


def test_another_refusal_of_a_picture_stops_as_any_other(ask: Any) -> None:
    with Loopback(lambda received: Status(400, "The prompt is too long.")) as server:
        outcome = ask(server, picture=PICTURE)
    assert isinstance(outcome.error, ModelRefused)
    assert len(server.received) == 1


def test_a_request_without_picture_is_not_sent_again_for_want_of_one(ask: Any) -> None:
    with Loopback(lambda received: Status(400, "Bad image.")) as server:
        outcome = ask(server)
    assert isinstance(outcome.error, ModelRefused)
    assert len(server.received) == 1


def test_a_picture_counts_where_the_server_does_not_count(ask: Any) -> None:
    with Loopback(lambda received: Completion("Seen.", usage=None)) as server:
        without, along = (ask(server, picture=p).replies["#0"] for p in (None, PICTURE))
    assert without.estimated
    assert along.prompt_tokens > without.prompt_tokens + 1000
