"""Messages between a client and its worker: length-prefixed JSON, raw arrays, one shared byte.

A frame is the header's length (4 bytes, little-endian), the header (UTF-8 JSON) and the arrays'
bytes, one after another in C order. The header is `{"kind": str, "fields": {...},
"arrays": [[name, dtype, shape], ...], "token": int}`. The reader trusts none of it: every size is
checked before memory is taken, and nothing that was read is ever unpickled, imported or evaluated.
"""

import json
import math
import mmap
import os
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydantic_core import from_json

from eureka_agent.common.errors import EurekaError
from eureka_agent.common.paths import user_frame
from eureka_agent.common.text import log_text

HEADER_LIMIT = 1 << 20
"""Bytes of the longest header."""
PAYLOAD_LIMIT = 512 << 20
"""Bytes of all arrays of a message together."""

_LENGTH = struct.Struct("<I")
_DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(name).newbyteorder("<")
    for name in ("float32", "float64", "int64", "int32", "uint8", "bool")
}
_MAX_DIMENSIONS = 8


class ProtocolError(EurekaError):
    """Raised for a message that cannot be sent, or for bytes that are not a message."""


@dataclass(frozen=True, eq=False)
class Message:
    """One request, reply or heartbeat.

    Attributes:
        kind: a request's job, a reply's "done" or "error", or else "ready" or "heartbeat".
        fields: JSON values by name; NaN and infinities are allowed.
        arrays: arrays by name, of any shape and one of the six allowed dtypes.
        token: a number that cannot be guessed; a reply has its request's.
    """

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    token: int = 0


def done(
    fields: dict[str, Any] | None = None, arrays: dict[str, np.ndarray] | None = None
) -> Message:
    """The reply of a job that succeeded; `serve` adds the token."""
    return Message("done", fields or {}, arrays or {})


def encode(message: Message) -> list[bytes | memoryview]:
    """Return the buffers whose concatenation is the frame; contiguous arrays are not copied.

    Raises:
        ProtocolError: the message is too large or holds an array of another dtype.
        TypeError: a field is not JSON.
    """
    declared: list[tuple[str, str, tuple[int, ...]]] = []
    payload: list[memoryview] = []
    for name, array in message.arrays.items():
        dtype = _DTYPES.get(array.dtype.name)
        if dtype is None:
            raise ProtocolError(f"Array '{name}' is {array.dtype}, which cannot be sent.")
        declared.append((name, array.dtype.name, array.shape))
        payload.append(_bytes_of(np.ascontiguousarray(array, dtype)))
    content = vars(message) | {"arrays": declared}
    header = json.dumps(content, separators=(",", ":")).encode()
    if len(header) > HEADER_LIMIT:
        raise ProtocolError(f"The header of '{message.kind}' has {len(header)} bytes, too many.")
    size = sum(part.nbytes for part in payload)
    if size > PAYLOAD_LIMIT:
        raise ProtocolError(f"The arrays of '{message.kind}' have {size} bytes, too many.")
    return [_LENGTH.pack(len(header)) + header, *payload]


def write_message(stream: BinaryIO, message: Message) -> None:
    """Write one frame and flush.

    Raises:
        ProtocolError, TypeError: as `encode`.
        OSError: the other side is gone.
    """
    write_parts(stream, encode(message))


def write_parts(stream: BinaryIO, parts: list[bytes | memoryview]) -> None:
    """Write what `encode` returned and flush; a raw stream may take a part at a time."""
    for part in parts:
        view = memoryview(part)
        while view:
            view = view[stream.write(view) :]
    stream.flush()


def read_message(stream: BinaryIO) -> Message | None:
    """Read one frame of a blocking stream; None if the stream ended cleanly before it.

    Raises:
        ProtocolError: these bytes are not a message, or it is too large.
    """
    prefix = bytearray(_LENGTH.size)
    if not (read := _read_into(stream, memoryview(prefix))):
        return None
    if read < len(prefix):
        raise ProtocolError("The stream ended within a message's length.")
    (length,) = _LENGTH.unpack(prefix)
    if length > HEADER_LIMIT:
        raise ProtocolError(f"A header of {length} bytes was announced, at most {HEADER_LIMIT} is.")
    header = bytearray(length)
    _read_all(stream, memoryview(header), "the header")
    kind, fields, declared, token = _parse_header(bytes(header))
    layout = _check_arrays(declared)
    arrays = {name: _read_array(stream, name, *described) for name, described in layout.items()}
    return Message(kind, fields, arrays, token)


def _parse_header(header: bytes) -> tuple[str, dict[str, Any], list[Any], int]:
    try:
        content = from_json(header)  # refuses lone surrogates and deep nesting, too
    except ValueError as error:
        raise ProtocolError(f"A header is not JSON: {log_text(str(error))}.") from None
    match content:
        case {"kind": str(kind), "fields": dict(fields), "arrays": list(arrays), **other}:
            token = other.pop("token", 0)
            if not other and type(token) is int:
                return kind, fields, arrays, token
    raise ProtocolError("A header is not {kind: text, fields: object, arrays: list, token: int}.")


