"""Files of an environment that a person has still to write."""

from pathlib import Path

MARK = "CHANGE"
"""What `new-env` writes wherever a person has to."""


def marked_lines(path: Path) -> list[int]:
    """Numbers of the lines of a file that say `MARK`; none if there is no file."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [number for number, line in enumerate(lines, 1) if f"{MARK}:" in line]


def placeholders(folder: Path) -> list[str]:
    """What of an environment is still as `new-env` wrote it: `task`, `fitness`, `human reward`."""
    found = []
    source = folder / "env.py"
    if source.is_file():
        lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
        if any(line.lstrip().startswith("task =") and f"{MARK}:" in line for line in lines):
            found.append("task")
    for name in ("fitness", "human_reward"):
        if marked_lines(folder / f"{name}.py"):
            found.append(name.replace("_", " "))
    return found
