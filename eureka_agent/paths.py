"""Where the folders `envs/` and `prompts/` are, however the program was installed."""

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
