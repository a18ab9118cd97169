"""From the body of an HTTP answer to a `Reply`."""

import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eureka_agent.llm.endpoint import Redactor
from eureka_agent.llm.messages import ChatMessage, Reply

TAG = re.compile(r"<(/?)(?:think|thinking|reasoning|thought)\s*>", re.IGNORECASE)
FENCE = "```"
CHARACTERS_PER_TOKEN = 4  # of English prose and of code, about
MOST_TOKENS = 10**12  # a larger count is nonsense, and would not fit into a database
MOST_USD = 10**9
MOST_DIGITS = 25


STREAM = re.compile(rb"\s*(data|event|id|retry)?:")
THOUGHTS = ("thinking", "reasoning")
"""Types of the parts of a content in which a model thinks."""
WORDS_LIMIT = 4000  # characters of a failure in which its meaning is looked for
FINISHES = {
    "length": ("max_tokens", "max_output_tokens", "model_length", "token_limit", "limit"),
    "content_filter": ("safety", "prohibited_content", "recitation", "blocklist", "guardrail"),
    "tool_calls": ("function_call", "tool_use", "tool_call"),
    "stop": ("end_turn", "eos", "eos_token", "stop_sequence", "complete", "completed"),
}
"""Why models stop, in OpenAI's words, and what other servers call that."""
STOPPED = ("length", "content_filter")
"""Ends before which there may be nothing."""


class UnusableBody(Exception):
    """Raised when a body holds no reply; the text ends the sentence "The model's server …".

    Args:
        text: what the server sent.
        passes: whether another answer may be a better one: it broke off, or is empty.
        remedy: what to do; "" where the address is to blame.
    """

    def __init__(self, text: str, *, passes: bool = True, remedy: str = "") -> None:
        super().__init__(text)
        self.passes = passes
        self.remedy = remedy


@dataclass(frozen=True)
class FailedResponse:
    """An answer that is a failure, as plain data.

    Attributes:
        status: of HTTP, or as the body says it; 0 where neither names a failure.
        body: what the server said.
        headers: of the answer.
    """

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """What the server says, in words; "" where it says nothing."""
        return words(self.body) if self.body else ""

    @property
    def searched(self) -> str:
        """What tells the kind of failure, in lowercase: its words and codes, not what it quotes."""
        return " ".join([self.said, *_codes(self.body)])[:WORDS_LIMIT].lower()


class ErrorInBody(Exception):
    """Raised when a body that came as a success holds an error: routers pass failures on so.

    Args:
        failed: the error.
    """

    def __init__(self, failed: FailedResponse) -> None:
        super().__init__(failed.said)
        self.failed = failed


def read_reply(
    body: bytes, messages: Sequence[ChatMessage], seconds: float, censor: Redactor
) -> Reply:
    """Read the body of a successful request.

    Args:
        body: what the server sent.
        messages: what was asked, to estimate the tokens where the server does not count them.
        seconds: how long the request took.
        censor: takes secrets out.

    Raises:
        UnusableBody: it is not JSON, or holds no message.
        ErrorInside: it holds an error.
    """
    document = _document(body)
    choice = _choice(document)
    message = _message(choice) or {}
    content, apart = _content(message)
    said, thought = split_reasoning(content)
    fields = (message.get("reasoning_content"), message.get("reasoning"), apart)
    thoughts = [next((field for field in fields if _is_text(field)), ""), thought]
    reasoning = "\n\n".join(filter(None, map(str.strip, thoughts)))
    text = said.strip()
    finish = _finish(_text(choice.get("finish_reason")))
    if not text:
        refusal = _text(message.get("refusal")).strip()
        text = refusal or (reasoning if FENCE in reasoning else "")
        called = message.get("tool_calls") or message.get("function_call")
        finish = "refusal" if refusal else "tool_calls" if called and not text else finish
        if not text and finish == "error":
            raise UnusableBody("broke its answer off")
    prompt_tokens, completion_tokens, cost = _usage(document.get("usage"))
    estimated = prompt_tokens is None or completion_tokens is None
    if prompt_tokens is None or completion_tokens is None:
        prompt_tokens = _tokens(sum(message.characters for message in messages))
        completion_tokens = _tokens(sum(map(len, [said, *thoughts])))
    return Reply(
        text=censor.text(text),
        reasoning=censor.text(reasoning),
        model=censor.line(_text(document.get("model"))),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        estimated=estimated,
        cost=cost,
        seconds=seconds,
        finish_reason=censor.line(finish),
    )


