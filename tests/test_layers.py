"""A package imports only from floors below its own, or from itself, and no modules in a circle."""

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import eureka_agent

NAME = "eureka_agent"
FLOORS = {
    "cli": 7,
    "search": 6,
    "judge": 5,
    "doctor": 6,
    "tracking": 5,
    "sandbox": 4,
    "plugins": 4,
    "playback": 4,
    "gym": 3,
    "training": 3,
    "critic": 3,
    "designer": 3,
    "report": 3,
    "analysis": 2,
    "environment": 2,
    "ui": 2,
    "reward": 1,
    "simulation": 1,
    "llm": 1,
    "store": 1,
    "errors": 0,
    "paths": 0,
    "finding": 0,
    "choices": 0,
    "__init__": 0,  # the version
}
KNOWS = {"ui": {"store"}, "report": {"store", "ui"}}  # of the floors above the ground


def imported_modules(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every import, wherever in the file it stands."""
    package = [NAME, *path.relative_to(root).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def unit_of(dotted: str, root: Path) -> str | None:
    """The module or package under the root that a dotted name lies in; None for foreign ones."""
    parts = dotted.split(".")
    if parts[0] != NAME:
        return None
    named = parts[1] if len(parts) > 1 else "__init__"
    is_module = named in FLOORS or (root / named).is_dir() or (root / f"{named}.py").is_file()
    return named if is_module else "__init__"  # from eureka_agent import __version__


def may_import(importer: str, imported: str) -> bool:
    """Whether the floors allow it."""
    if importer == imported:
        return True
    if importer == "__main__":
        return imported == "cli"
    if importer not in FLOORS or imported not in FLOORS:
        return False
    if FLOORS[importer] == FLOORS[imported] == 0:
        return True  # the ground is one floor for all
    if importer in KNOWS and FLOORS[imported] > 0:
        return imported in KNOWS[importer]
    return FLOORS[imported] < FLOORS[importer]


def violations(root: Path) -> list[str]:
    """One line for each import under `root`, the folder of the package, that breaks the rule."""
    found = []
    for path in sorted(root.rglob("*.py")):
        relative = path.relative_to(root)
        importer = relative.parts[0].removesuffix(".py")
        for line, dotted in imported_modules(path, root):
            imported = unit_of(dotted, root)
            if imported is not None and not may_import(importer, imported):
                found.append(f"{relative}:{line}: {importer} must not import {dotted}")
    return found


def circle(root: Path) -> list[str]:
    """Modules under `root`, each of which imports the one before it; empty where no circle is.

    Imports that stand in a function or are for type checkers alone count as well.
    """
    paths = {}
    for path in root.rglob("*.py"):
        parts = [NAME, *path.relative_to(root).with_suffix("").parts]
        paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    graph = {}
    for name, path in paths.items():
        imported = (dotted for _, dotted in imported_modules(path, root))
        named = {dotted if dotted in paths else dotted.rpartition(".")[0] for dotted in imported}
        graph[name] = named & paths.keys() - {name}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def plant(root: Path, path: str, text: str) -> None:
    """Write one module of a pretended package."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_every_import_points_to_a_lower_floor() -> None:
    root = Path(eureka_agent.__file__).parent
    assert violations(root) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(Path(eureka_agent.__file__).parent) == []


@pytest.mark.parametrize(
    "text",
    [
        "from eureka_agent.store.b import thing",
        "from . import b",
        "import eureka_agent.store.b",
        "def late():\n    from eureka_agent.store import b",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import Thing",
    ],
)
def test_a_circle_is_found(tmp_path: Path, text: str) -> None:
    plant(tmp_path, "store/a.py", text)
    plant(tmp_path, "store/b.py", "import math")
    assert circle(tmp_path) == []
    plant(tmp_path, "store/b.py", "from eureka_agent.store.a import other")
    assert set(circle(tmp_path)) == {f"{NAME}.store.a", f"{NAME}.store.b"}


def test_every_module_has_a_floor() -> None:
    root = Path(eureka_agent.__file__).parent
    units = {path.relative_to(root).parts[0].removesuffix(".py") for path in root.rglob("*.py")}
    assert units - {"__main__"} <= FLOORS.keys()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("store/run.py", "from eureka_agent.search.loop import search"),
        ("store/run.py", "import eureka_agent.search.loop as loop"),
        ("store/run.py", "from eureka_agent import search"),
        ("store/run.py", "from ..search import loop"),
        ("store/deep/run.py", "from ...search.loop import search"),
        ("store/run.py", "def late():\n    from eureka_agent.judge import judge"),
        (
            "store/run.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import eureka_agent.judge",
        ),
        ("reward/check.py", "from eureka_agent.store import Run"),
        ("training/ppo.py", "from eureka_agent.designer.base import Designer"),
        ("ui/live.py", "from eureka_agent.reward.program import parse"),
        ("report/page.py", "from eureka_agent.analysis import reflect"),
        ("search/loop.py", "from eureka_agent.cli import main"),
        ("search/loop.py", "from eureka_agent.unheard_of import thing"),
        ("errors.py", "from eureka_agent.store import Run"),
        ("__init__.py", "from eureka_agent.search import loop"),
        ("__main__.py", "from eureka_agent.search import loop"),
    ],
)
def test_an_import_against_the_floors_is_found(tmp_path: Path, path: str, text: str) -> None:
    plant(tmp_path, "unheard_of.py", "")
    plant(tmp_path, path, text)
    (violation,) = violations(tmp_path)
    assert violation.startswith(f"{path}:{len(text.splitlines())}: ")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("search/loop.py", "from eureka_agent.store import Run"),
        ("search/loop.py", "from eureka_agent.search.archive import Archive"),
        ("search/loop.py", "from .archive import Archive"),
        ("search/loop.py", "from eureka_agent import __version__"),
        ("training/ppo.py", "from ..environment import Worlds\nimport torch"),
        ("ui/live.py", "from eureka_agent.store import Run\nfrom eureka_agent import paths"),
        ("report/page.py", "from eureka_agent.ui.documents import run_document"),
        ("paths.py", "from eureka_agent.errors import MissingError"),
        ("__main__.py", "from eureka_agent.cli import main"),
    ],
)
def test_an_import_within_the_floors_passes(tmp_path: Path, path: str, text: str) -> None:
    plant(tmp_path, path, text)
    assert violations(tmp_path) == []
