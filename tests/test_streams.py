"""Closed or full streams and a deleted working folder never end a command in a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eureka_agent.store import Run

COMMAND = f"{sys.executable} -m eureka_agent"


def shell(line: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        ["bash", "-c", line], capture_output=True, text=True, cwd=cwd, env=os.environ
    )
    assert "Traceback" not in found.stderr and "Exception ignored" not in found.stderr
    return found


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with one run with long texts."""
    with Run.create(tmp_path, "cartpole", goal="Swing.", seed=0, config={}) as run:
        for slot in range(100):
            run.add_candidate(0, slot, "#" * 2000, designer="offline", note="n" * 500)
    return tmp_path


def test_a_closed_or_full_output_ends_a_command_without_a_traceback(runs: Path) -> None:
    words = f"{COMMAND} show latest --runs . --json"
    assert shell(f"{words} | head -1", runs).stderr == ""
    assert shell(f"{COMMAND} runs --runs . | true", runs).stderr == ""
    full = shell(f"{words} > /dev/full", runs)
    assert full.returncode == 1 and "No space left" in full.stderr
    at_the_end = shell(f"{COMMAND} runs --runs . > /dev/full", runs)
    assert at_the_end.returncode == 1 and "No space left" in at_the_end.stderr


def test_closed_streams_do_no_harm(runs: Path) -> None:
    before = (runs / next(runs.glob("*/run.db"))).read_bytes()
    assert shell(f"{COMMAND} show latest --runs . >&- 2>&- <&-", runs).returncode == 0
    document = shell(f"{COMMAND} runs --runs . --json 2>&-", runs)
    assert len(json.loads(document.stdout)) == 1
    refused = shell(f"{COMMAND} show nothing --runs . --json 2>&-", runs)
    assert refused.returncode == 2 and refused.stdout == ""
    assert shell(f"{COMMAND} show nothing --runs . 2> /dev/full", runs).returncode == 2
    assert next(runs.glob("*/run.db")).read_bytes() == before


def test_a_deleted_working_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    done = shell(f"cd gone && rmdir ../gone && {COMMAND} runs", tmp_path)
    assert done.returncode == 2 and "working folder" in done.stderr
