import json
from typing import Any

import pytest
from loopback import Completion, Loopback, Raw

from eureka_agent.llm import Reply
from eureka_agent.llm.response import split_reasoning, words

PROGRAM = '```python\n"""Go."""\n```'


def reply(ask: Any, answer: Completion | Raw) -> Reply:
    """The reply that a client makes from an answer."""
    with Loopback(lambda received: answer) as server:
        return ask(server).replies["#0"]


@pytest.mark.parametrize(
    ("content", "said", "thought"),
    [
        ("Hello.", "Hello.", ""),
        ("<think>Hm.</think>Hello.", "Hello.", "Hm."),
        ("<THINKING>\nHm.\n</Thinking>\nHello.", "\nHello.", "Hm."),
        ("Well. <reasoning>Hm.</reasoning>Hello.", "Well. Hello.", "Hm."),
        ("<thought>A</thought>x<thought>B</thought>y", "xy", "A\n\nB"),
        ("<think>Hm, and so on", "", "Hm, and so on"),
        ("Hello. <think>Hm", "Hello. ", "Hm"),
        ("Hm.</think>Hello.", "Hello.", "Hm."),
        ("<think>A<think>B</think>C</think>Hello.", "Hello.", "A\n\nB\n\nC"),
        ("x<think>A</think>B</think>Hello.", "Hello.", "A\n\nx\n\nB"),
        ("<think></think>Hello.", "Hello.", ""),
        ("if a <think and b> c", "if a <think and b> c", ""),
    ],
)
def test_reasoning_is_separated_from_the_answer(content: str, said: str, thought: str) -> None:
    assert split_reasoning(content) == (said, thought)


def test_many_open_tags_are_read_in_linear_time() -> None:
    said, thought = split_reasoning("<think>x" * 50_000)
    assert (said, len(thought)) == ("", 50_000 + 2 * 49_999)


def test_tagged_reasoning_is_removed_from_the_text(ask: Any) -> None:
    found = reply(ask, Completion(f"<think>Hm.</think>\n\n{PROGRAM}\n"))
    assert (found.text, found.reasoning) == (PROGRAM, "Hm.")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_may_have_its_own_field(ask: Any, name: str) -> None:
    message = {"role": "assistant", "content": "Hello.", name: "Hm."}
    found = reply(ask, Raw(json.dumps({"choices": [{"message": message}]}).encode()))
    assert (found.text, found.reasoning) == ("Hello.", "Hm.")


@pytest.mark.parametrize("text", [None, ""])
def test_a_reply_of_reasoning_alone_has_no_text(ask: Any, text: str | None) -> None:
    found = reply(ask, Completion(text, reasoning="Hm.", finish_reason="length"))
    assert (found.text, found.reasoning, found.finish_reason) == ("", "Hm.", "length")


@pytest.mark.parametrize(
    "answer",
    [
        Completion(None, reasoning=f"Hm. {PROGRAM}"),
        Completion(f"<think>Hm. {PROGRAM}"),
        Completion(f"Hm. {PROGRAM}</think>\n"),
    ],
)
def test_a_program_within_the_reasoning_is_not_lost(ask: Any, answer: Completion) -> None:
    found = reply(ask, answer)
    assert found.text == found.reasoning == f"Hm. {PROGRAM}"


def test_an_empty_reply_is_a_reply(ask: Any) -> None:
    assert reply(ask, Completion("")).text == ""


def test_a_refusal_is_the_text(ask: Any) -> None:
    assert reply(ask, Completion(None, refusal="I will not.")).text == "I will not."


def test_content_may_come_in_parts(ask: Any) -> None:
    parts = [
        {"type": "text", "text": "Hel"},
        {"type": "image_url", "image_url": {}},
        "lo",
        {"type": "text", "text": "."},
        7,
    ]
    assert reply(ask, Completion(parts)).text == "Hello."


@pytest.mark.parametrize(
    "part",
    [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "thinking", "thinking": "Hm."},
        {"type": "reasoning", "text": "Hm."},
    ],
)
def test_a_part_of_the_content_may_be_reasoning(ask: Any, part: dict[str, Any]) -> None:
    found = reply(ask, Completion([part, {"type": "text", "text": "Hello."}]))
    assert (found.text, found.reasoning) == ("Hello.", "Hm.")


