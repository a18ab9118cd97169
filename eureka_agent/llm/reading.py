"""From the body of an HTTP answer to a `Reply`."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from eureka_agent.llm.censor import Censor
from eureka_agent.llm.messages import ChatMessage, Reply

TAG = re.compile(r"<(/?)(?:think|thinking|reasoning|thought)\s*>", re.IGNORECASE)
FENCE = "```"
CHARACTERS_PER_TOKEN = 4  # of English prose and of code, about
MOST_TOKENS = 10**12  # a larger count is nonsense, and would not fit into a database
MOST_USD = 10**9


class UnusableBody(Exception):
    """Raised when a body holds no reply; the text ends the sentence "The model's server …"."""


def read_reply(
    body: bytes, messages: Sequence[ChatMessage], seconds: float, censor: Censor
) -> Reply:
    """Read the body of a successful request.

    Args:
        body: what the server sent.
        messages: what was asked, to estimate the tokens where the server does not count them.
        seconds: how long the request took.
        censor: takes secrets out.

    Raises:
        UnusableBody: it is not JSON, or holds no message.
    """
    document = _document(body)
    choice = _first_choice(document, censor)
    message = choice["message"]
    said, thought = split_reasoning(_content(message))
    fields = (message.get("reasoning_content"), message.get("reasoning"))
    thoughts = [next((field for field in fields if _is_text(field)), ""), thought]
    reasoning = "\n\n".join(filter(None, map(str.strip, thoughts)))
    text = said.strip()
    if not text:
        text = _refusal(message) or (reasoning if FENCE in reasoning else "")
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
        finish_reason=censor.line(_text(choice.get("finish_reason"))),
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
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):  # half of it, a web page, bytes that are not text, a trap
        raise UnusableBody("sent an answer that is not JSON") from None
    if not isinstance(document, dict):
        raise UnusableBody("sent an answer that is not a chat completion")
    return document


def _first_choice(document: dict[str, Any], censor: Censor) -> dict[str, Any]:
    """The first choice, which has a message.

    Raises:
        UnusableBody: there is none. Routers pass on a failure behind them with status 200.
    """
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    error = document.get("error") or (isinstance(choice, dict) and choice.get("error"))
    if error:
        raise UnusableBody(f"sent an error in place of an answer ({censor.line(words(error))})")
    if choice is None:
        raise UnusableBody("sent an answer with no choices")
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise UnusableBody("sent a choice without a message")
    return choice


def words(error: object) -> str:
    """What a server says about a failure, from the body of its answer in whatever shape."""
    for name in ("error", "message", "detail"):
        if isinstance(error, dict) and error.get(name):
            error = error[name]
    return error if isinstance(error, str) else json.dumps(error)


def _content(message: dict[str, Any]) -> str:
    """The content, which some servers send in parts."""
    content = message.get("content")
    if not isinstance(content, list):
        return _text(content)
    parts = [part.get("text") if isinstance(part, dict) else part for part in content]
    return "".join(map(_text, parts))


def _refusal(message: dict[str, Any]) -> str:
    return _text(message.get("refusal")).strip()


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
