"""How long a server asks to wait, in the head of its answer or in its words."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNIT = r"(ms|s|m|h|d)(?:ec(?:ond)?s?|in(?:ute)?s?|rs?|ours?|ays?)?(?![a-z])"
_PART = re.compile(rf"(\d+(?:\.\d+)?)\s*{_UNIT}", re.IGNORECASE)
_DURATION = rf"((?:\d+(?:\.\d+)?\s*{_UNIT.replace('(ms', '(?:ms')}[\s,]*)+)"
_SENTENCE = re.compile(
    rf"(?:try again|retry|retrying|wait|available|reset)[a-z ]*(?: in| after| for)? {_DURATION}",
    re.IGNORECASE,
)
_FIELD = re.compile(r"retry[-_]?(?:after|delay|in)(?:[-_]?(ms|seconds|s))?", re.IGNORECASE)
LAYERS = 8  # of a body that are looked through


def asked_wait(headers: Mapping[str, str], body: object = None) -> float:
    """Seconds that the server asks to wait, at least 0.

    Args:
        headers: `retry-after-ms` in milliseconds, or `retry-after` in seconds or as an HTTP date.
        body: what it said, as plain data: looked at where the headers say nothing.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    asked = headers.get("retry-after", "")
    seconds = _number(asked)
    if seconds is None:
        seconds = _until(asked)
    if seconds is None:
        seconds = next(_fields(body), None)
    if seconds is None:
        sentence = _SENTENCE.search(json.dumps(body, ensure_ascii=False))
        seconds = _duration(sentence[1]) if sentence else None
    return seconds or 0.0


def _until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _fields(body: object, depth: int = 0) -> Iterator[float]:
    """What fields say that are made for it, such as `retry_after: 20` or `retryDelay: "34s"`."""
    if depth > LAYERS:
        return
    if isinstance(body, list):
        for entry in body:
            yield from _fields(entry, depth + 1)
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        field = _FIELD.fullmatch(name)
        if not field:
            yield from _fields(value, depth + 1)
            continue
        if isinstance(value, dict):
            value = value.get("seconds")
        seconds = _duration(value) if isinstance(value, str) else None
        if seconds is None and not isinstance(value, bool | dict | list):
            seconds = _number(str(value))
        if seconds is not None:
            yield seconds / 1000 if field[1] == "ms" else seconds


def _duration(text: str) -> float | None:
    """Seconds of a duration such as "7m12.5s" or "20 seconds"."""
    parts = _PART.findall(text)
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in parts) if parts else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return 0.0 if math.isnan(number) else max(0.0, number)