@pytest.mark.parametrize(
    ("said", "finish"),
    [
        ("length", "length"),
        ("max_tokens", "length"),
        ("MAX_TOKENS", "length"),
        ("FINISH_REASON_SAFETY", "content_filter"),
        ("content_filter: PROHIBITED_CONTENT", "content_filter"),
        ("tool_use", "tool_calls"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("odd", "odd"),
    ],
)
def test_finish_reasons_are_named_alike_for_all_servers(ask: Any, said: str, finish: str) -> None:
    assert reply(ask, Completion("Hello.", finish_reason=said)).finish_reason == finish


def test_tool_calls_and_refusals_become_the_finish_reason(ask: Any) -> None:
    call = {"type": "function", "function": {"name": "python", "arguments": "{}"}}
    assert reply(ask, Completion(None, tool_calls=(call,))).finish_reason == "tool_calls"
    assert reply(ask, Completion(None, refusal="I will not.")).finish_reason == "refusal"
    assert reply(ask, Completion("Hello.", tool_calls=(call,))).finish_reason == "stop"


def test_the_finish_reason_and_the_model_are_passed_on(ask: Any) -> None:
    found = reply(ask, Completion("Hel", finish_reason="length", model="other-2"))
    assert (found.finish_reason, found.model) == ("length", "other-2")


def test_a_minimal_answer_is_read(ask: Any) -> None:
    found = reply(ask, Raw(b'{"choices": [{"message": {"content": "Hello."}}]}'))
    assert (found.text, found.model, found.finish_reason) == ("Hello.", "", "")


def test_the_servers_counts_and_cost_are_used(ask: Any) -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 34, "cost": 0.0056}
    found = reply(ask, Completion("Hello.", usage=usage))
    assert (found.prompt_tokens, found.completion_tokens) == (12, 34)
    assert (found.cost, found.estimated) == (0.0056, False)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": 12},
        {"prompt_tokens": -1, "completion_tokens": 10**30, "cost": float("nan")},
        {"prompt_tokens": "many", "completion_tokens": None, "cost": "much"},
    ],
)
def test_missing_and_impossible_counts_are_estimated(ask: Any, usage: dict[str, Any]) -> None:
    found = reply(ask, Completion("Hello", usage=usage, reasoning="Hmmmm"))
    assert (found.prompt_tokens, found.completion_tokens) == (1, 3)  # of "#0", and of 10 letters
    assert (found.cost, found.estimated) == (None, True)


def test_a_long_reply_is_cut(ask: Any) -> None:
    found = reply(ask, Completion("é" * 300_000, reasoning="x" * 500_000))
    assert found.text == "é" * 200_000
    assert found.reasoning == "x" * 400_000


def test_a_reply_can_always_be_stored(ask: Any) -> None:
    found = reply(ask, Raw(b'{"choices": [{"message": {"content": "a\\ud800b"}}]}'))
    assert found.text.encode() == b"a?b"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "No."}, "No."),
        ({"error": "No."}, "No."),
        ({"error": {"message": "No."}}, "No."),
        ({"detail": [{"loc": ["top"]}]}, '[{"loc": ["top"]}]'),
        ({"detail": [{"loc": ["a", 0], "msg": "No."}, {"msg": "Why?"}]}, "a.0: No.; Why?"),
        ([{"error": {"message": "No."}}], "No."),
        ({"error": {"error": {"message": "No."}}}, '{"error": {"message": "No."}}'),
        ("<html><title>502 &amp; more</title></html>", "a web page, 502 & more"),
        ("<html></html>", "a web page"),
        ("No.", "No."),
        (None, "null"),
    ],
)
def test_the_message_of_a_failure_is_found(body: object, said: str) -> None:
    assert words(body) == said


@pytest.mark.parametrize(
    "body",
    [
        b'{"choices": [{"delta": {"content": "Done."}}]}',
        b'{"choices": [{"text": "Done."}]}',
        b'{"choices": [{"message": "Done."}]}',
        b'{"choices": [{"message": {"content": {"type": "text", "text": "Done."}}}]}',
        b'{"choices": [{"message": {"content": ""}}, {"message": {"content": "Done."}}]}',
        b'\xef\xbb\xbf{"choices": [{"message": {"content": "Done."}}]}',
        b'{"choices": [{"message": {"content": "Done."}}], "id": "a\x01\xff"}',
        b'{"choices": [{"message": {"content": "Done."}}], "created": ' + b"9" * 5000 + b"}",
    ],
)
def test_answers_of_unusual_shape_are_read(ask: Any, body: bytes) -> None:
    with Loopback(lambda received: Raw(body)) as server:
        assert ask(server).replies["#0"].text == "Done."
    assert len(server.received) == 1


def test_headers_in_any_encoding_are_accepted(ask: Any) -> None:
    body = b'{"choices": [{"message": {"content": "Done."}}]}'
    with Loopback(lambda received: Raw(body, headers={"Via": "Z\xfcrich"})) as server:
        assert ask(server).replies["#0"].text == "Done."


@pytest.mark.parametrize("end", ["length", "content_filter"])
def test_a_choice_without_a_message_is_an_empty_answer(ask: Any, end: str) -> None:
    body = json.dumps({"choices": [{"finish_reason": end}]}).encode()
    with Loopback(lambda received: Raw(body)) as server:
        reply = ask(server).replies["#0"]
    assert (reply.text, reply.finish_reason) == ("", end)


def test_an_error_passed_on_by_a_router_is_shown() -> None:
    raw = json.dumps({"error": {"message": "Too many tokens."}})
    error = {"message": "Provider returned error", "metadata": {"raw": raw}}
    assert words({"error": error}) == "Provider returned error: Too many tokens."
