"""The commands `new-env` and `check-env`, as people and scripts see them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eureka_agent.cli import app
from eureka_agent.common.errors import UsageError
from eureka_agent.env_tools.scaffold.create import new_environment

FINDING_KEYS = {"check", "outcome", "message", "hint"}


def test_a_new_environment_is_written_without_questions_and_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "eureka_agent", "new-env", "mine"]
    made = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, stdin=subprocess.DEVNULL
    )
    assert made.returncode == 0, made.stderr
    assert "eureka-agent check-env ./mine" in made.stdout
    monkeypatch.chdir(tmp_path)
    checked = CliRunner().invoke(app, ["check-env", "./mine", "--steps", "50"])
    assert checked.exit_code == 0, checked.stdout
    assert "Passed, but the task is a placeholder: write the task, fitness" in checked.stdout


def test_a_broken_environment_is_a_stable_document_and_exit_code_1(tmp_path: Path) -> None:
    folder = new_environment("mine", tmp_path).folder
    (folder / "fitness.py").write_text("print('noise')\ndef fitness(:\n")
    done = CliRunner().invoke(app, ["check-env", str(folder), "--steps", "50", "--json"])
    (entry,) = json.loads(done.stdout)
    assert done.exit_code == 1
    assert entry.keys() >= {"name", "path", "passed", "findings"}
    assert not entry["passed"]
    assert entry["placeholders"] == ["task", "human reward"]
    assert all(finding.keys() == FINDING_KEYS for finding in entry["findings"])
    (failure,) = [f for f in entry["findings"] if f["outcome"] == "failed"]
    assert failure["check"] == "fitness"
    assert "fitness.py, line 2" in failure["message"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check-env",), "--all"),
        (("check-env", "cartpole", "--all"), "--all"),
        (("check-env", "cartpol"), "cartpole"),
        (("check-env", "here"), "./here"),
        (("check-env", "cartpole", "--steps", "0"), "--steps"),
        (("new-env", "here"), "already"),
        (("new-env", "other", "--model", "gone.xml"), "gone.xml"),
    ],
)
def test_wrong_use_is_a_usage_error_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "env.py").write_text("")
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, words).exception
    assert isinstance(error, UsageError)  # `main` prints it and exits with 2
    assert said in f"{error.message} {error.remedy}"
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_on_a_terminal_a_new_environment_is_asked_for(tmp_path: Path) -> None:
    own, theirs = pty.openpty()
    command = [sys.executable, "-m", "eureka_agent", "new-env", "mine"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path):
        os.close(theirs)
        os.write(own, b"\nJump over the ditch.\n")
        said = b""
        while True:
            try:
                said += os.read(own, 4096)
            except OSError:  # the other side is closed
                break
    os.close(own)
    assert b"MJCF" in said
    assert "Jump over the ditch." in (tmp_path / "mine" / "env.py").read_text()
