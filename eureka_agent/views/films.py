"""The films and the picture that lie in a candidate's folder."""

from pathlib import Path

from eureka_agent.store.files import is_plain

KINDS = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif"}
"""Media types by the ending of the name, the better ones first."""

PICTURE = "picture.png"
"""Frames of an episode of its policy."""


def videos(folder: Path) -> list[Path]:
    """The films in a candidate's folder, the best kind first, then by name; links are none."""
    root = folder.parent.parent
    found = (path for kind in KINDS for path in sorted(folder.glob(f"*{kind}")))
    return [path for path in found if is_plain(path, root)]
