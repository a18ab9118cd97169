"""Text from a server, made fit to show and to store: without keys, and not too long."""

import re

LINE_LIMIT = 300  # characters
TEXT_LIMIT = 400_000  # bytes of UTF-8
# People give local servers keys such as "x", which protect nothing and stand in every reply.
SHORTEST_SECRET = 8  # characters
HIDDEN = "[key]"
KEY_SHAPE = re.compile(r"\bsk-[\w*-]{8,}")


class Censor:
    """Takes secrets out of all text that leaves the client.

    Args:
        key: the API key in use. Whatever else looks like an OpenAI key is taken out too.
    """

    def __init__(self, key: str) -> None:
        self._key = key if len(key) >= SHORTEST_SECRET else ""

    def line(self, text: str) -> str:
        """The text as one printable line of at most 300 characters, for a person to read."""
        printable = "".join(char if char.isprintable() else " " for char in text)
        line = self._hide(" ".join(printable.split()))
        return line if len(line) <= LINE_LIMIT else line[: LINE_LIMIT - 1] + "…"

    def text(self, text: str) -> str:
        """The text, at most 400 kB of valid UTF-8; what is beyond is cut off."""
        # JSON may carry halves of surrogate pairs, which no file and no database takes.
        encoded = self._hide(text).encode("utf-8", "replace")
        return encoded[:TEXT_LIMIT].decode("utf-8", "ignore")

    def _hide(self, text: str) -> str:
        if self._key:
            text = text.replace(self._key, HIDDEN)
        return KEY_SHAPE.sub(HIDDEN, text)
