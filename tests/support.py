"""Small but real searches, shared by tests: a few rollouts of four worlds."""

import io
import os
import signal
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from unittest import mock

from eureka_agent.cli import STOPS, main

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
    "ALTER TABLE trainings DROP COLUMN progress; ALTER TABLE evaluations DROP COLUMN progress;"
)
"""Makes the database of a new run one without what came after schema 4."""


def command(*words: str) -> list[str]:
    """The command line of a process that runs the program."""
    return [sys.executable, "-m", "eureka_agent", *words]


def run(
    *words: str, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which has loaded torch already.

    Its streams are no terminals, and stdin is empty. What needs a process of its own (signals,
    terminals, an interpreter that loads nothing) starts one with `command`.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    handlers = {name: signal.getsignal(getattr(signal, name)) for name in STOPS}
    with (
        chdir(cwd or Path.cwd()),
        mock.patch.dict(os.environ, {"COLUMNS": "80"} | environment),
        mock.patch.multiple(sys, stdin=io.StringIO(), stdout=out, stderr=err),
        mock.patch.object(sys, "argv", ["eureka-agent", *words]),
    ):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            for name, handler in handlers.items():
                signal.signal(getattr(signal, name), handler)
    said = (bytes(stream.buffer.getvalue()).decode() for stream in (out, err))
    return subprocess.CompletedProcess(words, code, *said)


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
