"""What refusals say of sizes is read, in the words of many servers, and used."""

import json
from typing import Any

import pytest
from loopback import Answer, Loopback, Raw, Received, Status

from eureka_agent.llm import ModelDeclined
from eureka_agent.llm.error_patterns import Sizes, read_sizes

PYDANTIC = {
    "detail": [
        {
            "type": "less_than_equal",
            "loc": ["body", "max_tokens"],
            "msg": "Input should be less than or equal to 4096",
            "input": 16000,
            "ctx": {"le": 4096},
        }
    ]
}
LLAMA = {
    "code": 400,
    "message": "the request exceeds the available context size, try increasing it",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 9000,
    "n_ctx": 4096,
}


@pytest.mark.parametrize(
    ("refusal", "answer"),
    [
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
        ("Range of max_tokens should be [1,8192]", 8192),
        (
            "max_tokens is too large: 16000. This model supports at most 4096 completion tokens",
            4096,
        ),
        ("`max_tokens` must be less than or equal to `8192`, the maximum for this model", 8192),
        ("max_tokens: 16000 > 8192, which is the maximum number of output tokens for m-1", 8192),
        ("a maxOutputTokens value of 16000 but the range is from 1 to 8193 (exclusive)", 8192),
        (json.dumps(PYDANTIC), 4096),
        ("Invalid 'max_tokens'. Expected a value <= 4096, but got 16000 instead.", 4096),
        ("max_tokens cannot exceed 8,192", 8192),
        ("max_tokens must be less than 8192", 8191),
        ("The maximum value for max_tokens is 8192", 8192),
        ("max_completion_tokens must be between 1 and 4096", 4096),
        ("The value of max_tokens must be in range 1-4096", 4096),
        ("max_tokens (16000) exceeds model's maximum output of 8192 tokens", 8192),
        ("16000 > 8192, the maximum number of output tokens for claude-3-5", 8192),
        ("You requested up to 16000 max_tokens, but can only afford 3000.", 3000),
    ],
)
def test_the_longest_answer_that_a_server_takes_is_read(refusal: str, answer: int) -> None:
    assert read_sizes(refusal, 16000) == Sizes(answer=answer, too_much=True)


@pytest.mark.parametrize(
    ("refusal", "window", "prompt"),
    [
        (
            "This model's maximum context length is 8192 tokens. However, you requested 20100 "
            "tokens (4100 in the messages, 16000 in the completion).",
            8192,
            4100,
        ),
        (
            "This model's maximum context length is 8192 tokens. However, you requested 20100 "
            "tokens. Please reduce the length.",
            8192,
            4100,
        ),
        (
            "'max_tokens' is too large: 16000. This model's maximum context length is 8192 tokens "
            "and your request has 3500 input tokens (16000 > 8192 - 3500).",
            8192,
            3500,
        ),
        (
            "You passed 9000 input tokens and requested 16000 output tokens. However, the model's "
            "context length is only 8192 tokens.",
            8192,
            9000,
        ),
        (json.dumps({"error": LLAMA}), 4096, 9000),
        ("request (9000 tokens) exceeds the available context size (4096 tokens)", 4096, 9000),
        (
            "input length and `max_tokens` exceed context limit: 188240 + 16000 > 200000",
            200000,
            188240,
        ),
        ("prompt is too long: 209000 tokens > 200000 maximum", 200000, 209000),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed "
            "(1048576).",
            1048576,
            1200000,
        ),
        (
            "Trying to keep the first 9000 tokens when context the overflows. However, the model "
            "is loaded with context length of only 4096 tokens, which is not enough.",
            4096,
            9000,
        ),
        (
            "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3500 `inputs` tokens and "
            "16000 `max_new_tokens`",
            4096,
            3500,
        ),
        (
            "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
            32768,
            40000,
        ),
        ("tokens per minute (TPM): Limit 6000, Requested 20100, please reduce", 6000, 4100),
    ],
)
def test_the_window_and_the_question_are_read(refusal: str, window: int, prompt: int) -> None:
    assert read_sizes(refusal, 16000) == Sizes(window, prompt)


@pytest.mark.parametrize(
    "refusal",
    [
        "Unsupported parameter: 'max_tokens' is not supported.",
        "Rate limit reached (TPM): Limit 6000, Used 5000, Requested 4000. Try again in 7m12s.",
        "Provider returned error 500",
        "",
    ],
)
def test_where_nothing_is_said_of_sizes_nothing_is_read(refusal: str) -> None:
    assert read_sizes(refusal, 16000) == Sizes()


def test_a_refused_length_is_sent_as_long_as_the_server_takes_it(ask: Any) -> None:
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


def test_a_length_refused_without_a_number_is_halved_until_it_is_taken(ask: Any) -> None:
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


def test_an_answer_gets_what_the_window_has_left(ask: Any) -> None:
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


def test_a_question_that_is_too_long_by_itself_is_not_asked_again(ask: Any) -> None:
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
