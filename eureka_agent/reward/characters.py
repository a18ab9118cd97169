"""Characters that no reader sees: what hides in a text from a person, or steers a terminal."""

import unicodedata

# Beyond the control and format categories: what is drawn as nothing, letters and marks among it.
# The variation selectors can spell out a whole text that only a language model reads; the one
# that makes an emoji coloured may stay.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
_SELECTORS = (range(0xFE00, 0xFE0F), range(0xE0100, 0xE01F0))


def is_hidden(character: str) -> bool:
    """Whether a character is drawn as nothing, or moves others about.

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
