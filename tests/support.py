"""Small but real searches, shared by tests: a few rollouts of four worlds."""

import os
import subprocess
import sys
from pathlib import Path

TINY = {
    "candidates": 3,
    "worlds": 4,
    "steps": 512,
    "checkpoints": 2,
    "ranking_episodes": 4,
    "reporting_episodes": 2,
    "device": "cpu",
    "picture": False,
    "equivalents": False,  # of programs that differ little on so few steps
}

UNTO_SCHEMA_4 = (
    "ALTER TABLE run DROP COLUMN measure; ALTER TABLE candidates DROP COLUMN progress; "
    "ALTER TABLE trainings DROP COLUMN progress; ALTER TABLE evaluations DROP COLUMN progress; "
    "ALTER TABLE candidates DROP COLUMN reflections;"
)
"""Makes the database of a new run one without what came after schema 4."""


def command(*words: str) -> list[str]:
    """The command line of a process that runs the program."""
    return [sys.executable, "-m", "eureka_agent", *words]


def tiny_search(runs: Path, *words: str) -> list[str]:
    """The command line of a small search on cartpole."""
    named = {"candidates", "steps"}
    options = [f"--{name}={TINY[name]}" for name in named]
    options += [f"--set={name}={value}" for name, value in TINY.items() if name not in named]
    return command("search", "cartpole", "--plain", f"--runs={runs}", *options, *words)


def processes_of(parent: int, module: str) -> list[int]:
    """Process ids of a parent's children that run a module, oldest first."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                line = (entry / "cmdline").read_text()
            except OSError:
                continue
            if int(status[1]) == parent and module in line:
                found.append((int(status[19]), int(entry.name)))  # when it began: ids start over
    return [number for _, number in sorted(found)]


def start(words: list[str]) -> subprocess.Popen[str]:
    """Start the program in a session of its own."""
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env=os.environ | {"COLUMNS": "100"},
    )
