"""Python files of an environment's folder: loading, errors in them, placeholders left in them."""

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType

from eureka_agent.common.errors import EurekaError, UsageError, describe

PLACEHOLDER = "CHANGE"
"""What `new-env` writes wherever a person has to."""


def load_module(path: Path) -> ModuleType:
    """Execute a Python file of an environment as a module of its own, under no importable name.

    Raises:
        UsageError: the file cannot be executed; the message names the line.
    """
    name = f"_eureka_environment_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with foreign_code(path):
        spec.loader.exec_module(module)
    return module


@contextmanager
def foreign_code(path: Path) -> Iterator[None]:
    """Run code from a file of an environment; its errors name file and line.

    What it prints goes to stderr, as a program may parse stdout as a document.

    Raises:
        UsageError: the code raised anything, or would end the program.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except EurekaError:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if frame.filename == str(path)]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            lines.append(error.lineno)
        place = f"{path}, line {lines[-1]}," if lines else str(path)
        raise UsageError(f"{place} cannot be used: {describe(error)}", "Fix that file.") from error


def placeholder_lines(path: Path) -> list[int]:
    """Numbers of the lines of a file that say `PLACEHOLDER`; none if there is no file."""
    return [number for number, line in _lines(path) if f"{PLACEHOLDER}:" in line]


def placeholders(folder: Path) -> list[str]:
    """Parts of an environment that are still as `new-env` wrote them.

    They are `task`, `fitness` and `human reward`.
    """
    tasks = [text for _, text in _lines(folder / "env.py") if text.lstrip().startswith("task =")]
    found = ["task"] if any(f"{PLACEHOLDER}:" in text for text in tasks) else []
    files = {"fitness": "fitness.py", "human reward": "human_reward.py"}
    return found + [part for part, file in files.items() if placeholder_lines(folder / file)]


def _lines(path: Path) -> list[tuple[int, str]]:
    if not path.is_file():
        return []
    return list(enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1))
