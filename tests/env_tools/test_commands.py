"""The commands `new-env` and `check-env`, as people and scripts see them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

FINDING_KEYS = {"check", "outcome", "message", "hint"}


def run(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "eureka_agent", *words]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, stdin=subprocess.DEVNULL
    )


def test_a_new_environment_is_written_without_questions_and_passes(tmp_path: Path) -> None:
    made = run("new-env", "mine", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "eureka-agent check-env ./mine" in made.stdout
    checked = run("check-env", "./mine", "--steps", "50", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout
    assert "Passed, but the task is a placeholder: write the task, fitness" in checked.stdout


def test_a_broken_environment_is_a_stable_document_and_exit_code_1(tmp_path: Path) -> None:
    run("new-env", "mine", cwd=tmp_path)
    (tmp_path / "mine" / "fitness.py").write_text("print('noise')\ndef fitness(:\n")
    done = run("check-env", "./mine", "--steps", "50", "--json", cwd=tmp_path)
    (entry,) = json.loads(done.stdout)
    assert done.returncode == 1
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
def test_wrong_use_gets_a_sentence_and_exit_code_2(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "env.py").write_text("")
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
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
