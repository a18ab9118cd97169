"""The JSON object in a language model's reply, and the numbers that may be believed in it."""

import json
import math
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from eureka_agent.llm.conversation import UnusableReply

REPLY_LIMIT = 100_000  # characters of a reply that are searched
MOST_STARTS = 200  # braces at which an object may begin
LONGEST_NUMBER = 40  # characters; a longer one is nonsense
LARGE = 100  # from here on a whole number may be a rounded one
UNKNOWN_NUMBER = "[?]"
"""Replaces a number that the model had not been shown."""
MOST_COMPLAINTS = 3
Model = TypeVar("Model", bound=BaseModel)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def read_object(reply: str, keys: Collection[str]) -> dict[str, Any]:
    """The last JSON object in a reply that has one of some keys, in fences or in prose.

    Raises:
        UnusableReply: there is none.
    """
    if not reply.strip():
        raise UnusableReply("It was empty.")
    text, decoder = reply[:REPLY_LIMIT], json.JSONDecoder()
    found: dict[str, Any] | None = None
    position, broken, reason = 0, 0, "It holds no JSON object."
    while broken < MOST_STARTS and (start := text.find("{", position)) >= 0:
        try:
            value, position = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:  # a brace of the prose, or an object cut off
            position, broken = start + 1, broken + 1
            if broken == 1:
                reason = f"It holds no whole JSON object ({error})."
            continue
        if set(value) & set(keys):
            found = value
    if found is None:
        raise UnusableReply(f"{reason} It has to have the keys {', '.join(keys)}.")
    return found


def read_model(reply: str, model: type[Model]) -> Model:
    """The last JSON object in a reply that has a field of a model, checked by that model.

    Raises:
        UnusableReply: there is none, or it does not pass; the text names the fields at fault.
    """
    try:
        return model.model_validate(read_object(reply, model.model_fields))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        said = [_complaint(fault["loc"], fault["msg"]) for fault in faults[:MOST_COMPLAINTS]]
    raise UnusableReply(" ".join(said))


def _complaint(place: Iterable[object], said: str) -> str:
    key = ".".join(map(str, place))
    sentence = f"{said.removeprefix('Value error, ').rstrip('.')}."
    return f"The key {key}: {sentence}" if key else sentence


def numbers_in(texts: Iterable[str]) -> frozenset[float]:
    """All numbers in texts, without their signs."""
    return frozenset(abs(float(match)) for text in texts for match in _NUMBER.findall(text))


def without_unknown(text: str, known: frozenset[float]) -> str:
    """The text with `UNKNOWN_NUMBER` in place of each number that is not known.

    Roundings of known numbers are known, and known fractions in percent.

    Args:
        text: a model's words.
        known: the numbers that it was shown, see `numbers_in`.
    """

    def checked(match: re.Match[str]) -> str:
        in_percent = text[match.end() :].lstrip().startswith("%")
        scales = (1.0, 100.0) if in_percent else (1.0,)
        return match[0] if _is_known(match[0], known, scales) else UNKNOWN_NUMBER

    return _NUMBER.sub(checked, text)


def _is_known(written: str, known: frozenset[float], scales: Sequence[float]) -> bool:
    """Whether a known number, times one of some scales, rounds to the written one."""
    value = abs(float(written))
    if not math.isfinite(value) or len(written) > LONGEST_NUMBER:
        return False
    mantissa, _, exponent = written.lower().partition("e")
    decimals = max(len(mantissa.partition(".")[2]) - int(exponent or 0), 0)
    # Half of the last place, and a little for what floats cannot hold. A small whole number is a
    # count or a step, which is never a rounded one.
    counted = decimals == 0 and value < LARGE and 100.0 not in scales
    near = 1e-9 if counted else 0.501 * 10.0**-decimals
    return any(abs(value - scale * one) <= near for one in known for scale in scales)