def split_reasoning(content: str) -> tuple[str, str]:
    """Part what a model says from what it thinks between tags such as `<think>` and `</think>`.

    A tag that never closes reaches to the end. One that never opens reaches back to the start, as
    some chat templates put the opening tag into the prompt.

    Returns:
        What is said and what is thought.
    """
    said: list[str] = []
    thought: list[str] = []
    inside = False
    start = 0
    for tag in TAG.finditer(content):
        piece = content[start : tag.start()]
        closing = bool(tag[1])
        if closing and not inside:
            thought += [*said, piece]
            said.clear()
        else:
            (thought if inside else said).append(piece)
        inside = not closing
        start = tag.end()
    (thought if inside else said).append(content[start:])
    return "".join(said), "\n\n".join(filter(None, map(str.strip, thought)))


def _document(body: bytes) -> dict[str, Any]:
    """The JSON object of a body.

    Raises:
        UnusableBody: it is none. What begins like JSON may have broken off; anything else comes
            from what is no such server, and always will.
    """
    start = body.lstrip()[:1]
    try:
        document = _parsed(body)
    except (ValueError, RecursionError) as error:  # half of it, a web page, no text, a trap
        if start == b"<":
            raise UnusableBody("sent a web page in place of an answer", passes=False) from None
        if STREAM.match(body) or str(error).startswith("Extra data"):
            raise UnusableBody(
                "sent a stream of events, although none was asked for",
                passes=False,
                remedy="Switch streaming off in the server or the gateway before it, or name "
                "another with --base-url.",
            ) from None
        text = start not in (b"", b"{", b"[") and not isinstance(error, UnicodeDecodeError)
        raise UnusableBody("sent an answer that is not JSON", passes=not text) from None
    if isinstance(document, list) and document:
        document = document[0]  # some wrap an error so
    if not isinstance(document, dict):
        raise UnusableBody("sent an answer that is not a chat completion", passes=False)
    return document


def _parsed(body: bytes) -> Any:
    """What a body says, read as widely as it can be.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is one that goes in too deep.
    """
    try:
        text = body.decode(json.detect_encoding(body))
    except UnicodeDecodeError:
        if body.lstrip()[:1] not in (b"{", b"["):
            raise
        # One wrong byte in a comment is not worth an answer.
        text = body.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff")
    # Control characters may stand in strings; a number of many digits is nonsense, not an error.
    return json.loads(text, strict=False, parse_int=lambda digits: int(digits[:MOST_DIGITS]))


def _message(choice: dict[str, Any]) -> dict[str, Any] | None:
    """The message of a choice: some servers send it as a stream's, or as a text."""
    for name in ("message", "delta", "text"):
        value = choice.get(name)
        if isinstance(value, str):
            return {"content": value}
        if isinstance(value, dict):
            return value
    return None


def _fullest(choices: list[Any]) -> Any:
    """The first choice that says something, else the first."""
    for choice in choices:
        if isinstance(choice, dict) and any(map(_is_text, _content(_message(choice) or {}))):
            return choice
    return choices[0]


def _choice(document: dict[str, Any]) -> dict[str, Any]:
    """The choice that counts, with a message or an end.

    Raises:
        UnusableBody: there is none.
        ErrorInside: there is an error.
    """
    choices = document.get("choices")
    choice = _fullest(choices) if isinstance(choices, list) and choices else None
    error = document.get("error") or (isinstance(choice, dict) and choice.get("error"))
    if not error and choice is None:
        error = document.get("promptFeedback") or document.get("prompt_feedback")
        if "choices" not in document and _complains(document):
            error = error or document
        error = error or document.get("base_resp")  # of MiniMax
    if error:
        raise ErrorInBody(FailedResponse(_status(error) or _status(document), {"error": error}))
    if "choices" not in document:
        raise UnusableBody("sent an answer that is not a chat completion", passes=False)
    if choice is None:
        raise UnusableBody("sent an answer with no choices")
    # Gemini leaves the message out, if all tokens were spent or a filter stopped it.
    stopped = isinstance(choice, dict) and _finish(_text(choice.get("finish_reason"))) in STOPPED
    if not isinstance(choice, dict) or (_message(choice) is None and not stopped):
        raise UnusableBody("sent a choice without a message")
    return choice


