"""From the body of an HTTP answer to a `Reply`.

Bodies are read here, and not by the openai package, as many servers answer outside the protocol:
with errors under status 200, contents in parts, reasoning in fields and tags, or broken encodings.
"""

import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eureka_agent.llm.endpoint import Redactor
from eureka_agent.llm.messages import CHARACTERS_PER_TOKEN, ChatMessage, Reply, length

TAG = re.compile(r"<(/?)(?:think|thinking|reasoning|thought)\s*>", re.IGNORECASE)
FENCE = "```"
TOKEN_COUNTS = ("prompt_tokens", "completion_tokens")
MOST_TOKENS = 10**12  # a larger count is nonsense, and would not fit into a database
MOST_USD = 10**9
MOST_DIGITS = 25
STREAM = re.compile(rb"\s*(data|event|id|retry)?:")
THOUGHTS = ("thinking", "reasoning")
"""Types of the content parts that hold reasoning."""
WORDS_LIMIT = 4000  # characters of a failure in which its meaning is looked for
FINISHES = {
    "length": ("max_tokens", "max_output_tokens", "model_length", "token_limit", "limit"),
    "content_filter": ("safety", "prohibited_content", "recitation", "blocklist", "guardrail"),
    "tool_calls": ("function_call", "tool_use", "tool_call"),
    "stop": ("end_turn", "eos", "eos_token", "stop_sequence", "complete", "completed"),
}
"""Why models stop, in OpenAI's words, and other servers' words for it."""
STOPPED = ("length", "content_filter")
"""Ends after which a message may be missing."""


@dataclass(eq=False)
class UnusableBody(Exception):
    """Raised when a body holds no reply.

    Attributes:
        happened: ends the sentence "The model's server …".
        passes: whether another answer may be better: this one broke off, or is empty.
        remedy: what to do; "" where the address is to blame.
    """

    happened: str
    passes: bool = True
    remedy: str = ""


@dataclass(frozen=True)
class FailedResponse:
    """An answer that is a failure, as plain data.

    Attributes:
        status: HTTP status, or the one in the body; 0 where neither names a failure.
        body: the content.
        headers: HTTP headers.
    """

    status: int
    body: object
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """The server's explanation; "" where it gives none."""
        return words(self.body) if self.body else ""

    @property
    def searched(self) -> str:
        """The words and codes that show the kind of failure, in lowercase, without quotations."""
        return " ".join([self.said, *_codes(self.body)])[:WORDS_LIMIT].lower()


@dataclass(eq=False)
class ErrorInBody(Exception):
    """Raised when a body with a status of success holds an error: routers pass failures on so."""

    failed: FailedResponse


def read_reply(
    body: bytes, messages: Sequence[ChatMessage], seconds: float, redactor: Redactor
) -> Reply:
    """Read the body of a successful request.

    Args:
        body: what the server sent.
        messages: the conversation, to estimate the tokens where the server does not count them.
        seconds: how long the request took.
        redactor: takes secrets out.

    Raises:
        UnusableBody: it is not JSON, or holds no message.
        ErrorInBody: it holds an error.
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
    usage = document.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    tokens = [_within(usage.get(name), MOST_TOKENS) for name in TOKEN_COUNTS]
    counts = [count for count in tokens if isinstance(count, int)]
    estimated = len(counts) < len(TOKEN_COUNTS)
    if estimated:
        characters = (length(messages), sum(map(len, [said, *thoughts])))
        counts = [math.ceil(count / CHARACTERS_PER_TOKEN) for count in characters]
    cost = _within(usage.get("cost"), MOST_USD)
    return Reply(
        text=redactor.text(text),
        reasoning=redactor.text(reasoning),
        model=redactor.line(_text(document.get("model"))),
        prompt_tokens=counts[0],
        completion_tokens=counts[1],
        estimated=estimated,
        cost=None if cost is None else float(cost),
        seconds=seconds,
        finish_reason=redactor.line(finish),
    )


def split_reasoning(content: str) -> tuple[str, str]:
    """Separate the answer from reasoning between tags such as `<think>` and `</think>`.

    A tag that never closes reaches to the end. One that never opens reaches back to the start, as
    some chat templates put the opening tag into the prompt.

    Returns:
        The answer and the reasoning.
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


