"""Settings, environments, played episodes and cleaning in the terminal."""

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from eureka_agent.cli import app
from eureka_agent.cli.catalogue import environments_document
from eureka_agent.common.errors import UsageError
from eureka_agent.store import Run
from eureka_agent.store.cleaning import DAY, LOSERS_FILES, Plan, plan_cleaning, remove
from eureka_agent.store.rows import RunStatus
from eureka_agent.views.terminal.tables import (
    carry_out,
    environment_view,
    environments_table,
    played_view,
)
from tests.views.conftest import PROGRAM


@pytest.fixture(scope="module")
def entries() -> list[dict[str, Any]]:
    return environments_document()


def drawn(view: RenderableType, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_every_environment_has_its_line(entries: list[dict[str, Any]], width: int) -> None:
    text = drawn(environments_table(entries), width)
    assert all(entry["name"] in text for entry in entries)
    assert max(map(len, text.splitlines())) <= width


def test_an_environment_shows_its_signals_actions_and_endings() -> None:
    (entry,) = environments_document(["hopper"])
    text = drawn(environment_view(entry), 100)
    assert all(signal["name"] in text for signal in entry["signals"])
    assert "torque on thigh_joint" in text
    assert "early end" in text


def test_a_broken_environment_says_why_instead() -> None:
    broken = {"name": "crooked", "task": "", "signals": [], "failure": "It has no task."}
    assert "broken: It has no task." in drawn(environments_table([broken]), 80)


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(UsageError, match="hoper"):
        environments_document(["hoper"])


def document(name: str, **episode: Any) -> dict[str, Any]:
    played = {"fitness": 2.0, "seconds": 4.0, "ended_early": True, "diverged": False}
    episodes = [played | {"components": {"up": 3.0, "[red]": None}} | episode]
    missing = None
    fields = {"environment": "hopper", "fitness": 2.0, "components_missing": missing}
    return {"policy": name, "episodes": episodes, **fields}


def told(played: dict[str, Any], width: int = 80) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        console.print(played_view(played))
    return capture.get()


def test_fitness_length_reward_and_film_are_shown() -> None:
    said = told({"policies": [document("run #1")], "video": "out.mp4"})
    for part in ("run #1", "2.000, mean of 1", "1 of 1 ended early", "3.000 per episode"):
        assert part in said
    assert "paid: [red]" in said and "not a finite number" in said
    assert "Film: out.mp4" in said


def test_two_policies_are_shown_side_by_side_each_with_its_gaps() -> None:
    silent = document("\x1b[2Jother", components={}, diverged=True)
    silent["components_missing"] = "there is no record"
    said = told({"policies": [document("run #1"), silent], "video": None}, width=100)
    assert "\x1b" not in said and "unknown: there is no record" in said
    assert "in 1 of 1" in said and "Film" not in said


def old_run(directory: Path, status: RunStatus = "finished", results: int = 0) -> Path:
    """A run of some trained candidates, last written to long ago."""
    config = {"generations": 1, "candidates": 2, "steps": 10}
    with Run.create(directory, "cartpole", goal="Up.", seed=0, config=config) as run:
        for slot in range(results):
            number = run.add_candidate(0, slot, PROGRAM, designer="offline").id
            run.set_result(number, fitness=9.0 - slot, own_return=1.0, checkpoint_step=10)
            for name in LOSERS_FILES:
                (run.candidate_folder(number) / name).write_bytes(bytes(100))
        if results:
            run.set_best(1)
        run.set_status(status)
        run._database.update("run", 1, updated=time.time() - 100 * DAY)
        return run.path


def reasons(plan: Plan) -> dict[Path, str]:
    return {removal.run: removal.reason for removal in plan.removals}


def test_failed_interrupted_and_empty_runs_go_and_results_stay(tmp_path: Path) -> None:
    failed, empty = old_run(tmp_path, "failed"), old_run(tmp_path)
    killed = old_run(tmp_path, "running", results=1)
    good = old_run(tmp_path, results=2)
    plan = plan_cleaning(tmp_path)
    assert reasons(plan) == {
        failed: "failed, and nothing trained to its end",
        empty: "finished, and nothing trained to its end",
        killed: "interrupted",
    }
    assert {removal.run: removal.best for removal in plan.removals}[killed] == 9.0
    assert plan.kept == 1
    assert failed.exists()
    assert carry_out(plan) == {}
    assert list(tmp_path.iterdir()) == [good]


def test_recent_runs_stay(tmp_path: Path) -> None:
    old_run(tmp_path, "failed")
    assert plan_cleaning(tmp_path, days=101).removals == ()
    assert len(plan_cleaning(tmp_path, days=99).removals) == 1


def test_a_run_that_is_being_searched_is_never_touched(tmp_path: Path) -> None:
    path = old_run(tmp_path, "failed")
    plan = plan_cleaning(tmp_path)
    with Run.open(path) as run, run.lock():
        assert plan_cleaning(tmp_path, days=0).removals == ()
        with pytest.raises(UsageError, match="is being searched"):
            remove(plan.removals[0])
    assert (path / "run.db").is_file()


def test_a_run_that_was_written_to_after_the_plan_stays(tmp_path: Path) -> None:
    path = old_run(tmp_path, "failed")
    plan = plan_cleaning(tmp_path)
    with Run.open(path) as run:
        run.set_phase("going on")
    assert "written to in the meantime" in carry_out(plan)[path]
    assert (path / "run.db").is_file()


def test_losers_lose_their_large_files_and_the_run_stays_whole(tmp_path: Path) -> None:
    path = old_run(tmp_path, results=3)
    assert plan_cleaning(tmp_path).removals == ()
    plan = plan_cleaning(tmp_path, losers=True)
    assert [removal.size for removal in plan.removals] == [600]
    assert carry_out(plan) == {}
    assert all((path / "candidates" / "1" / name).is_file() for name in LOSERS_FILES)
    assert [file.name for file in (path / "candidates" / "2").iterdir()] == ["reward.py"]
    with Run.open(path) as run:
        assert len(run.candidates()) == 3
    assert plan_cleaning(tmp_path, losers=True).removals == ()


def test_unreadable_runs_and_links_stay_and_leftovers_go(tmp_path: Path) -> None:
    runs, elsewhere = tmp_path / "runs", tmp_path / "elsewhere"
    runs.mkdir()
    (runs / "link").symlink_to(old_run(elsewhere, "failed"))
    (runs / "broken").mkdir()
    (runs / "broken" / "run.db").write_text("nothing that SQLite could read" * 10)
    leftover = runs / ".cartpole-20260101-000000-abcd"
    for hidden in (leftover, runs / ".mine", runs / ".ant-20260101-000000-abcd"):
        hidden.mkdir()
    os.utime(leftover, (0, 0))
    os.utime(runs / ".mine", (0, 0))
    plan = plan_cleaning(runs, days=0)
    assert list(reasons(plan)) == [leftover]
    assert plan.unreadable == (runs / "broken",)
    assert carry_out(plan) == {}
    names = {".ant-20260101-000000-abcd", ".mine", "broken", "link"}
    assert {path.name for path in runs.iterdir()} == names


def test_without_a_yes_nothing_is_removed(tmp_path: Path) -> None:
    path = old_run(tmp_path, "failed")
    arguments = ["runs", "--runs", str(tmp_path), "clean"]
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, UsageError)
    assert path.name in done.output
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).output)
    assert (document["done"], document["removals"][0]["run"]) == (False, path.name)
    assert path.exists()
    done = CliRunner().invoke(app, [*arguments, "--yes"])
    assert "of 1 run." in done.output
    assert not path.exists()


def test_there_may_be_nothing_to_remove(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["runs", "clean", "--runs", str(tmp_path / "none")])
    assert (done.exit_code, "nothing to remove" in done.output) == (0, True)


def test_days_that_are_not_a_number_remove_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a number of days"):
        plan_cleaning(tmp_path, days=float("nan"))
