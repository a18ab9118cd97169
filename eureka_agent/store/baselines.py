"""Published baselines: what random actions, the human reward and the bare fitness reach.

The file `baselines.json` stands beside the folders of the environments that it is about, and
`benchmarks/baselines.py` writes it. A result belongs to a fingerprint of the environment: prose may
change after it, what is simulated and paid may not.
"""

import ast
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from eureka_agent.common.environments import OLD_SETTINGS
from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import PACKAGE, data_folder
from eureka_agent.common.statistics import UNBOUNDED, Bounds, clipped
from eureka_agent.common.text import count
from eureka_agent.store.folder import read_plain
from eureka_agent.store.reading import RunReader
from eureka_agent.store.trust import OWN_FITNESS, familiar

FILE = "baselines.json"
LARGEST = 16 << 20
"""Bytes of it; its values are a few numbers per environment."""
PROSE = {".md", ".png", ".txt"}
"""Suffixes of files that change no result."""
CONTRASTS = "contrasts.py"
"""A file for the exam of rewards, which changes no result either."""
MODELS = PACKAGE / "environment" / "gymnasium_models.py"
"""Environments that import it depend on it in what they simulate."""
_VARIANT = re.compile(r"variant_of\(\s*[\"'](\w+)[\"']")


def baselines_path(source: str) -> Path:
    """Where the baselines of an environment are, or would be.

    Args:
        source: the environment's folder, or the name of one that came with the program.
    """
    folder = Path(source)
    return folder.parent / FILE if folder.is_absolute() else data_folder("envs") / FILE


def read_baselines(path: Path) -> dict[str, dict[str, Any]]:
    """All entries of a file by name of the environment; none where there is no such file.

    Raises:
        UsageError: the file is not what the benchmark writes.
    """
    try:
        document = json.loads(read_plain(path, LARGEST))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, OSError, RecursionError) as error:
        raise UsageError(
            f"{path} is no JSON document: {error}.",
            "Delete it, and write it anew with benchmarks/baselines.py.",
        ) from error
    if not isinstance(document, dict) or not all(isinstance(e, dict) for e in document.values()):
        raise UsageError(
            f"{path} does not hold one entry per environment.",
            "Delete it, and write it anew with benchmarks/baselines.py.",
        )
    return document


_FIRST_NAMES = {new: old for old, new in OLD_SETTINGS.items()}
_SETTINGS_CALLS = ("TrainingSettings", "replace")
TEXTS = ("task", "robot", "start", "termination", "subtasks")
"""Attributes of an environment that are sentences."""
RANGE = "RANGE"
"""What a fitness file states about its values, without changing them."""


def fingerprint(folder: Path) -> str:
    """Twelve characters that change with what an environment simulates, measures and pays.

    Comments, docstrings and layout of Python files do not count, nor do the sentences about
    task and robot, the stated range of a fitness, README and picture. The environment that this
    one varies counts as part of it, and so does the code that prepares its model.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(path.name.encode())
        content = path.read_bytes()
        digest.update(_code(content) if path.suffix == ".py" else content)
    return digest.hexdigest()[:12]


def _files(folder: Path) -> list[Path]:
    """The files that count, those of the environment that this one varies first."""
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix not in {*PROSE, ".pyc"}
        and path.name != CONTRASTS
        and not path.name.startswith((".", "LICENSE"))
    ]
    code = folder / "env.py"
    if not code.is_file():
        return found
    text = code.read_text(encoding="utf-8")
    if MODELS.stem in text:
        found = [MODELS, *found]
    for name in _VARIANT.findall(text):
        roots = (folder.parent, data_folder("envs"))
        base = next((root / name for root in roots if (root / name).is_dir()), folder)
        if base != folder:
            found = _files(base) + found
    return found


def _code(content: bytes) -> bytes:
    """Python source in one layout, without docstrings and descriptions; unchanged if broken."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return content
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node, clean=False
        ):
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.Module):
            node.body = [part for part in node.body if not _sets(part, (RANGE,))]
        if isinstance(node, ast.ClassDef):
            node.body = [part for part in node.body if not _sets(part, TEXTS)] or [ast.Pass()]
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(_SETTINGS_CALLS):
            # A setting counts under its first name: a new one changes no result.
            for keyword in node.keywords:
                keyword.arg = _FIRST_NAMES.get(keyword.arg or "", keyword.arg)
    return ast.unparse(tree).encode()


def _sets(statement: ast.stmt, names: tuple[str, ...]) -> bool:
    """Whether a statement does nothing but set one of these names."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in names
    return False


REWARDS = ("random", "zero", "human", "bare")
KEPT = ("seeds", "steps", "lanes", "worlds", "episodes", "progress", "verdicts", "date", "versions")


def published_baselines(run: RunReader) -> dict[str, Any] | None:
    """What random and zero actions, the human reward and the bare fitness reached.

    `random`, `zero`, `human` and `bare` hold `values` (one per training seed, from the reporting
    pool), `mean` and the 95 % interval `low` to `high`, or are None; `notes` say where the numbers
    do not fit the run. None where nothing is published for what the run is about.
    """
    row = run.row()
    if not run.measured or (run.path / OWN_FITNESS).is_file():
        return None  # they measure something else
    try:
        entry = read_baselines(baselines_path(row.environment_source)).get(row.environment)
    except UsageError as error:
        return dict.fromkeys((*REWARDS, *KEPT)) | {"notes": [error.message]}
    if entry is None:
        return None
    found = {key: entry.get(key) for key in (*REWARDS, *KEPT)}
    low, high = row.measure.get("range") or UNBOUNDED
    found |= {key: _possible(found[key], (low, high)) for key in REWARDS}
    # The run of a stranger may name any folder, which is not read for its sake.
    known = familiar(row.environment_source) or run.made_here()
    notes = []
    steps, theirs = row.config.get("steps"), entry.get("steps")
    if steps and theirs and steps != theirs:
        notes.append(f"This run trains for {count(steps)} steps, they for {count(theirs)}.")
    folder = Path(row.environment_source)
    changes = known and folder.is_absolute() and folder.is_dir()
    if changes and fingerprint(folder) != entry.get("fingerprint"):
        notes.append("The environment has changed since they were measured.")
    return found | {"notes": notes}


def _possible(reward: dict[str, Any] | None, bounds: Bounds) -> dict[str, Any] | None:
    """The results of a reward, with its interval inside the possible range."""
    if reward is None or reward.get("low") is None or reward.get("high") is None:
        return reward
    low, high = clipped((reward["low"], reward["high"]), reward["values"], bounds)
    return reward | {"low": low, "high": high}
