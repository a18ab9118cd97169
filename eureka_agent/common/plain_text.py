"""Numbers, names and tables as a person and a language model both read them: plain ASCII."""

import math
import re
from collections.abc import Sequence

from eureka_agent.common.text import is_hidden

NOTHING = "-"
DIGITS = 3
NEGLIGIBLE = 1e-4
_TURN_MARK = re.compile(r"<(?=[|\uff5c])")
"""How the marks begin by which many chat templates part one speaker's words from another's."""


def number(value: float | None) -> str:
    """A number with three significant digits; a hyphen for none."""
    if value is None or not math.isfinite(value):
        return NOTHING
    if 1000 <= abs(value) < 1e6:
        return f"{float(f'{value:.{DIGITS}g}'):.0f}"
    text = f"{value:.{DIGITS}g}"
    return "0" if float(text) == 0 else text


def number_beside(value: float, size: float) -> str:
    """A number; 0 where it is nothing beside others of that size."""
    return number(0.0 if abs(value) < NEGLIGIBLE * size else value)


def percent(share: float | None) -> str:
    """A share of 1 in whole percent."""
    return NOTHING if share is None or not math.isfinite(share) else f"{100 * share:.0f}%"


def steps(value: float) -> str:
    """A count of environment steps, in thousands or millions."""
    if value >= 999_500:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1e3:.3g}k" if value >= 1000 else f"{value:.0f}"


def plain(text: str, longest: int = 300) -> str:
    """Foreign text as one line of printable ASCII, cut to at most `longest` characters."""
    words = " ".join(
        "".join(c if " " <= c <= "~" else " " if c.isspace() else "?" for c in text).split()
    )
    return words if len(words) <= longest else f"{words[: longest - 3]}..."


def quoted(text: str, longest: int = 300) -> str:
    """Foreign text as one line in quotes that it cannot close."""
    return f'"{plain(text.replace(chr(34), chr(39)), longest - 2)}"'


def visible(text: str) -> str:
    """Foreign text for a prompt: all that is in it can be seen, and nothing in it ends a turn.

    Line breaks stay; other hidden characters become the escapes that stand for them in Python.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    seen = ("".join(_escaped(c) if is_hidden(c) else c for c in line) for line in lines)
    return _TURN_MARK.sub("< ", "\n".join(seen))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def table(rows: Sequence[tuple[str, Sequence[str] | None]]) -> list[str]:
    """Rows of a label and right-aligned cells; a row with None for cells is a heading.

    Columns are as wide as their widest cell; headings take no part in that.
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
