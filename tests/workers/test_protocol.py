"""Frames: a written message comes back, and nothing else is taken for one."""

import io
import json
import random
import struct
from typing import Any

import numpy as np
import pytest

from eureka_agent.workers.protocol import (
    HEADER_LIMIT,
    Message,
    ProtocolError,
    read_message,
    write_message,
)


def frame(content: Any, payload: bytes = b"") -> bytes:
    header = json.dumps(content).encode()
    return struct.pack("<I", len(header)) + header + payload


def declaring(*arrays: Any) -> dict[str, Any]:
    return {"kind": "k", "fields": {}, "arrays": list(arrays)}


def written(message: Message) -> bytes:
    stream = io.BytesIO()
    write_message(stream, message)
    return stream.getvalue()


def test_messages_follow_each_other_until_a_clean_end() -> None:
    stream = io.BytesIO(written(Message("a", {"n": 1})) + written(Message("b")))
    first, second = read_message(stream), read_message(stream)
    assert first is not None and (first.kind, first.fields) == ("a", {"n": 1})
    assert second is not None and (second.kind, second.arrays) == ("b", {})
    assert read_message(stream) is None


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
def test_every_dtype_and_shape_comes_back(dtype: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(1).integers(0, 2, shape).astype(dtype)
    message = read_message(io.BytesIO(written(Message("k", {}, {"a": array}))))
    assert message is not None
    np.testing.assert_array_equal(message.arrays["a"], array, strict=True)
    assert message.arrays["a"].flags.writeable


@pytest.mark.parametrize("end", range(1, 60))
def test_a_frame_that_ends_early_is_refused(end: int) -> None:
    whole = written(Message("k", {}, {"a": np.arange(4, dtype=np.float64)}))
    assert len(whole) > 60
    with pytest.raises(ProtocolError, match="ended"):
        read_message(io.BytesIO(whole[:end]))


@pytest.mark.parametrize(
    "content",
    [
        declaring(["a", "object", [1]]),
        declaring(["a", "float16", [1]]),
        declaring(["a", ["float32"], [1]]),
        declaring(["a", "float32", [-1]]),
        declaring(["a", "float32", [True]]),
        declaring(["a", "float32", [1.0]]),
        declaring(["a", "float32", 3]),
        declaring(["a", "float32", [1] * 9]),
        declaring(["a", "float32", [0, 10**30]]),
        declaring(["a", "uint8", [10_000_000_000]]),
        declaring(["a", "float64", [1 << 20, 1 << 20]]),
        declaring(["a", "float64", [1 << 25]], ["b", "float64", [1 << 25], ["c"]]),
        declaring(*([f"a{i}", "float64", [1 << 24]] for i in range(5))),
        declaring(["a", "float32", [0]], ["a", "float32", [0]]),
        declaring([1, "float32", [0]]),
        declaring("abc"),
        {"kind": 1, "fields": {}, "arrays": []},
        {"kind": "k", "fields": [], "arrays": []},
        {"kind": "k", "fields": {}, "arrays": {}},
        {"kind": "k", "fields": {}},
        {"kind": "k", "fields": {}, "arrays": [], "more": 1},
        {"kind": "k", "fields": {}, "arrays": [], "token": "1"},
        {"kind": "k", "fields": {}, "arrays": [], "token": True},
        {"kind": "k", "fields": {"lone surrogate": "\ud800"}, "arrays": []},
        ["kind"],
        None,
    ],
)
def test_a_forged_header_is_refused_before_memory_is_taken(content: Any) -> None:
    with pytest.raises(ProtocolError):
        read_message(io.BytesIO(frame(content)))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' + b"9" * 5000])
def test_a_header_that_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        read_message(io.BytesIO(struct.pack("<I", len(text)) + text))


def test_a_bool_that_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(ProtocolError, match="bool"):
        read_message(io.BytesIO(frame(declaring(["a", "bool", [2]]), b"\x01\x02")))


def test_a_message_that_would_be_refused_is_not_written() -> None:
    with pytest.raises(ProtocolError, match="header"):
        written(Message("k", {"text": "x" * HEADER_LIMIT}))
    with pytest.raises(ProtocolError, match="object"):
        written(Message("k", {}, {"a": np.array([None])}))


def test_damage_is_refused_or_harmless_but_never_another_error() -> None:
    whole = written(Message("kind", {"f": [1, "x"]}, {"a": np.arange(6, dtype=np.int32)}))
    dice = random.Random(0)
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        try:
            read_message(io.BytesIO(damaged))
        except ProtocolError as error:
            assert error.message.isascii()