def _complains(document: dict[str, Any]) -> bool:
    """Whether a body without an error of its own is one as a whole."""
    named = (document.get(name) for name in ("message", "detail", "msg"))
    return document.get("object") == "error" or any(isinstance(value, str) for value in named)


def words(error: object) -> str:
    """What a server says about a failure, from the body of its answer in whatever shape."""
    if isinstance(error, list) and len(error) == 1 and isinstance(error[0], dict):
        error = error[0]
    for name in ("error", "message", "detail", "error_description", "msg", "status_msg", "title"):
        if isinstance(error, dict) and error.get(name):
            passed_on = _passed_on(error)
            error = error[name]
            if passed_on and isinstance(error, str):
                return f"{error}: {passed_on}"
    if isinstance(error, list) and error and all(_is_complaint(entry) for entry in error):
        return "; ".join(_complaint(entry) for entry in error)
    if not isinstance(error, str):
        return json.dumps(error, ensure_ascii=False)
    return _page_title(error) if error.lstrip().startswith("<") else error


def _passed_on(error: dict[str, Any]) -> str:
    """What the server behind a router said, which OpenRouter puts beside words of its own."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str):
        return ""
    try:
        return words(json.loads(raw))
    except (ValueError, RecursionError):
        return raw


def _is_complaint(entry: object) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("msg"), str)


def _complaint(entry: dict[str, Any]) -> str:
    """One of the complaints of a server that checks requests with pydantic."""
    place = entry.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{where}: {entry['msg']}" if where else entry["msg"]


def _page_title(page: str) -> str:
    title = re.search(r"<(title|h1)[^>]*>([^<]{1,200})", page, re.IGNORECASE)
    return f"a web page, {html.unescape(title[2]).strip()}" if title else "a web page"


def _codes(body: object) -> list[str]:
    """Short words for the kind of failure, on the two layers where they stand."""
    layers = [body[0] if isinstance(body, list) and body else body]
    found: list[str] = []
    for _ in range(3):
        layers = [layer for layer in layers if isinstance(layer, dict)]
        for layer in layers:
            names = ("code", "type", "status", "param", "blockReason", "block_reason")
            found += [str(layer[name])[:100] for name in names if layer.get(name)]
            found += ["blockReason"] * ("blockReason" in layer)
        layers = [layer.get(name) for layer in layers for name in ("error", "innererror")]
    return found


def _status(error: object) -> int:
    """The status that an error within a body names; 0 for none."""
    if not isinstance(error, dict):
        return 0
    for name in ("code", "status", "status_code", "statusCode"):
        value = error.get(name)
        if isinstance(value, str) and value.isdecimal() and len(value) == 3:
            value = int(value)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return 0


def _finish(said: str) -> str:
    """Why the model stopped, in OpenAI's words where they exist."""
    plain = re.split(r"[^a-z_]", said.lower().removeprefix("finish_reason_"))[0]
    return next((ours for ours, theirs in FINISHES.items() if plain in (ours, *theirs)), said)


def _content(message: dict[str, Any]) -> tuple[str, str]:
    """What the content says and what it thinks; some servers send it in parts."""
    content = message.get("content")
    if isinstance(content, dict):
        content = [content]
    if not isinstance(content, list):
        return _text(content), ""
    said: list[str] = []
    thought: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else ""
        (thought if kind in THOUGHTS else said).append(_part(part))
    return "".join(said), "".join(thought)


def _part(part: object) -> str:
    if isinstance(part, list):
        return "".join(_text(entry.get("text")) for entry in part if isinstance(entry, dict))
    if not isinstance(part, dict):
        return _text(part)
    return _text(part.get("text")) or next((_part(part[k]) for k in THOUGHTS if k in part), "")


def _usage(usage: object) -> tuple[int | None, int | None, float | None]:
    """Tokens in, tokens out and cost in USD; None for what is missing or cannot be."""
    if not isinstance(usage, dict):
        return None, None, None
    tokens = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return *tokens, _dollars(usage.get("cost"))


def _dollars(value: object) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < MOST_USD:
        return float(value)
    return None


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_TOKENS:
        return value
    return None


def _tokens(characters: int) -> int:
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
