"""Text for each of its readers: how numbers look, and how foreign text is made safe for them.

Programs, models, servers and runs of strangers write texts for a person, a language model, a log or
a file. Each of these readers has its own rule:

- `terminal_...`: people. Nothing in it controls the terminal or moves other text about.
- `prompt_...`: a language model. All of it can be seen, and nothing in it ends a turn.
- `log_...`: messages between processes, errors and findings: short printable ASCII.
- `file_name`, `source_line`: names of files, and comments in generated Python.

Numbers for people have grouped digits and units; those for prompts are short plain ASCII.
"""

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence

NOTHING = "-"
BARS = "▁▂▃▄▅▆▇█"
LONGEST_LINE = 10_000
"""Characters of foreign text that are shown on one line."""
LONGEST = 200_000
"""Characters of a text that are shown: a run may hold longer ones, which no reader wants."""
LONGEST_PROGRAM, MOST_LINES = 40_000, 1000
"""Characters and lines of a program that are shown, coloured and compared: no sound one is half as
long, and the time to compare lines grows with the square of their number."""
DIGITS = 3
"""Significant digits of a number in a prompt."""
NEGLIGIBLE = 1e-4
"""Below this fraction of its neighbours a number in a prompt is 0."""

_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?")
# They choose a glyph, say nothing, and make what is drawn wider than what was measured.
_VARIATION_SELECTOR = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_NOT_SHOWN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}
_TURN_MARK = re.compile(r"<(?=[|\uff5c])")
"""The start of the marks by which many chat templates separate speakers."""
# Beyond the control and format categories: what is drawn as nothing, letters and marks among it.
# The variation selectors can spell out a whole text that only a language model reads; the one
# that makes an emoji coloured may stay.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_SELECTORS = (range(0xFE00, 0xFE0F), range(0xE0100, 0xE01F0))


def shortened(text: str, longest: int, mark: str = "…") -> str:
    """A text of at most `longest` characters, of which the last are `mark` if some were cut off."""
    return text if len(text) <= longest else text[: longest - len(mark)] + mark


def did_you_mean(name: str, known: Iterable[str], quote: str = '"') -> str:
    """`Did you mean "torso_up"?`, or an empty text if no known name is similar."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {quote}{close[0]}{quote}?" if close else ""


# Foreign text for people


def terminal_text(text: str) -> str:
    """Foreign text (a program, a traceback) made safe for a terminal.

    Escape sequences and variation selectors go; other control characters, line and paragraph
    separators, direction overrides and lone surrogates become the replacement character. Line
    breaks stay, tabs become spaces; a very long text is cut.
    """
    text = _beginning(text, LONGEST)
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPE_SEQUENCE.sub("", text.replace("\r\n", "\n").expandtabs(4))
    return "".join(
        c if c == "\n" or unicodedata.category(c) not in _NOT_SHOWN else "\ufffd"
        for c in _VARIATION_SELECTOR.sub("", text)
    )


def terminal_program(text: str) -> str:
    """A program made safe for a terminal; one that is far too long is cut and says so."""
    lines = terminal_text(_beginning(text, LONGEST_PROGRAM)).strip("\n").split("\n")
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"... ({len(lines) - MOST_LINES:,} lines more)"]
    return "\n".join(lines)


def _beginning(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[:most]}\n... ({len(text) - most:,} characters more)"


def terminal_line(text: str) -> str:
    """Foreign text made safe for a terminal, on one line; a very long one is cut."""
    shown = text if len(text) <= LONGEST_LINE else f"{text[:LONGEST_LINE]}…"
    return " ".join(terminal_text(shown).split())


def thought_line(thought: str, goal: str) -> str:
    """A design thought on one line, without the goal with which many begin."""
    line, aim = terminal_line(thought), terminal_line(goal).rstrip(".")
    rest = line[len(aim) :].lstrip(" .:;,-")
    return rest if aim and rest and line.casefold().startswith(aim.casefold()) else line


def last_line(text: str) -> str:
    """The last line of foreign text that is not blank: of a traceback, the error."""
    lines = [line for line in terminal_text(text).splitlines() if line.strip()]
    return terminal_line(lines[-1]) if lines else ""


# Foreign text for a language model


def prompt_text(text: str) -> str:
    """Foreign text for a prompt: all that is in it can be seen, and nothing in it ends a turn.

    Line breaks stay; other hidden characters become the escapes that stand for them in Python.
    """
    seen = "".join(
        c.encode("unicode_escape", "surrogatepass").decode() if c != "\n" and is_hidden(c) else c
        for c in text.replace("\r\n", "\n")
    )
    return _TURN_MARK.sub("< ", seen)


def prompt_line(text: str, longest: int = 300) -> str:
    """Foreign text as one line of printable ASCII, cut to at most `longest` characters."""
    words = " ".join(
        "".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in text).split()
    )
    return shortened(words, longest, "...")


def prompt_quote(text: str, longest: int = 300) -> str:
    """Foreign text as one line in quotes that it cannot close."""
    return f'"{prompt_line(text.replace(chr(34), chr(39)), longest - 2)}"'


def is_hidden(character: str) -> bool:
    """Whether a character is invisible, or moves others.

    Control, format (bidirectional, zero-width), surrogate, private and unassigned characters, line
    separators and blank letters are hidden; tabs are not, line breaks are.
    """
    if " " <= character <= "~" or character == "\t":
        return False
    category = unicodedata.category(character)
    return (
        category.startswith("C")
        or category in ("Zl", "Zp")
        or character in _BLANKS
        or any(ord(character) in selectors for selectors in _SELECTORS)
    )


def without_hidden(text: str) -> str:
    """A text with a blank for each hidden character."""
    return "".join(" " if is_hidden(character) else character for character in text)


# Foreign text for logs, files and source code


def log_text(text: str, limit: int = 300, *, newlines: bool = False) -> str:
    """Foreign text as printable ASCII of at most `limit` characters.

    Everything else is dropped, control characters and escape sequences' ESC among them; white
    space becomes a blank, so that words do not grow together.

    Args:
        text: anything.
        limit: length of the longest result; a longer text ends in "...".
        newlines: keep line breaks.
    """
    kept = "".join(
        c if " " <= c <= "~" or (newlines and c == "\n") else " " if c in "\t\n\r\v\f" else ""
        for c in text
    ).strip()
    return kept if len(kept) <= limit else kept[: max(limit - 3, 0)] + "..."[:limit]


def file_name(text: str, limit: int) -> str:
    """Foreign text as a plain part of a file's name, of at most `limit` characters; maybe empty."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text)[:limit].strip("-.")