def words(error: object) -> str:
    """A server's explanation of a failure, from the body of its answer in any shape."""
    if isinstance(error, list) and len(error) == 1 and isinstance(error[0], dict):
        error = error[0]
    for name in ("error", "message", "detail", "error_description", "msg", "status_msg", "title"):
        if isinstance(error, dict) and error.get(name):
            passed_on = _passed_on(error)
            error = error[name]
            if passed_on and isinstance(error, str):
                return f"{error}: {passed_on}"
    complaints = [_complaint(entry) for entry in error] if isinstance(error, list) else []
    if complaints and all(complaints):
        return "; ".join(complaints)
    if not isinstance(error, str):
        return json.dumps(error, ensure_ascii=False)
    if not error.lstrip().startswith("<"):
        return error
    title = re.search(r"<(title|h1)[^>]*>([^<]{1,200})", error, re.IGNORECASE)
    return f"a web page, {html.unescape(title[2]).strip()}" if title else "a web page"


def _document(body: bytes) -> dict[str, Any]:
    """The JSON object of a body.

    A body that begins like JSON may have broken off; any other does not come from a model server.
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
        document = document[0]  # some servers wrap an error in a list
    if not isinstance(document, dict):
        raise UnusableBody("sent an answer that is not a chat completion", passes=False)
    return document


def _parsed(body: bytes) -> Any:
    """The JSON value of a body, read as leniently as possible."""
    try:
        text = body.decode(json.detect_encoding(body))
    except UnicodeDecodeError:
        if body.lstrip()[:1] not in (b"{", b"["):
            raise
        # One wrong byte in a comment is not worth an answer.
        text = body.decode("utf-8", "replace")
    text = text.removeprefix("\ufeff")
    # Control characters may occur in strings; a number of many digits is nonsense, not an error.
    return json.loads(text, strict=False, parse_int=lambda digits: int(digits[:MOST_DIGITS]))


def _choice(document: dict[str, Any]) -> dict[str, Any]:
    """The first choice with content, else the first; it has a message or an end."""
    choices = document.get("choices")
    choice = None
    if isinstance(choices, list) and choices:
        choice = next((one for one in choices if _has_content(one)), choices[0])
    error = document.get("error") or (isinstance(choice, dict) and choice.get("error"))
    if not error and choice is None:
        error = document.get("promptFeedback") or document.get("prompt_feedback")
        if "choices" not in document and _complains(document):
            error = error or document
        error = error or document.get("base_resp")  # of MiniMax
    if error:
        failed = FailedResponse(_status(error) or _status(document), {"error": error})
        raise ErrorInBody(failed)
    if "choices" not in document:
        raise UnusableBody("sent an answer that is not a chat completion", passes=False)
    if choice is None:
        raise UnusableBody("sent an answer with no choices")
    # Gemini leaves the message out, if all tokens were spent or a filter stopped it.
    stopped = isinstance(choice, dict) and _finish(_text(choice.get("finish_reason"))) in STOPPED
    if not isinstance(choice, dict) or (_message(choice) is None and not stopped):
        raise UnusableBody("sent a choice without a message")
    return choice


def _has_content(choice: object) -> bool:
    return isinstance(choice, dict) and any(map(_is_text, _content(_message(choice) or {})))


def _message(choice: dict[str, Any]) -> dict[str, Any] | None:
    """The message of a choice: some servers send it as a stream's, or as a text."""
    for name in ("message", "delta", "text"):
        value = choice.get(name)
        if isinstance(value, str):
            return {"content": value}
        if isinstance(value, dict):
            return value
    return None


def _content(message: dict[str, Any]) -> tuple[str, str]:
    """The answer and the reasoning in the content; some servers send it in parts."""
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


def _complains(document: dict[str, Any]) -> bool:
    """Whether a body without an error of its own is one as a whole."""
    named = (document.get(name) for name in ("message", "detail", "msg"))
    return document.get("object") == "error" or any(isinstance(value, str) for value in named)


def _passed_on(error: dict[str, Any]) -> str:
    """The words of the server behind a router, which OpenRouter puts beside words of its own."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if not isinstance(raw, str):
        return ""
    try:
        return words(json.loads(raw))
    except (ValueError, RecursionError):
        return raw


def _complaint(entry: object) -> str:
    """One complaint of a server that checks requests with pydantic; "" for anything else."""
    if not isinstance(entry, dict) or not isinstance(entry.get("msg"), str):
        return ""
    place = entry.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{where}: {entry['msg']}" if where else entry["msg"]


def _codes(body: object) -> list[str]:
    """Short words for the kind of failure, from the two layers where they stand."""
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


def _within(value: object, most: int) -> float | None:
    """A number from 0 to below `most`; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < most:
        return value
    return None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
