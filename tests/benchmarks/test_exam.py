"""What the exam's benchmark looks at, and how it counts."""

from pathlib import Path
from typing import Any

import pytest
from recorded import reference_bank, roamed
from sledge import REWARD, sledge

from benchmarks.exam import BANKS, examined, part_of_bank, truth
from benchmarks.exam_report import report, task_bar
from benchmarks.pool.members import Member
from eureka_agent.analysis.rewards.bank import FOLDER, Entry, Record
from eureka_agent.common.errors import MissingError
from eureka_agent.environment import SCRIPTED_POLICIES, Environment


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return sledge(tmp_path / "environments" / "sledge")


@pytest.fixture
def run(environment: Environment, tmp_path: Path) -> Path:
    """A run's folder with untrained policies, eight of generation 0 and one of generation 1."""
    seen = roamed(environment, *SCRIPTED_POLICIES)
    bank = reference_bank(tmp_path / FOLDER, seen)
    for number in range(1, 10):
        generation = 0 if number < 9 else 1
        bank.add(Record(Entry(str(number), 9, "shipped", generation, number), seen[0]))
    return tmp_path


def names(run: Path, kind: str) -> set[str]:
    with part_of_bank(run, kind) as bank:
        return {entry.policy for entry in bank.entries}


def test_each_bank_holds_what_was_known_at_its_time(run: Path) -> None:
    assert names(run, "random") == {"random"}
    assert names(run, "references") == set(SCRIPTED_POLICIES)
    assert names(run, "generation") == {*SCRIPTED_POLICIES, *map(str, range(1, 9))}


def test_the_run_keeps_its_bank(run: Path) -> None:
    before = sorted(path.name for path in (run / FOLDER).iterdir())
    for kind in BANKS:
        names(run, kind)
    assert sorted(path.name for path in (run / FOLDER).iterdir()) == before


def test_a_run_that_has_not_reached_that_point_is_named(run: Path) -> None:
    (run / FOLDER / "8-9.npz").unlink()
    with pytest.raises(MissingError, match="generation"):
        names(run, "generation")


def test_a_program_has_a_verdict_with_and_without_what_is_declared(
    environment: Environment, run: Path
) -> None:
    member = Member("sound_right.py", "sound", "", REWARD)
    (row,) = examined(environment, run, [member], "references")
    assert row["file"] == "sound_right.py"
    assert not row["doubted"]
    assert not row["doubted_undeclared"]
    assert not row["refused"]
    assert row["objections"] == []


def row(file: str, doubted: bool) -> dict[str, Any]:
    kind, fault, *_ = [*file.split("_"), ""]
    flags = {name: doubted for name in ("doubted", "doubted_undeclared")}
    return {"file": file, "kind": kind, "fault": fault, "refused": False, **flags}


def test_the_report_counts_by_label_and_by_training_result() -> None:
    rows = [row("broken_sign_a", True), row("broken_units_b", False), row("sound_c", False)]
    document = {"now": {"hopper": {"generation": rows}}}
    truths = {"hopper": {"broken_sign_a": -1.0, "broken_units_b": 2.0, "sound_c": 2.0}}
    said = report(document, truths)
    assert "| after one generation | hopper | 1 of 2: 50%" in said
    assert "| sign | - | - | 1 of 1 |" in said
    assert "| half of the median sound one | after one generation | 1 of 1: 100%" in said
    assert "0 of 2: 0%" in said
    assert "task is done from 1: training contradicts the label of 1: broken_units_b (2)" in said


def test_nothing_is_said_about_the_truth_before_a_sound_program_is_trained() -> None:
    rule = "a third of the best sound one"
    assert task_bar({"broken_sign_a": 1.0, "offline_00": 3.0}, rule) is None
    assert task_bar({"sound_c": 3.0}, rule) == 1.0


def test_true_fitness_is_the_mean_of_the_seeds_that_are_done(tmp_path: Path) -> None:
    assert truth("hopper", tmp_path) == {}
    seeds = '{"0": {"true_fitness": 1.0}, "1": {"true_fitness": 2.0}, "2": {"true_fitness": null}}'
    (tmp_path / "hopper.json").write_text(
        f'{{"programs": [{{"file": "a.py", "seeds": {seeds}}}, {{"file": "b.py", "seeds": {{}}}}]}}'
    )
    assert truth("hopper", tmp_path) == {"a.py": 1.5}
