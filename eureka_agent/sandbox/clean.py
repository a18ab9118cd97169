"""Text that leaves a child process, made safe for terminals, logs and prompts."""

_ELLIPSIS = "..."


def clean_text(text: str, limit: int = 300, *, newlines: bool = False) -> str:
    """Return `text` as printable ASCII of at most `limit` characters.

    Everything else is dropped, control characters and escape sequences' ESC among them; white
    space becomes a blank, so that words do not grow together.

    Args:
        text: anything.
        limit: length of the longest result; a longer text ends in "...".
        newlines: keep line breaks.
    """
    kept = "".join(_clean_character(character, newlines) for character in text).strip()
    if len(kept) <= limit:
        return kept
    return kept[: max(limit - len(_ELLIPSIS), 0)] + _ELLIPSIS[:limit]


def _clean_character(character: str, newlines: bool) -> str:
    if " " <= character <= "~" or (newlines and character == "\n"):
        return character
    return " " if character in "\t\n\r\v\f" else ""
