"""A connection reads bounded answers from one server, and follows it nowhere."""

import gzip
import tracemalloc
from typing import Any

import pytest
from loopback import Loopback, Raw

BOMB = gzip.compress(b" " * (64 << 20), compresslevel=1)


@pytest.mark.parametrize("code", [200, 400, 503])
def test_a_small_answer_that_unpacks_to_a_huge_one_is_refused(ask: Any, code: int) -> None:
    answer = Raw(BOMB, code, {"Content-Encoding": "gzip"})
    with Loopback(lambda received: answer) as server:
        tracemalloc.start()
        error = ask(server).error
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert "more than 8 MB" in error.message
    assert most < 40 << 20
    assert len(server.received) == 1


def test_a_compressed_answer_is_read(ask: Any) -> None:
    body = gzip.compress(b'{"choices": [{"message": {"content": "Hello."}}]}')
    with Loopback(lambda received: Raw(body, headers={"Content-Encoding": "gzip"})) as server:
        assert ask(server).replies["#0"].text == "Hello."


def test_a_redirect_is_not_followed(ask: Any) -> None:
    with Loopback(lambda received: "Stolen.") as other:
        moved = Raw(b"", 307, {"Location": f"{other.url}/chat/completions"})
        with Loopback(lambda received: moved) as server:
            error = ask(server).error
    assert f"--base-url {other.url}" in error.remedy
    assert other.received == []
