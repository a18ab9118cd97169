"""Numbers and foreign text in the form that each reader gets."""

import unicodedata

import pytest

from eureka_agent.common.statistics import estimate, t_quantile
from eureka_agent.common.text import (
    LONGEST,
    LONGEST_PROGRAM,
    MOST_LINES,
    count,
    duration,
    is_hidden,
    last_line,
    log_text,
    number,
    sparkline,
    terminal_line,
    terminal_program,
    terminal_text,
    thought_line,
    value_range,
    without_hidden,
)


def test_a_very_long_text_shows_its_beginning_and_counts_the_rest() -> None:
    assert terminal_text("é" * (LONGEST + 5)).endswith("é\n... (5 characters more)")
    assert terminal_program("\n\na = 1\n") == "a = 1"
    long, many = terminal_program("x" * 10**7), terminal_program("x\n" * (MOST_LINES + 3))
    assert long.startswith("x" * LONGEST_PROGRAM + "\n...") and len(long) < LONGEST_PROGRAM + 50
    assert many.splitlines()[-1] == "... (3 lines more)"


def test_terminal_text_keeps_words_and_drops_control_sequences() -> None:
    assert (
        terminal_text("a\x1b[31mred\x1b[0m\r\n\tb\x1b]8;;http://x\x07link\x9b")
        == "ared\n    blink\ufffd"
    )
    assert terminal_text("left\u202eright\u200b\ud800") == "left\ufffdright\ufffd\ufffd"
    assert terminal_text("one\u2028two\u2029three") == "one\ufffdtwo\ufffdthree"
    assert terminal_text("\u2764\ufe0f \U000e0100x\u180b") == "\u2764 x"
    assert terminal_line(" two \n lines ") == "two lines"
    assert last_line("Traceback:\n  file\nValueError: bad\n\n") == "ValueError: bad"
    assert last_line("") == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (float("nan"), "-"),
        (0.0, "0.000"),
        (-0.1234, "-0.123"),
        (12.345, "12.35"),
        (412.34, "412.3"),
        (12345.6, "12,346"),
        (1.5e8, "1.50e+08"),
        (1.5e-5, "1.5e-05"),
        (0.0005, "0.0005"),
    ],
)
def test_numbers_have_about_four_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_counts_and_durations_are_short() -> None:
    assert [count(n) for n in (950, 9_999, 22_400, 999_999)] == ["950", "9,999", "22 k", "1.00 M"]
    assert [duration(s) for s in (-1, 59.6, 3599, 3661, 180_000)] == [
        "0 s",
        "1 min 00 s",
        "59 min 59 s",
        "1 h 01 min",
        "2 days 2 h",
    ]


def test_a_sparkline_spans_its_limits_and_shows_gaps() -> None:
    assert sparkline([0.0, None, 0.5, 1.0], 0.0, 1.0) == "▁ ▅█"
    assert sparkline([2.0, 2.0], 2.0, 2.0) == "▅▅"
    assert value_range([[None, 3.0], [], [1.0]]) == (1.0, 3.0)
    assert value_range([]) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.706), (4, 2.776), (11, 2.201), (30, 2.042), (1000, 1.962)]
)
def test_t_quantiles_agree_with_the_tables(degrees: int, quantile: float) -> None:
    assert t_quantile(degrees) == pytest.approx(quantile, abs=6e-4)


def test_an_interval_needs_two_values() -> None:
    assert estimate([]).mean is None
    assert estimate([3.0]).interval is None
    spread = estimate([1.0, 2.0, 3.0])
    assert spread.mean == 2.0
    assert spread.interval == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5))


def test_a_thought_is_shown_without_the_goal_that_it_begins_with() -> None:
    goal = "Hop forward."
    assert thought_line("hop forward: pay for\nspeed", goal) == "pay for speed"
    assert thought_line("Stay up.", goal) == "Stay up."
    assert thought_line("Hop forward.", goal) == "Hop forward.", "what says no more stays"
    assert thought_line("Pay for speed.", "") == "Pay for speed."


@pytest.mark.parametrize(
    "text", ["plain\ttext", "θ̇ ≤ 12°", "π/2 — “near” → 1.0", "größe 速度 скорость", "✔️"]
)
def test_characters_that_people_write_are_not_hidden(text: str) -> None:
    assert not [unicodedata.name(c, c) for c in text if is_hidden(c)]


@pytest.mark.parametrize(
    "character",
    "\x00 \x1b \x7f \x85 \xad \u200b \u200d \u202e \u2066 \ufeff \ud800 \ue000 \u2028 \u2029 "
    "\u034f \u3164 \uffa0 \u2800 \ufe00 \U000e0041 \U000e0100 \U000e01ef \U0001d173".split(" "),
)
def test_invisible_characters_are_hidden(character: str) -> None:
    assert is_hidden(character)
    assert without_hidden(f"a{character}b") == "a b"


def test_line_breaks_are_hidden_but_tabs_are_not() -> None:
    assert [is_hidden(c) for c in "\n\r\t"] == [True, True, False]


def test_only_printable_ascii_passes() -> None:
    everything = "".join(map(chr, range(0x3000))) + "\U000e0041\u202e"
    assert log_text(everything, 10_000) == "".join(map(chr, range(0x21, 0x7F)))


def test_foreign_text_does_not_control_the_terminal() -> None:
    assert log_text("\x1b]0;title\x07\x1b[2J\rred") == "]0;title[2J red"


def test_lines_are_joined_or_kept() -> None:
    assert log_text("one\ntwo\tthree") == "one two three"
    assert log_text("one\n\x00two", newlines=True) == "one\ntwo"


@pytest.mark.parametrize("limit", [0, 1, 3, 10, 300])
def test_no_result_is_longer_than_the_limit(limit: int) -> None:
    assert len(log_text("x" * 1000, limit)) == limit
    assert log_text("x" * limit, limit) == "x" * limit
