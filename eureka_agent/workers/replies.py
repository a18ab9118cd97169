"""Checks of replies: a worker runs foreign code, so any word of its replies may be false.

That a reply is well formed does not make it true: only the judge says what a policy is worth.
"""

import math
import sys
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)

from eureka_agent.common.text import log_text
from eureka_agent.workers.protocol import InvalidReply, Message

if TYPE_CHECKING:
    from torch import Tensor

Weights: TypeAlias = "dict[str, Tensor]"
"""A policy's state dict."""
R = TypeVar("R", bound="Reply")
_LARGEST = sys.float_info.max


class Reply(BaseModel):
    """Fields of a reply, or of an object in it: exactly these, of exactly these types."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _limit(cls, value: object) -> object:
        return _limited(value, len(cls.model_fields))


def at_most(count: int) -> BeforeValidator:
    """A limit on the entries of a list or an object, applied before reading: each may be wrong."""
    return BeforeValidator(partial(_limited, count=count))


def _limited(value: object, count: int) -> object:
    if isinstance(value, list | dict) and len(value) > count:
        raise ValueError(f"it has {len(value)} entries, at most {count} are allowed")
    return value


def _finite(value: Any) -> Any:
    """NaN for None and for any number that is not finite, or too large for a float."""
    odd = value is None or (type(value) in (int, float) and not -_LARGEST <= value <= _LARGEST)
    return math.nan if odd else value


Number = Annotated[float, BeforeValidator(_finite)]
"""A finite number, or NaN."""
Reason = Annotated[str, AfterValidator(partial(log_text, limit=1000, newlines=True))]
"""A text of several lines, printable and of limited length."""


def read_fields(model: type[R], fields: Mapping[str, Any]) -> R:
    """The fields of a reply as a model.

    Raises:
        InvalidReply: the model does not allow them.
    """
    try:
        return model.model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part)[:40] for part in first["loc"]) or "a reply"
        said = f"A worker sent {repr(first['input'])[:60]} for {where}: {first['msg']}."
        raise InvalidReply(log_text(said)) from None


Shape = tuple[int, ...]
Arrays = dict[str, tuple[type[np.generic], Shape]]
"""Arrays by name: their types and shapes."""


def read_arrays(reply: Message, expected: Arrays) -> dict[str, np.ndarray]:
    """The arrays of a reply: exactly those expected, of these types and shapes.

    Raises:
        InvalidReply: they are others.
    """
    if reply.arrays.keys() != expected.keys():
        other = sorted(reply.arrays.keys() ^ expected.keys())
        raise InvalidReply(log_text(f"A worker sent other arrays than asked for: {other}."))
    for name, (dtype, shape) in expected.items():
        array = reply.arrays[name]
        if array.dtype != dtype or array.shape != shape:
            said = f"{array.dtype} {array.shape} for the array {name}"
            raise InvalidReply(f"A worker sent {said}, not {dtype.__name__} {shape}.")
    return reply.arrays
