"""Finding runs by what people type."""

from pathlib import Path

import pytest

from eureka_agent.common.errors import UsageError
from eureka_agent.store import Run, find_run, list_runs


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Three runs, oldest first, beside things that are not runs."""
    paths = []
    for environment in ("walker", "cartpole", "cartpole"):
        with Run.create(tmp_path, environment, goal="", seed=0, config={}) as run:
            paths.append(run.path)
    (tmp_path / "README.md").write_text("Runs appear here.")
    (tmp_path / "empty").mkdir()
    (tmp_path / ".cartpole-half-made").mkdir()
    (tmp_path / ".cartpole-half-made" / "run.db").write_text("")
    return paths


def test_runs_are_listed_newest_first(runs: list[Path], tmp_path: Path) -> None:
    assert list_runs(tmp_path) == runs[::-1]
    assert list_runs(tmp_path / "nowhere") == []


def test_a_run_is_found_by_path_name_beginning_and_latest(runs: list[Path], tmp_path: Path) -> None:
    walker, _, newest = runs
    assert find_run(str(walker), tmp_path / "nowhere") == walker
    assert find_run(walker.name, tmp_path) == walker
    assert find_run("walk", tmp_path) == walker
    assert find_run("latest", tmp_path) == newest


def test_a_name_that_another_name_begins_with_is_itself(runs: list[Path], tmp_path: Path) -> None:
    copy = runs[0].rename(tmp_path / f"{runs[1].name}-copy")
    assert find_run(runs[1].name, tmp_path) == runs[1]
    assert find_run(copy.name, tmp_path) == copy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cartpole-", "Several runs begin with 'cartpole-'"),
        ("", "There are: cartpole"),
        ("something else", "There are: cartpole"),
        ("../elsewhere", "There is no run"),
    ],
)
def test_a_name_that_fits_no_single_run_is_refused(
    runs: list[Path], tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        find_run(text, tmp_path)


def test_a_typing_error_gets_a_suggestion(runs: list[Path], tmp_path: Path) -> None:
    typed = runs[0].name.replace("walker", "wakler")
    with pytest.raises(UsageError, match=f"Did you mean {runs[0].name}"):
        find_run(typed, tmp_path)


def test_without_runs_the_message_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="eureka-agent search"):
        find_run("latest", tmp_path)
