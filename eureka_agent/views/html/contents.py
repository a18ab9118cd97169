"""Long texts, films and data inside a page, in letters that no HTML parser can stumble on.

Texts and data are compressed; `report.js` unpacks them again in the browser.
"""

import base64
import gzip
import json
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from eureka_agent.common.text import terminal_text
from eureka_agent.store.folder import VIDEO_TYPES, read_plain
from eureka_agent.views.snapshot import RunSnapshot

LARGEST = 30_000_000
"""Bytes of a film; a larger one would make a page that is too large to send."""
BETWEEN = "\n\n"
"""Where a passage ends: at an empty line."""


def pack(text: str) -> Markup:
    """Text as base64 of gzip; the same text always gives the same letters.

    It is markup, as it needs no escaping, and must not be cut like long foreign text.
    """
    return _base64(gzip.compress(text.encode(), mtime=0))


def pack_data(data: object) -> Markup:
    """Plain data as packed JSON.

    Raises:
        ValueError: it holds a number that is not finite.
    """
    return pack(json.dumps(data, separators=(",", ":"), allow_nan=False))


class Passages:
    """Texts as the numbers of their passages, so that the page holds each passage once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    @property
    def texts(self) -> list[str]:
        """The passages, by number."""
        return list(self._numbers)

    def add(self, text: str) -> str:
        """Numbers of the passages of a text, with spaces between them."""
        passages = terminal_text(text).split(BETWEEN)
        return " ".join(str(self._numbers.setdefault(p, len(self._numbers))) for p in passages)


@dataclass(frozen=True)
class EmbeddedFile:
    """A film or picture, or why it is not in the page.

    Attributes:
        kind: its media type.
        data: its bytes as base64; empty if it is not in the page.
        trouble: why not, in a sentence.
    """

    kind: str
    data: str = ""
    trouble: str = ""


def embed(run: RunSnapshot, path: Path | None) -> EmbeddedFile | None:
    """A film or picture of the run folder for the page; None if it is not there."""
    if path is None or not path.is_file():
        return None
    kind = VIDEO_TYPES.get(path.suffix, "image/png")
    name = (
        f"The {'video' if path.suffix in VIDEO_TYPES else 'picture'} {path.relative_to(run.path)}"
    )
    try:
        size = path.lstat().st_size
        content = read_plain(path, LARGEST) if size <= LARGEST else b""
    except OSError as error:
        return EmbeddedFile(kind, "", f"{name} cannot be read: {error.strerror}.")
    if size > LARGEST:
        message = f"{name} is too large to be in here: {size / 1e6:.0f} MB."
        return EmbeddedFile(kind, "", message)
    if not content:
        return EmbeddedFile(kind, "", f"{name} is empty.")
    return EmbeddedFile(kind, _base64(content))


def _base64(content: bytes) -> Markup:
    return Markup(base64.b64encode(content).decode("ascii"))
