"""What children say, read as claims: a worker runs the code of strangers, so any word may be false.

Every function returns what a reply says in the parent's own types, or raises `Garbled`. That what
is said is well formed does not make it true: what a policy is worth, only the judge says.
"""

import math
from typing import Any

import numpy as np
from torch import Tensor

from eureka_agent.common.text import log_text
from eureka_agent.workers.protocol import InvalidReply, Message

Weights = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

REASON_LIMIT = 1000
"""Characters of the reason for which a lane was evicted."""


def _array(reply: Message, name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    array = reply.arrays.get(name)
    if array is None or array.shape != shape or array.dtype != dtype:
        said = "nothing" if array is None else f"{array.dtype} {array.shape}"
        raise InvalidReply(
            f"A child sent {said} for the array {name}, not {dtype.__name__} {shape}."
        )
    return array


def _items(value: object, what: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise InvalidReply(
            f"The worker sent {_shown(value)} for {what}, not a list of at most {most}."
        )
    return value


def _object(value: object, what: str, most: int) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > most:
        raise InvalidReply(
            f"The worker sent {_shown(value)} for {what}, not at most {most} named ones."
        )
    return value


def _integer(value: object, what: str, least: int, most: int) -> int:
    # Not isinstance: JSON's true would pass for 1.
    if type(value) is not int or not least <= value <= most:
        raise InvalidReply(f"The worker sent {_shown(value)} for {what}, not {least} to {most}.")
    return value


def _number(value: object) -> float:
    """A finite number, or NaN for what is not finite."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidReply(f"The worker sent {_shown(value)} for a number.")
    try:
        number = float(value)
    except OverflowError:  # JSON has integers of any length
        return math.nan
    return number if math.isfinite(number) else math.nan


def _shown(value: object) -> str:
    return log_text(repr(value), 60)
