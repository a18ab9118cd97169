"""Environments by name: where their folders are, found without loading any of them.

Wrong names are refused here before torch and MuJoCo load, which takes seconds.
"""

import difflib
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path

from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import command, data_folder, expanded

ENTRY_POINTS = "eureka_agent.environments"
PATH_LIST = "EUREKA_ENVS"
GYMNASIUM = "gymnasium:"
"""Prefix of the names of Gymnasium's environments."""
CODE = "env.py"
LEAST_WORD = 4
"""Letters of a word by which a sentence names an environment."""


def environment_folder(name: str) -> Path:
    """The folder of an environment, by its name or path; nothing is loaded.

    Raises:
        UsageError: there is no environment of that name.
    """
    if name.startswith(GYMNASIUM):
        raise UsageError(f"{name} is Gymnasium's: it has no folder.", "Name one that has.")
    if not name.strip():
        raise UsageError("The name of the environment is empty.", f"Known: {_listed()}.")
    folders = dict(reversed(list(_folders())))
    if name in folders:
        return folders[name]
    if "/" in name or os.sep in name or name.startswith((".", "~")):
        return _environment_at(expanded(name).resolve())
    if len(name.split()) > 1:
        raise UsageError(*_sentence(name, folders))
    close = difflib.get_close_matches(name, folders, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    if re.search(r"-v\d+$", name):  # as all of Gymnasium's names end
        hint = f"Did you mean {GYMNASIUM + name.rpartition(':')[2]!r}? "
    if (Path(name) / CODE).is_file():
        hint = f"Did you mean the folder ./{name}? "
    raise UsageError(
        f"There is no environment called {name!r}.",
        f"{hint}Known: {_listed()}; or give the path of a folder with {CODE}.",
    )


def require_environment(source: str) -> None:
    """Refuse the name of an environment that does not exist, without loading any.

    Raises:
        UsageError: there is no environment of that name.
    """
    if not source.startswith(GYMNASIUM):
        environment_folder(source)
        return
    name = source.removeprefix(GYMNASIUM)
    if not name.strip():
        raise UsageError(f"{source} names no environment.", "Write gymnasium:ID.")
    if name.endswith(".toml") and not expanded(name).is_file():
        raise UsageError(f"There is no file {name}.", "Give gymnasium:ID or the path of a file.")


def list_environments() -> list[str]:
    """Names of all environments that can be found, sorted."""
    return sorted({name for name, _ in _folders()})


def search_path() -> list[Path]:
    """The folders of the `EUREKA_ENVS` path list, absolute: a child has another working folder."""
    listed = os.environ.get(PATH_LIST, "")
    return [expanded(part).absolute() for part in listed.split(os.pathsep) if part]


def _environment_at(path: Path) -> Path:
    """The folder of an environment, by its own path or that of its code.

    Raises:
        UsageError: it holds no environment.
    """
    folder = path.parent if path.name == CODE else path
    if (folder / CODE).is_file():
        return folder
    remedy = f"An environment is a folder with {CODE}, fitness.py and a model."
    if not folder.exists():
        raise UsageError(f"There is no folder {folder}.", remedy)
    reason = f"it has no {CODE}" if folder.is_dir() else "it is a file"
    raise UsageError(f"{folder} is not an environment: {reason}.", remedy)


def _sentence(text: str, known: Iterable[str]) -> tuple[str, str]:
    """Message and remedy for a task in words in place of an environment's name."""
    words = set(re.findall(r"\w+", text.lower()))
    parts = {name: set(name.lower().split("_")) for name in sorted(known)}
    telling = {word for word in words if len(word) >= LEAST_WORD}
    meant = [name for name in parts if parts[name] <= words]
    meant = meant or [name for name in parts if parts[name] & telling]
    robots = f"Perhaps you mean {' or '.join(meant)}." if meant else f"Known: {_listed()}."
    name = meant[0] if len(meant) == 1 else "ENV"
    return (
        f"{text!r} is not the name of an environment.",
        "Name the environment first, and put the task in words into --goal: "
        f"{command('search', name, '--goal', text, '--fitness', 'FILE')}. {robots}",
    )


def _listed() -> str:
    return ", ".join(list_environments())


def _folders() -> Iterator[tuple[str, Path]]:
    """All (name, folder) pairs; the first of equal names counts."""
    for root in [data_folder("envs"), *search_path()]:
        if root.is_dir():
            for path in sorted(root.iterdir()):
                if (path / CODE).is_file():
                    yield path.name, path
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        yield entry.name, _entry_folder(entry)


def _entry_folder(entry: importlib.metadata.EntryPoint) -> Path:
    """The folder of an installed environment; if it is broken, a path with the missing name."""
    name = entry.value.partition(":")[0]
    try:
        with redirect_stdout(sys.stderr):  # finding a module imports the packages above it
            module = importlib.util.find_spec(name)
    except (Exception, SystemExit):
        module = None
    if module is None or module.origin is None:
        return Path(name)
    return Path(module.origin).parent