def _check_arrays(declared: list[Any]) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """Return dtype and shape of every declared array, or raise before memory is taken."""
    layout: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}
    size = 0
    for entry in declared:
        match entry:
            case [str(name), str(dtype), list(shape)] if dtype in _DTYPES and name not in layout:
                pass
            case _:
                raise ProtocolError(f"An array is declared as {log_text(repr(entry), 100)}.")
        said = log_text(repr(shape), 100)
        plain = all(type(extent) is int and extent >= 0 for extent in shape)
        if not plain or len(shape) > _MAX_DIMENSIONS:
            raise ProtocolError(f"An array has the shape {said}.")
        size += math.prod(shape) * _DTYPES[dtype].itemsize
        if max(size, *shape, 0) > PAYLOAD_LIMIT:  # an empty array can have a huge shape, too
            raise ProtocolError(f"With shape {said} the arrays exceed {PAYLOAD_LIMIT} bytes.")
        layout[name] = (_DTYPES[dtype], tuple(shape))
    return layout


def _read_array(
    stream: BinaryIO, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> np.ndarray:
    array, label = np.empty(shape, dtype), f"array '{log_text(name, 40)}'"
    content = _bytes_of(array)
    _read_all(stream, content, label)
    if dtype.kind == "b" and np.any(np.frombuffer(content, np.uint8) > 1):
        raise ProtocolError(f"The {label} is bool and holds other bytes.")
    return array


def _bytes_of(array: np.ndarray) -> memoryview:
    """The memory of a contiguous array; through uint8, as `memoryview.cast` refuses empty ones."""
    return array.reshape(-1).view(np.uint8).data


def _read_all(stream: BinaryIO, view: memoryview, what: str) -> None:
    if (read := _read_into(stream, view)) < view.nbytes:
        raise ProtocolError(f"The stream ended after {read} of {view.nbytes} bytes of {what}.")


def _read_into(stream: BinaryIO, view: memoryview) -> int:
    """Fill `view`, or as much of it as there is before the end; return the number of bytes."""
    read = 0
    while read < view.nbytes and (count := stream.readinto(view[read:])):  # type: ignore[attr-defined]
        read += count
    return read


_NO_LANE = 255


class ActiveLaneReader:
    """Reads the byte that names the lane whose program runs; creates its file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(self._file, bytes([_NO_LANE]))

    def lane(self) -> int | None:
        """The lane whose program is running; None if there is none."""
        # Read, not mapped: a worker that cut the file short would end a process that has it mapped.
        content = os.pread(self._file, 1, 0)
        return content[0] if content and content[0] != _NO_LANE else None

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class ActiveLaneWriter:
    """The worker's side: a store to memory, cheap enough for every call of a program."""

    def __init__(self, path: Path) -> None:
        with open(path, "r+b") as file:
            self._byte = mmap.mmap(file.fileno(), 1)

    def __call__(self, lane: int) -> None:
        """Mark `lane` as running from now on, or none (-1)."""
        self._byte[0] = lane % 256


class JobFailed(EurekaError):
    """Raised when a worker answered a request with an error; the worker keeps running.

    Attributes:
        type: name of the exception class in the worker.
    """

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(message)
        self.type = type_name


class WorkerFailed(EurekaError):
    """Base of failures that end a worker; once raised, the worker and its process group are dead.

    Attributes:
        lane: the lane whose program ran at that moment, by the shared byte; None if none did.
    """

    def __init__(self, message: str, lane: int | None = None) -> None:
        super().__init__(message)
        self.lane = lane


class WorkerDied(WorkerFailed):
    """Raised when a worker ended without an answer, whatever its exit status."""


class WorkerHung(WorkerFailed):
    """Raised when a worker gave no sign of life for too long, or no answer in time."""


class MemoryExceeded(WorkerFailed):
    """Raised when a worker took more memory than it may."""


class InvalidReply(WorkerFailed, ProtocolError):
    """Raised when a worker sent something else than the protocol allows."""


def crash_location(stderr: str) -> tuple[str, str]:
    """A worker's words before it crashed, and a sentence with the line of Python that it was at.

    Args:
        stderr: of a worker that called `watch_steps`; of any other the sentence is empty.
    """
    words, crashed, dump = stderr.partition("Fatal Python error: ")
    found = re.finditer(r'^  File "(.+)", line (\d+) in (\S+)$', dump, re.MULTILINE)
    frame = user_frame((place[1], int(place[2]), place[3]) for place in found)
    if not crashed or frame is None:
        return stderr, ""
    return words.strip(), f"That was in {frame[0]}, line {frame[1]}, in {frame[2]}."
