"""Rows of the database as typed records: what does not fit its field is refused, not passed on."""

import json
import math
import re
import sqlite3
import types
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from eureka_agent.common.errors import UsageError
from eureka_agent.store.guard import STRANGE

Record = TypeVar("Record")
Fits = Callable[[Any], bool]

JSON_COLUMNS = {"config", "parents", "verdict", "components", "diagnostics", "messages"}
JSON_COLUMNS |= {"distances", "matrix", "peers", "alarms", "said"}
JSON_COLUMNS |= {"reviews", "failures", "lens", "opinion", "measure"}
BOOLEANS = {"reproduced", "estimated"}
MOMENTS = {"created", "updated", "finished", "time"}
LAST_MOMENT = 250_000_000_000.0
"""Unix seconds; beyond it there is no calendar."""
MOST_PARENTS = 1_000
"""Of one candidate; views list them all."""
# Only a text that holds one of these can hold a number that is not finite.
_PERHAPS_INFINITE = re.compile(r"NaN|Infinity|[eE]\+?\d{3}|\d{300}")


def encode(value: object) -> Any:
    """A value as the database stores it."""
    if isinstance(value, dict | list | tuple):
        return json.dumps(_plain(value), allow_nan=False)
    return _plain(value)


def decode(record: type[Record], row: sqlite3.Row, path: Path) -> Record:
    """A row as a record.

    Args:
        record: a dataclass; the row has a column for each field.
        row: as it was read.
        path: the file it comes from, for messages.

    Raises:
        UsageError: a value is not of its field's type.
    """
    values: dict[str, Any] = {}
    for name, fits in _fields(record):
        value: Any = row[name] if name in row.keys() else None
        try:
            if name in JSON_COLUMNS:
                value = load(value)
            if name == "parents":
                value = tuple(value)
            if name in BOOLEANS and value in (0, 1):
                value = bool(value)
            sound = fits(value) and (name not in MOMENTS or _is_moment(value))
            sound &= name != "parents" or len(value) <= MOST_PARENTS
        except (ValueError, TypeError, RecursionError):
            sound = False
        if not sound:
            raise UsageError(
                f"{path} cannot be read: {repr(value)[:40]} stands where the {name} of "
                f"the {record.__name__.removesuffix('Row').lower()} belongs.",
                STRANGE,
            )
        values[name] = value
    return record(**values)


def _is_moment(value: Any) -> bool:
    return value is None or 0 <= value < LAST_MOMENT


def load(text: str) -> Any:
    """A JSON document of finite numbers.

    Raises:
        ValueError: it is none, or a number is not finite.
        RecursionError: it is nested without end.
    """
    document = json.loads(text)
    if _PERHAPS_INFINITE.search(text):
        json.dumps(document, allow_nan=False)
    return document


def _plain(value: Any) -> Any:
    """The value as it can be stored: numbers that are not finite as None, text as valid UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        # Through float(), as numpy's float64 passes for a float but SQLite would store its repr.
        return float(value) if math.isfinite(value) else None
    return value


@cache
def _fields(record: type) -> list[tuple[str, Fits]]:
    """The fields of a record, each with what says whether a value is of its type."""
    kinds = get_type_hints(record)
    return [(field.name, _fits(kinds[field.name])) for field in fields(record)]


def _fits(kind: Any) -> Fits:
    """What says whether a value is of a type; JSON's numbers and texts are all there is."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value: True
    if kind is float:
        return lambda value: type(value) in (float, int) and abs(value) < math.inf
    if origin is Literal:
        return lambda value: value in inner
    if origin in (Union, types.UnionType):
        options = [_fits(option) for option in inner]
        return lambda value: any(fits(value) for fits in options)
    if origin is dict:
        of_value = _fits(inner[1])
        return lambda value: type(value) is dict and all(map(of_value, value.values()))
    if origin in (list, tuple):
        of_item = _fits(inner[0])
        return lambda value: type(value) is origin and all(map(of_item, value))
    return lambda value: type(value) is kind
