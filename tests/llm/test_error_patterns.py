"""Errors that time may change are retried; the others end the search and name the remedy."""

import json
from typing import Any

import pytest
from loopback import Answer, Loopback, Raw, Status, sequence

from eureka_agent.llm import ModelDeclined, ModelRefused
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
def test_the_longest_accepted_answer_is_read(refusal: str, answer: int) -> None:
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
def test_refusals_without_sizes_yield_none(refusal: str) -> None:
    assert read_sizes(refusal, 16000) == Sizes()


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
def test_a_refusal_ends_at_once(
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


def test_a_wrong_path_ends_at_once(ask: Any) -> None:
    with Loopback(lambda received: "Hello.") as server:
        error = ask(server, base_url=server.url.removesuffix("/v1")).error
    assert isinstance(error, ModelRefused)
    assert "mostly ends in /v1" in error.remedy


def said(body: object, code: int = 200, **headers: str) -> Raw:
    """An answer with a JSON body."""
    return Raw(json.dumps(body).encode(), code, headers)


def page(title: str, code: int = 200) -> Raw:
    return Raw(f"<html>\n<head><title>{title}</title></head></html>".encode(), code)


QUOTA = "You exceeded your current quota, please check your plan and billing details."


FILTERED = {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}


FIELDS = [{"loc": ["body", "prompt"], "msg": "Field required", "input": "busy"}]


NEVER: dict[str, tuple[Answer, list[str]]] = {
    "a web page": (page("Sign in"), ["web page", "--base-url", "/v1"]),
    "plain text": (Raw(b"Ollama is running"), ["not JSON", "--base-url"]),
    "events": (Raw(b'data: {"id": 1}\n\ndata: [DONE]\n'), ["stream of events", "streaming off"]),
    "many documents": (Raw(b'{"done": false}\n{"done": true}\n'), ["stream of events"]),
    "another protocol": (said({"message": {"content": "Hi"}}), ["no", "--base-url"]),
    "an empty list": (said([]), ["not a chat completion", "--base-url"]),
    "an error in words": (said({"error": "Unexpected endpoint or method."}), ["--base-url"]),
    "an error with a status": (said({"error": {"code": 401, "message": "No auth"}}), ["key (401)"]),
    "an error as a whole": (said({"detail": "Model tester not found"}), ["--model"]),
    "an error in a list": (said([{"error": {"code": 400, "message": "Odd."}}], 400), [": Odd."]),
    "a wrong key as 400": (said([{"error": {"message": "API key not valid."}}], 400), ["API_KEY"]),
    "no such model": (
        said({"error": {"message": "model 'tester' not found"}}, 404),
        ["pull teste"],
    ),
    "no such path": (said({"detail": "Not Found"}, 404), ["no chat completions", "/v1"]),
    "no such page": (page("404 Not Found", 404), ["a web page, 404 Not Found", "/v1"]),
    "no such method": (said({"detail": "Method Not Allowed"}, 405), ["no chat completions"]),
    "not implemented": (Raw(b"Unsupported method ('POST')", 501), ["no chat completions"]),
    "fields": (said({"detail": FIELDS}, 422), ["body.prompt: Field required"]),
    "a proxy's password": (Raw(b"Proxy Authentication Required", 407), ["NO_PROXY="]),
    "https wanted": (page("The plain HTTP request was sent to HTTPS port", 400), ["https://127."]),
    "moved": (
        Raw(b"", 308, {"Location": "https://new.example/v1/chat/completions?key=secret"}),
        ["(308)", "--base-url https://new.example/v1,"],
    ),
    "to sign in": (Raw(b"", 302, {"Location": "/login?next=secret"}), ["/login may be a page"]),
    "no quota": (Status(429, QUOTA, error_code="insufficient_quota"), ["no credit left"]),
    "no quota in words": (Status(429, QUOTA), ["no credit left"]),
    "no balance": (said({"error": {"message": "Insufficient Balance"}}, 402), ["Add credit"]),
    "low credit": (Status(400, "Your credit balance is too low."), ["Add credit"]),
    "the budget of a gateway": (Status(400, "Budget has been exceeded!"), ["Add credit"]),
    "no balance in Chinese": (Status(429, "余额不足"), ["Add credit"]),
    "included credits": (Status(429, "You exceeded your included credits."), ["Add credit"]),
    "no memory": (Status(500, "model requires more system memory (9 GiB)"), ["smaller model"]),
    "a wrong key passed on": (Status(500, "litellm.AuthenticationError: no"), ["API_KEY"]),
    "a model passed on": (Status(502, "The model `tester` does not exist."), ["--model"]),
    "no model of that id": (Status(400, "x is not a valid model ID"), ["--model"]),
    "no endpoints": (Status(404, "No endpoints found for x."), ["does not know the model"]),
    "no deployment": (Status(404, "The API deployment does not exist."), ["the model tester"]),
    "a rule of the account": (
        Status(404, "No endpoints available matching your guardrail restrictions."),
        ["does not let us use the model", "what the account allows"],
    ),
    "to be verified": (
        Status(404, "Your organization must be verified.", error_code="model_not_found"),
        ["does not let us use the model"],
    ),
    "no chat model": (Status(404, "This is not a chat model."), ["Name a chat model"]),
    "streams only": (Status(400, "This model only support stream mode"), ["stream", "--model"]),
    "another organization": (
        Status(401, "OpenAI-Organization header should match organization for API key"),
        ["Unset OPENAI_ORG_ID"],
    ),
    "a version": (Status(400, "Missing required query parameter: api-version"), ["openai/v1"]),
    "a page that keeps us out": (page("Just a moment...", 403), ["another network"]),
    "a country": (Status(403, "Country, region, or territory not supported"), ["another network"]),
    "a network's page": (page("Network Authentication Required", 511), ["Sign in"]),
    "without words": (Raw(b"", 406), ["no chat completions", "--base-url"]),
    "two lengths": (Raw(b"{}", 200, {"Content-Length": "9"}), ["not speak http", "--base-url"]),
    "moved to nowhere": (Raw(b"", 301), ["to nowhere", "--base-url"]),
    "moved to no address": (Raw(b"", 307, {"Location": "http://[bad/"}), ["to nowhere"]),
    "no choices, for a reason": (
        said({"choices": None, "base_resp": {"status_msg": "login fail"}}),
        ["login fail"],
    ),
    "too long": (Raw(b"{" + b" " * (9 << 20), 200), ["more than 8 MB"]),
}


@pytest.mark.parametrize("name", NEVER)
def test_permanent_failures_end_at_once_and_name_the_remedy(ask: Any, name: str) -> None:
    answer, parts = NEVER[name]
    with Loopback(lambda received: answer) as server:
        outcome = ask(server)
    assert isinstance(outcome.error, ModelRefused)
    assert not isinstance(outcome.error, ModelDeclined)
    assert len(server.received) == 1
    assert outcome.notices == []
    assert server.url in outcome.error.message
    assert [part for part in parts if part not in str(outcome.error)] == []
    assert "secret" not in str(outcome.error)


LATER: dict[str, Answer] = {
    "busy in words": said({"error": {"message": "The engine is overloaded, try again later"}}),
    "busy by status": said({"error": {"code": 503, "message": "Odd."}}),
    "loading": said({"error": {"code": 503, "message": "Loading model"}}, 503),
    "a gateway's page": page("502 Bad Gateway", 502),
    "a share used up": said([{"error": {"message": f"{QUOTA} Please retry in 0.1s."}}], 429),
    "a rate with an offer": Status(429, "Rate limit reached. Upgrade at /settings/billing"),
    "a rate as a refusal": Status(403, "Rate limit exceeded."),
    "a model that is not there yet": Status(404, "The model is still loading."),
    "a crash": Status(400, "The model has crashed without additional information."),
    "a page of its own": page("Cloudflare: bad gateway", 502),
    "no route for now": Status(500, "No route to host"),
    "a failed check": Status(500, "The moderation is unavailable."),
    "a packing that is none": Raw(b"no", 502, {"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("name", LATER)
def test_transient_failures_are_retried(ask: Any, name: str) -> None:
    with Loopback(sequence([LATER[name], "Done."])) as server:
        outcome = ask(server)
    assert outcome.replies["#0"].text == "Done."
    assert len(server.received) == 2


DECLINED: dict[str, Answer] = {
    "Azure": said({"error": {"message": "Filtered.", "status": 400, **FILTERED}}, 400),
    "OpenRouter": said({"error": {"code": 403, "message": "Input was flagged"}}, 403),
    "Gemini": said({"choices": [], "promptFeedback": {"blockReason": "SAFETY"}}),
    "DeepSeek": said({"error": {"message": "Content Exists Risk"}}, 400),
    "Zhipu": said({"error": {"message": "可能包含敏感内容"}}, 400),
    "passed on": said({"error": {"message": "litellm: content_filter"}}, 500),
    "nginx": page("413 Request Entity Too Large", 413),
}


@pytest.mark.parametrize("name", DECLINED)
def test_a_declined_question_does_not_affect_the_others(ask: Any, name: str) -> None:
    def answer(received: Any) -> Answer | str:
        return DECLINED[name] if received.messages[0]["content"] == "#1" else "Done."

    with Loopback(answer) as server:
        outcome = ask(server, 4, concurrency=1, decline=True)
    assert outcome.error is None
    assert outcome.replies.keys() == {"#0", "#2", "#3"}
    assert outcome.declined.keys() == {"#1"}
    assert len(server.received) == 4
