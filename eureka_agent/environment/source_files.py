"""Python files of an environment's folder: loading, errors in them, placeholders left in them."""

import importlib.util
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType

from eureka_agent.common.errors import EurekaError, UsageError, describe


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
    """Run code of an environment: whatever breaks in it becomes an error that names file and line.

    What it prints goes to stderr, as stdout may be a document that somebody parses.

    Args:
        path: the file that the code comes from.

    Raises:
        UsageError: the code raised anything, or would end the program.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except EurekaError:
        raise
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"{path}{_line_in(path, error)} cannot be used: {describe(error)}",
            "Mend that file.",
        ) from error


def _line_in(path: Path, error: BaseException) -> str:
    """The line of a file at which an error came up, in words; empty if it was elsewhere."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    if isinstance(error, SyntaxError) and error.filename == str(path):
        lines.append(error.lineno)
    return f", line {lines[-1]}," if lines else ""


PLACEHOLDER = "CHANGE"
"""What `new-env` writes wherever a person has to."""


def placeholder_lines(path: Path) -> list[int]:
    """Numbers of the lines of a file that say `MARK`; none if there is no file."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [number for number, line in enumerate(lines, 1) if f"{PLACEHOLDER}:" in line]


def placeholders(folder: Path) -> list[str]:
    """What of an environment is still as `new-env` wrote it: `task`, `fitness`, `human reward`."""
    found = []
    source = folder / "env.py"
    if source.is_file():
        lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
        if any(line.lstrip().startswith("task =") and f"{PLACEHOLDER}:" in line for line in lines):
            found.append("task")
    for name in ("fitness", "human_reward"):
        if placeholder_lines(folder / f"{name}.py"):
            found.append(name.replace("_", " "))
    return found
