"""`runs clean`: only what is old and useless goes, and only after the plan was shown."""

import json
import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from eureka_agent.cli import app
from eureka_agent.common.errors import UsageError
from eureka_agent.store import Run
from eureka_agent.store.cleaning import DAY, LOSERS_FILES, Plan, plan_cleaning, remove
from eureka_agent.store.rows import RunStatus
from eureka_agent.views.terminal.tables import carry_out
from tests.views.conftest import PROGRAM


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


def test_what_is_young_stays(tmp_path: Path) -> None:
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


def test_losers_lose_what_weighs_and_the_run_stays_whole(tmp_path: Path) -> None:
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


def test_days_that_are_no_number_remove_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no number of days"):
        plan_cleaning(tmp_path, days=float("nan"))
