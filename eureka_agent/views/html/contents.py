"""Long texts and data inside a page: compressed and in letters that no HTML parser can stumble on.

`report.js` unpacks them again in the browser.
"""

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from eureka_agent.common.text import terminal_text
from eureka_agent.store import ExchangeRow, RunReader
from eureka_agent.store.folder import PICTURE, VIDEO_TYPES, read_plain, videos


def pack(text: str) -> Markup:
    """Text as base64 of gzip; the same text always gives the same letters.

    It is markup, as it needs no escaping, and must not be cut like long foreign text.
    """
    return Markup(base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii"))


def pack_data(data: object) -> Markup:
    """Plain data as packed JSON.

    Raises:
        ValueError: it holds a number that is not finite.
    """
    return pack(json.dumps(data, separators=(",", ":"), allow_nan=False))


BETWEEN = "\n\n"
"""Where a passage ends: at an empty line."""
AUTHORS_OWN = "repair"
"""The role whose question begins with all that was said to the author before."""


class Passages:
    """Texts as the numbers of their passages.

    Attributes:
        texts: the passages, by number.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._numbers: dict[str, int] = {}

    def add(self, text: str) -> str:
        """Numbers of the passages of a text, with spaces between them."""
        return " ".join(
            str(self._number(passage)) for passage in terminal_text(text).split(BETWEEN)
        )

    def _number(self, passage: str) -> int:
        number = self._numbers.setdefault(passage, len(self.texts))
        if number == len(self.texts):
            self.texts.append(passage)
        return number


def new_messages(
    exchanges: Sequence[ExchangeRow], passages: Passages
) -> list[list[tuple[str, str]]]:
    """Of each exchange the messages that are new in it: who speaks, and the passages' numbers.

    Args:
        exchanges: about one candidate, first to last.
        passages: are added to.
    """
    found = []
    seen = 0
    for exchange in exchanges:
        new = exchange.messages[seen if exchange.role == AUTHORS_OWN else 0 :]
        found.append(
            [(entry.get("role", ""), passages.add(entry.get("content", ""))) for entry in new]
        )
        if exchange.role == "designer":
            seen = len(exchange.messages) + 1  # with these and an answer each repair begins
    return found


LARGEST = 30_000_000
"""Bytes; a larger one would make a page that nobody can send."""


@dataclass(frozen=True)
class Video:
    """A video, or why it is not in the page.

    Attributes:
        kind: its media type.
        data: its bytes as base64; empty if it is not in the page.
        trouble: why not, in a sentence.
    """

    kind: str
    data: str = ""
    trouble: str = ""


def winner_video(run: RunReader, candidate: int | None) -> Video | None:
    """The video of a candidate; None where there is none."""
    if candidate is None:
        return None
    found = videos(run.candidate_folder(candidate))
    return (
        _read(found[0], found[0].relative_to(run.path), VIDEO_TYPES[found[0].suffix])
        if found
        else None
    )


def winner_picture(run: RunReader, candidate: int | None) -> Video | None:
    """The picture of a candidate's policy; None where there is none."""
    if candidate is None:
        return None
    path = run.candidate_folder(candidate) / PICTURE
    return _read(path, path.relative_to(run.path), "image/png") if path.is_file() else None


def _read(path: Path, name: Path, kind: str) -> Video:
    try:
        size = path.lstat().st_size
        if size > LARGEST:
            megabytes = f"{size / 1e6:.0f} MB"
            return Video(kind, trouble=f"The video {name} is too large to be in here: {megabytes}.")
        content = read_plain(path, LARGEST)
    except OSError as error:
        return Video(kind, trouble=f"The video {name} cannot be read: {error.strerror}.")
    if not content:
        return Video(kind, trouble=f"The video {name} is empty.")
    return Video(kind, Markup(base64.b64encode(content).decode("ascii")))  # as in `pack`
