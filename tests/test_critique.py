"""`critique ENV FILE`: what the critic says of one reward program, to people and to scripts."""

import json
from pathlib import Path
from subprocess import CompletedProcess, run

import pytest
from support import command

from eureka_agent.environment import find_environment

MIXING = '''"""Idea."""
WEIGHTS = {"up": 1.0}

def scaled(x):
    return x / x.abs().max()

def compute_reward(cart_velocity):
    fast = scaled(cart_velocity)
    return {"up": fast}
'''
FLAT = MIXING.replace("x / x.abs().max()", "0.0 * x")
KEYS = {"rule", "severity", "line", "column", "message", "hint"}


def critique(*words: str) -> CompletedProcess[str]:
    return run(command("critique", *words), capture_output=True, text=True)


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(text)
    return str(path)


def test_the_human_reward_is_accepted() -> None:
    done = critique("cartpole", str(find_environment("cartpole").human_reward_path), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"accepted": True, "findings": []}


def test_a_finding_of_the_dry_run_rejects_with_a_stable_document(tmp_path: Path) -> None:
    done = critique("cartpole", write(tmp_path, MIXING), "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["accepted"] is False
    (finding,) = document["findings"]
    assert finding.keys() == KEYS
    assert (finding["rule"], finding["line"]) == ("row-dependence", 8)


def test_a_person_sees_the_line_and_the_hint(tmp_path: Path) -> None:
    done = critique("cartpole", write(tmp_path, MIXING))
    assert done.returncode == 1
    assert "line 8, error" in done.stdout
    assert "fast = scaled(cart_velocity)" in done.stdout
    assert "dim=-1" in done.stdout
    assert done.stdout.rstrip().endswith("Not accepted: 1 to mend.")


def test_a_warning_does_not_reject(tmp_path: Path) -> None:
    done = critique("cartpole", write(tmp_path, FLAT))
    assert done.returncode == 0
    assert "constant-reward" in done.stdout
    assert done.stdout.rstrip().endswith("Accepted.")


@pytest.mark.parametrize(
    ("environment", "file", "said"),
    [("cartpole", "missing.py", "missing.py"), ("cartpol", "mine.py", "cartpole")],
)
def test_wrong_use_gets_a_sentence_and_exit_code_2(
    tmp_path: Path, environment: str, file: str, said: str
) -> None:
    write(tmp_path, FLAT)
    done = critique(environment, str(tmp_path / file))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr


def test_any_text_gets_an_answer(tmp_path: Path) -> None:
    done = critique("cartpole", write(tmp_path, "```python\nx = \x1b[31m\n```"), "--json")
    assert done.returncode == 1
    assert not json.loads(done.stdout)["accepted"]


def test_a_file_without_end_is_refused() -> None:
    done = critique("cartpole", "/dev/zero")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "longer than 1,000,000 characters" in done.stderr
