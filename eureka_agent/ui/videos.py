"""The films and the picture that lie in a candidate's folder."""

from pathlib import Path

KINDS = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif"}
"""Media types by the ending of the name, the better ones first."""

PICTURE = "picture.png"
"""Frames of an episode of its policy."""


def videos(folder: Path) -> list[Path]:
    """The films in a folder, the best kind first, then by name; none where there is no folder."""
    if not folder.is_dir():
        return []
    return [path for kind in KINDS for path in sorted(folder.glob(f"*{kind}"))]
