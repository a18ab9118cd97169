"""Paths: where the program's data lies, what a typed path means, and how people read one."""

import os
import re
import shlex
from pathlib import Path

from eureka_agent.errors import MissingError

PACKAGE = Path(__file__).resolve().parent


def data_folder(name: str) -> Path:
    """The folder `name` that came with the program: `envs` or `prompts`.

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


def shown(text: str | Path) -> str:
    """A path, or a text with paths in it, in which those below the working folder begin there."""
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        return str(text)
    if here == os.sep:
        return str(text)
    return re.sub(rf"(?<![\w./-]){re.escape(here + os.sep)}", "", str(text))


def command(*words: str | Path) -> str:
    """A command line to copy, whatever stands in its words."""
    return shlex.join(["eureka-agent", *map(shown, words)])
