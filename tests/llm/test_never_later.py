"""What time changes is tried again; what it does not ends at once and names the cure."""

import gzip
import json
import tracemalloc
from typing import Any

import pytest
from loopback import Answer, Loopback, Raw, Status, sequence

from eureka_agent.llm import ModelDeclined, ModelRefused, ModelUnavailable
from eureka_agent.llm.failures import requested_wait


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
def test_what_never_passes_ends_at_once_and_names_the_cure(ask: Any, name: str) -> None:
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
    "half of it": Raw(b'{"choices": [{"mess'),
    "nothing": Raw(b""),
}


@pytest.mark.parametrize("name", LATER)
def test_what_may_pass_is_tried_again(ask: Any, name: str) -> None:
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
def test_a_question_that_is_declined_leaves_the_others_alone(ask: Any, name: str) -> None:
    def answer(received: Any) -> Answer | str:
        return DECLINED[name] if received.messages[0]["content"] == "#1" else "Done."

    with Loopback(answer) as server:
        outcome = ask(server, 4, concurrency=1, decline=True)
    assert outcome.error is None
    assert outcome.replies.keys() == {"#0", "#2", "#3"}
    assert outcome.declined.keys() == {"#1"}
    assert len(server.received) == 4


BOMB = gzip.compress(b" " * (64 << 20), compresslevel=1)


@pytest.mark.parametrize("code", [200, 400, 503])
def test_a_small_answer_that_unpacks_to_a_huge_one_is_not_unpacked(ask: Any, code: int) -> None:
    answer = Raw(BOMB, code, {"Content-Encoding": "gzip"})
    with Loopback(lambda received: answer) as server:
        tracemalloc.start()
        error = ask(server).error
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert "more than 8 MB" in error.message
    assert most < 40 << 20
    assert len(server.received) == 1


def test_a_packed_answer_is_read(ask: Any) -> None:
    body = gzip.compress(b'{"choices": [{"message": {"content": "Hello."}}]}')
    with Loopback(lambda received: Raw(body, headers={"Content-Encoding": "gzip"})) as server:
        assert ask(server).replies["#0"].text == "Hello."


def test_a_redirect_is_not_followed(ask: Any) -> None:
    with Loopback(lambda received: "Stolen.") as other:
        moved = Raw(b"", 307, {"Location": f"{other.url}/chat/completions"})
        with Loopback(lambda received: moved) as server:
            error = ask(server).error
    assert f"--base-url {other.url}" in error.remedy
    assert other.received == []


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ("Please try again in 20s.", 20),
        ("Please try again in 7m12.5s.", 432.5),
        ("Please retry after 20 seconds.", 20),
        ("Please retry in 34.07s.", 34.07),
        ("Try again after 500ms", 0.5),
        ("You may try again 2 more times.", 0),
        ({"error": {"retry_delay": {"seconds": 34}}}, 34),
        ([{"error": {"details": [{"@type": "RetryInfo", "retryDelay": "34s"}]}}], 34),
        ({"retry_after": 12}, 12),
        ({"error": {"metadata": {"retry_after_ms": 1200}}}, 1.2),
        ({"retry_after": None}, 0),
        (None, 0),
    ],
)
def test_a_wait_in_the_body_is_understood(body: object, seconds: float) -> None:
    assert requested_wait({}, body) == seconds


def test_the_head_of_an_answer_counts_for_more_than_its_body() -> None:
    assert requested_wait({"retry-after": "3"}, "Try again in 20s.") == 3


def test_a_long_wait_in_the_body_is_left_to_the_person(ask: Any) -> None:
    with Loopback(lambda received: Status(429, "Try again in 1h2m.")) as server:
        error = ask(server).error
    assert isinstance(error, ModelUnavailable)
    assert error.remedy.startswith("Resume the run after ")
