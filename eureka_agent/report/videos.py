"""The winner's video and picture inside the page."""

import base64
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from eureka_agent.store import RunReader
from eureka_agent.store.files import read_plain
from eureka_agent.ui.videos import KINDS, PICTURE, videos

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
        _read(found[0], found[0].relative_to(run.path), KINDS[found[0].suffix]) if found else None
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
