"""The published baselines are what `evaluate` would report, kept cell by cell."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sledge import FITNESS, REWARD, sledge

from eureka_agent.environment import Environment
from eureka_agent.search.final_comparison import compare_with_baselines
from eureka_agent.search.trainer import Trainer
from eureka_agent.store import Run, fingerprint, read_baselines
from eureka_agent.workers.judge_client import JudgeClient

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
PROGRESS = '''
def progress(place):
    """Place along the rail, m."""
    return place
'''


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    made = sledge(tmp_path / "environments" / "sledge", fitness=FITNESS + PROGRESS)
    (made.folder / "human_reward.py").write_text(REWARD)
    return made


@pytest.fixture
def baselines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("baselines")
    monkeypatch.setattr(module, "KEEP", tmp_path / "keep")
    return module


@pytest.fixture
def cells(baselines: ModuleType) -> ModuleType:
    return importlib.import_module("baselines_cells")


@pytest.fixture
def measured(baselines: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The cells that were measured, by a stand-in for the training runs."""
    done: list[str] = []

    def measure(task: Any, cell: str) -> Any:
        done.append(cell)
        values = {"random": [0.0, 0.1], "zero": [0.0], "human": [3.0, 3.1], "bare": [3.0, 3.2]}
        result = importlib.import_module("baselines_cells").Result(values[cell])
        result.progress = values[cell]
        return result

    monkeypatch.setattr(baselines.Task, "measure", measure)
    monkeypatch.setattr(baselines.Task, "rate", 1000.0)
    return done


@pytest.mark.long
@pytest.mark.slow
def test_a_baseline_is_what_evaluate_reports_at_the_same_steps_and_lanes(
    tmp_path: Path, environment: Environment, baselines: ModuleType
) -> None:
    task = baselines.Task(str(environment.folder), 2, 256)
    config, goal = task.config, environment.task
    with Run.create(tmp_path, "sledge", goal=goal, seed=0, config=config.as_dict()) as run:
        row = run.add_candidate(0, 0, REWARD, designer="test")
        seed = config.training_seed(0)
        run.add_training("candidate", seed, steps_total=256, candidate=row.id)
        run.set_result(row.id, fitness=1.0, own_return=1.0, checkpoint_step=256)
        run.set_best(row.id)
        with JudgeClient(environment, config, environment.fitness_path) as judge:
            trainer = Trainer(run, environment, config, judge, environment.fitness_path)
            compare_with_baselines(run, trainer, judge, environment, config)
        said = {
            role: [training.reporting_fitness for training in run.trainings(role)]
            for role in baselines.TRAINED.values()
        }
    for cell, role in baselines.TRAINED.items():
        result = task.measure(cell)
        assert result.fitness == said[role]
        assert len(result.progress) == 2
        assert (tmp_path / "keep" / "sledge" / f"{cell}.zip").is_file()


def test_finished_cells_are_kept_until_the_environment_changes(
    tmp_path: Path, environment: Environment, baselines: ModuleType, measured: list[str]
) -> None:
    path, folder = tmp_path / "baselines.json", str(environment.folder)
    baselines.run_cells([baselines.Task(folder, 2, 256)], path)
    assert measured == ["random", "zero", "human", "bare"]
    entry = read_baselines(path)["sledge"]
    assert entry["fingerprint"] == fingerprint(environment.folder)
    assert entry["human"]["mean"] == pytest.approx(3.05)
    assert entry["verdicts"]["human_against_random"]["verdict"] == "better"
    assert entry["verdicts"]["human_against_bare"]["verdict"] == "unknown"
    assert entry["progress"]["verdicts"]["human_against_random"]["verdict"] == "better"
    baselines.run_cells([baselines.Task(folder, 2, 256)], path)
    assert len(measured) == 4
    (environment.folder / "human_reward.py").write_text(REWARD.replace("1.0", "2.0"))
    baselines.run_cells([baselines.Task(folder, 2, 256)], path)
    assert len(measured) == 8
    baselines.run_cells([baselines.Task(folder, 2, 512)], path)
    assert len(measured) == 12
    assert read_baselines(path)["sledge"]["steps"] == 512


def test_a_cell_that_somebody_else_measures_is_left_to_them(
    tmp_path: Path, environment: Environment, baselines: ModuleType, measured: list[str]
) -> None:
    task = baselines.Task(str(environment.folder), 2, 256)
    with baselines.claimed(baselines.KEEP / "sledge-human.claim") as ours:
        assert ours
        baselines.run_cells([task], tmp_path / "baselines.json")
    assert measured == ["random", "zero", "bare"]


def test_no_cell_is_begun_that_would_take_too_long(
    tmp_path: Path,
    environment: Environment,
    baselines: ModuleType,
    measured: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    task = baselines.Task(str(environment.folder), 2, 1_000_000)
    baselines.run_cells([task], tmp_path / "baselines.json", seconds_at_most=60.0)
    assert measured == ["random", "zero"]
    assert "human: left for another time" in capsys.readouterr().out
    assert "4 trainings" in baselines.ledger([task], {})


def test_a_reward_that_cannot_be_trained_costs_only_its_own_cell(
    tmp_path: Path,
    environment: Environment,
    baselines: ModuleType,
    measured: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = baselines.Task.measure

    def measure(task: Any, cell: str) -> Any:
        if cell == "human":
            raise baselines.EurekaError("No training of sledge gave a policy: it broke")
        return whole(task, cell)

    monkeypatch.setattr(baselines.Task, "measure", measure)
    path = tmp_path / "baselines.json"
    baselines.run_cells([baselines.Task(str(environment.folder), 2, 256)], path)
    assert "sledge human: No training" in capsys.readouterr().out
    assert "bare" in read_baselines(path)["sledge"]


def test_random_actions_differ_between_rounds_and_no_action_is_one_result(
    environment: Environment, baselines: ModuleType, cells: ModuleType
) -> None:
    config = baselines.Task(str(environment.folder), 2, 256).config
    found = cells.untrained(environment, config, "random")
    assert len(set(found.fitness)) == len(found.progress) == cells.RANDOM_SEEDS
    assert cells.untrained(environment, config, "random").fitness == found.fitness
    assert len(cells.untrained(environment, config, "zero").fitness) == 1


def test_the_report_shows_verdicts_failures_and_outdated_results(
    tmp_path: Path, environment: Environment, baselines: ModuleType, measured: list[str]
) -> None:
    path = tmp_path / "baselines.json"
    baselines.run_cells([baselines.Task(str(environment.folder), 2, 256)], path)
    document = read_baselines(path)
    entry = document.pop("sledge")
    document["cartpole"] = entry | {"reason": "heavy", "bare": entry["bare"] | {"failed": 1}}
    text = baselines.baselines_report.report(document)
    assert "| cartpole | 256 | 2 | 0.05 (" in text
    assert "| yes (+" in text and "**no telling**" in text
    assert "Place along the rail, m." in text
    assert "- cartpole: heavy." in text
    assert "- cartpole: 1 trainings on bare failed." in text
    assert "cartpole has changed since" in text
    assert "no baselines" in baselines.baselines_report.report({})
