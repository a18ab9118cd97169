"""Paths: the program's data, paths as typed, and paths as shown to people."""

import os
import re
import shlex
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from eureka_agent.common.errors import MissingError

PACKAGE = Path(__file__).resolve().parents[1]


def data_folder(name: str) -> Path:
    """The folder `name` that came with the program: `envs`, `presets` or `prompts`.

    A wheel carries it inside the package; a checkout has it beside the package.

    Raises:
        MissingError: the installation has no such folder.
    """
    for folder in (PACKAGE / "_data" / name, PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise MissingError(
        f"This installation of eureka-agent has no folder {name!r}.",
        "Install it again: pip install --force-reinstall --no-deps, and where you installed from.",
    )


def expanded(text: str | Path) -> Path:
    """A path as a person typed it; shells leave the `~` of `--option=~/file` as it is."""
    return Path(os.path.expanduser(text))


def shorten_paths(text: str | Path) -> str:
    """A text in which paths below the working folder become relative to it."""
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        return str(text)
    if here == os.sep:
        return str(text)
    return re.sub(rf"(?<![\w./-]){re.escape(here + os.sep)}", "", str(text))


def command(*words: str | Path) -> str:
    """A command line to copy, with its words quoted."""
    return shlex.join(["eureka-agent", *map(shorten_paths, words)])


Frame = tuple[str, int, str]
"""A line of code that was running: its file, its number, its function."""


def user_frame(frames: Iterable[Frame]) -> Frame | None:
    """The frame that helps the author of failed code most.

    It is the innermost one in a file of the user's; otherwise in an installed package. It is never
    in Python's own files, this program's or Gymnasium's.

    Args:
        frames: of one stack, innermost first.
    """
    library = sysconfig.get_path("stdlib")
    ours = str(PACKAGE)
    installed: Frame | None = None
    for frame in frames:
        path = Path(frame[0])
        if "site-packages" in path.parts or "dist-packages" in path.parts:
            if installed is None and "gymnasium" not in path.parts:
                installed = frame
        elif path.is_absolute() and not frame[0].startswith((f"{library}/", f"{ours}/")):
            return frame
    return installed
