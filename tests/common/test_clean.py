"""Text of a child is harmless to terminals, logs and prompts."""

import pytest

from eureka_agent.common.text import log_text


def test_only_printable_ascii_passes() -> None:
    everything = "".join(map(chr, range(0x3000))) + "\U000e0041\u202e"
    assert log_text(everything, 10_000) == "".join(map(chr, range(0x21, 0x7F)))


def test_terminals_are_not_steered() -> None:
    assert log_text("\x1b]0;title\x07\x1b[2J\rred") == "]0;title[2J red"


def test_lines_are_joined_or_kept() -> None:
    assert log_text("one\ntwo\tthree") == "one two three"
    assert log_text("one\n\x00two", newlines=True) == "one\ntwo"


@pytest.mark.parametrize("limit", [0, 1, 3, 10, 300])
def test_no_result_is_longer_than_the_limit(limit: int) -> None:
    assert len(log_text("x" * 1000, limit)) == limit
    assert log_text("x" * limit, limit) == "x" * limit
