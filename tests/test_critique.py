"""`critique ENV FILE` prints the critic's findings about one program, for people and scripts."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from support import run

from eureka_agent.environment import find_environment
from eureka_agent.workers import probe_client

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


@pytest.fixture(scope="module")
def worker() -> Iterator[probe_client.ProbeClient]:
    with probe_client.ProbeClient(find_environment("cartpole")) as client:
        yield client


@pytest.fixture(autouse=True)
def one_worker_for_all_commands(
    worker: probe_client.ProbeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe_client, "ProbeClient", lambda environment: nullcontext(worker))


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "mine.py"
    path.write_text(text)
    return str(path)


def test_the_human_reward_is_accepted() -> None:
    done = run(
        "critique", "cartpole", str(find_environment("cartpole").human_reward_path), "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"accepted": True, "findings": []}


def test_a_finding_of_the_dry_run_rejects_the_program_in_a_stable_document(tmp_path: Path) -> None:
    done = run("critique", "cartpole", write(tmp_path, MIXING), "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["accepted"] is False
    (finding,) = document["findings"]
    assert finding.keys() == KEYS
    assert (finding["rule"], finding["line"]) == ("row-dependence", 8)


def test_a_person_sees_the_line_and_the_hint(tmp_path: Path) -> None:
    done = run("critique", "cartpole", write(tmp_path, MIXING))
    assert done.returncode == 1
    assert "line 8, error" in done.stdout
    assert "fast = scaled(cart_velocity)" in done.stdout
    assert "dim=-1" in done.stdout
    assert done.stdout.rstrip().endswith("Not accepted: 1 to fix.")


def test_a_warning_does_not_reject(tmp_path: Path) -> None:
    done = run("critique", "cartpole", write(tmp_path, FLAT))
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
    done = run("critique", environment, str(tmp_path / file))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr


def test_any_text_is_checked(tmp_path: Path) -> None:
    done = run("critique", "cartpole", write(tmp_path, "```python\nx = \x1b[31m\n```"), "--json")
    assert done.returncode == 1
    assert not json.loads(done.stdout)["accepted"]


def test_an_endless_file_is_refused() -> None:
    done = run("critique", "cartpole", "/dev/zero")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "longer than 1,000,000 characters" in done.stderr