def source_line(text: str) -> str:
    """Foreign text as part of a docstring in double quotes, which it cannot end."""
    return "".join(c for c in text if c.isprintable()).replace("\\", "/").replace('"', "'")


# Numbers for people


def number(value: float | None) -> str:
    """A measured number with about four significant digits."""
    if value is None or not math.isfinite(value):
        return NOTHING
    size = abs(value)
    if size >= 1e7:
        return f"{value:.2e}"
    if 0 < size < 1e-3:
        return f"{value:.2g}"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{1 if size >= 100 else 2 if size >= 10 else 3}f}"


def number_range(low: float | None, high: float | None) -> str:
    """An interval."""
    return NOTHING if low is None else f"{number(low)} to {number(high)}"


def percent(fraction: float | None) -> str:
    """A fraction of 1 in percent."""
    return NOTHING if fraction is None else f"{100 * fraction:.0f} %"


def count(value: float) -> str:
    """A large count, such as environment steps, in thousands or millions."""
    if value >= 999_500:
        return f"{value / 1e6:.2f} M"
    return f"{value / 1e3:.0f} k" if value >= 10_000 else f"{value:,.0f}"


def tokens(asked: float, answered: float) -> str:
    """Tokens of questions and of answers."""
    return f"{count(asked)} + {count(answered)}"


def money(cost: float | None) -> str:
    """US dollars, if they are known."""
    return "cost unknown" if cost is None else f"{cost:.2f} USD"


def duration(seconds: float) -> str:
    """A stretch of time in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} days {whole % 86_400 // 3600} h"


def plural(amount: int, noun: str) -> str:
    """`1 candidate`, `2 candidates`."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def sparkline(values: Sequence[float | None], low: float, high: float) -> str:
    """A curve in block characters between `low` and `high`; a gap where there is no value."""
    last, span = len(BARS) - 1, high - low

    def bar(value: float) -> str:
        return BARS[min(last, int((value - low) / span * len(BARS)))] if span > 0 else BARS[4]

    return "".join(" " if value is None else bar(value) for value in values)


def value_range(curves: Sequence[Sequence[float | None]]) -> tuple[float, float]:
    """The lowest and the highest value in several curves, so that they can share a scale."""
    values = [value for curve in curves for value in curve if value is not None]
    return (min(values), max(values)) if values else (0.0, 0.0)


# Numbers and tables for a language model


def prompt_number(value: float | None) -> str:
    """A number with three significant digits; a hyphen for none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if 1000 <= abs(value) < 1e6:
        return f"{float(f'{value:.{DIGITS}g}'):.0f}"
    text = f"{value:.{DIGITS}g}"
    return "0" if float(text) == 0 else text


def prompt_number_beside(value: float, size: float) -> str:
    """A number; 0 where it is nothing beside others of that size."""
    return prompt_number(0.0 if abs(value) < NEGLIGIBLE * size else value)


def prompt_percent(fraction: float | None) -> str:
    """A fraction of 1 in whole percent."""
    if fraction is None or not math.isfinite(fraction):
        return NOTHING
    return f"{100 * fraction:.0f}%"


def steps(value: float) -> str:
    """A count of environment steps in a prompt, in thousands or millions."""
    if value >= 999_500:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1e3:.3g}k" if value >= 1000 else f"{value:.0f}"


def prompt_table(rows: Sequence[tuple[str, Sequence[str] | None]]) -> list[str]:
    """Rows of a label and right-aligned cells; a row with None for cells is a heading.

    Columns are as wide as their widest cell, headings aside.
    """
    filled = [(label, cells) for label, cells in rows if cells is not None]
    first = max(len(label) for label, _ in filled)
    widths = [max(map(len, column)) for column in zip(*(c for _, c in filled), strict=True)]
    return [
        label
        if cells is None
        else " ".join(
            [label.ljust(first), *(c.rjust(w) for c, w in zip(cells, widths, strict=True))]
        )
        for label, cells in rows
    ]
