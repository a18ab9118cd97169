"""What a reader cannot see is found, and what people write in comments is not."""

import unicodedata

import pytest

from eureka_agent.common.text import is_hidden, without_hidden


@pytest.mark.parametrize(
    "text", ["plain\ttext", "θ̇ ≤ 12°", "π/2 — “near” → 1.0", "größe 速度 скорость", "✔️"]
)
def test_what_people_write_is_seen(text: str) -> None:
    assert not [unicodedata.name(c, c) for c in text if is_hidden(c)]


@pytest.mark.parametrize(
    "character",
    "\x00 \x1b \x7f \x85 \xad \u200b \u200d \u202e \u2066 \ufeff \ud800 \ue000 \u2028 \u2029 "
    "\u034f \u3164 \uffa0 \u2800 \ufe00 \U000e0041 \U000e0100 \U000e01ef \U0001d173".split(" "),
)
def test_what_nobody_sees_is_hidden(character: str) -> None:
    assert is_hidden(character)
    assert without_hidden(f"a{character}b") == "a b"


def test_line_breaks_are_hidden_but_tabs_are_not() -> None:
    assert [is_hidden(c) for c in "\n\r\t"] == [True, True, False]
