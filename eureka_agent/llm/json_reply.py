"""The JSON object in a language model's reply, and what may be believed of the words in it."""

import json
import math
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from eureka_agent.llm.conversation import UnusableReply

REPLY_LIMIT = 100_000
"""Characters of a reply that are looked at."""
MOST_STARTS = 200
"""Braces at which an object is looked for."""
LONGEST_NUMBER = 40
"""Characters of a number; nobody means a longer one."""
LARGE = 100
"""From here on a whole number may be a rounded one."""
UNKNOWN_NUMBER = "[?]"
"""Stands where a model wrote a number that it had not been shown."""
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def read_object(reply: str, keys: Collection[str]) -> dict[str, Any]:
    """The last JSON object in a reply that has one of some keys, in fences or in prose.

    Raises:
        Unusable: there is none.
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


def numbers_in(texts: Iterable[str]) -> frozenset[float]:
    """All numbers that stand in texts, without their signs."""
    return frozenset(abs(float(match)) for text in texts for match in _NUMBER.findall(text))


def without_unknown(text: str, known: frozenset[float]) -> str:
    """A text in which `UNKNOWN_NUMBER` stands for each number that is not known.

    Known is also what a known number rounds to, and a known share told in percent.

    Args:
        text: what a model wrote.
        known: what it was shown, see `numbers_in`.
    """

    def checked(match: re.Match[str]) -> str:
        in_percent = text[match.end() :].lstrip().startswith("%")
        scales = (1.0, 100.0) if in_percent else (1.0,)
        return match[0] if _is_known(match[0], known, scales) else UNKNOWN_NUMBER

    return _NUMBER.sub(checked, text)


def _is_known(written: str, known: frozenset[float], scales: Sequence[float]) -> bool:
    """Whether a known number, times one of some scales, is what was written."""
    value = abs(float(written))
    if not math.isfinite(value) or len(written) > LONGEST_NUMBER:
        return False
    mantissa, _, exponent = written.lower().partition("e")
    decimals = max(len(mantissa.partition(".")[2]) - int(exponent or 0), 0)
    # Half of the last place, and a little for what floats cannot hold. A small whole number is a
    # count or a step, and nobody rounds to one.
    counted = decimals == 0 and value < LARGE and 100.0 not in scales
    near = 1e-9 if counted else 0.501 * 10.0**-decimals
    return any(abs(value - scale * one) <= near for one in known for scale in scales)
