"""The comparison at the end: its training runs, and those that survive a kill."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sledge import REWARD, paying, policy, sledge

from eureka_agent.analysis.rewards.bank import FOLDER, Bank, enter_references
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, Episodes
from eureka_agent.environment.episodes import EvaluatedEpisodes
from eureka_agent.search.archive import break_ties
from eureka_agent.search.final_comparison import (
    compare_with_baselines,
    enter_baselines,
    record_measure,
    record_same_function,
)
from eureka_agent.search.loop import select
from eureka_agent.search.trainer import Checkpoint, Job, Outcome
from eureka_agent.store import Run
from eureka_agent.workers.judge_client import JudgeClient
from eureka_agent.workers.probe_client import ProbeClient

CONFIG = SearchConfig(
    candidates=2,
    worlds=4,
    steps=64,
    threads=1,
    retrainings=4,
    ranking_episodes=3,
    reporting_episodes=2,
)
FITNESS = (
    "RANGE = (-1, None)\nAFTER_END = -1.0\n\ndef fitness(place): return place\n\n"
    "def progress(speed):\n    'Speed, m/s.'\n    return speed\n"
)
SEEN = EvaluatedEpisodes(
    np.array([2.0]),
    np.zeros(1, np.bool_),
    Episodes(
        torch.zeros(2, 1, 1),
        torch.zeros(1, 1, 1),
        torch.ones(1, dtype=torch.int64),
        torch.zeros(1, dtype=torch.bool),
    ),
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    made = sledge(tmp_path_factory.mktemp("environments") / "sledge", fitness=FITNESS)
    (made.folder / "human_reward.py").write_text(REWARD)
    return made


@pytest.fixture(scope="module")
def judge(environment: Environment) -> Iterator[JudgeClient]:
    with JudgeClient(environment, CONFIG, environment.fitness_path) as judge:
        yield judge


@pytest.fixture(scope="module")
def prober(environment: Environment) -> Iterator[ProbeClient]:
    with ProbeClient(environment) as prober:
        yield prober


@pytest.fixture
def run(tmp_path: Path, environment: Environment) -> Iterator[Run]:
    """A search that has found its winner."""
    goal, config = environment.task, CONFIG.as_dict()
    with Run.create(tmp_path, "sledge", goal=goal, seed=0, config=config) as run:
        row = run.add_candidate(0, 0, REWARD, designer="test")
        seed = CONFIG.training_seed(0)
        training = run.add_training("candidate", seed, steps_total=64, candidate=row.id)
        result = {"own_return": 1.0, "checkpoint_step": 64}
        run.add_evaluation(training.id, 64, fitness=1.0, own_return=1.0)
        run.finish_training(training.id, ranking_fitness=1.0, **result)
        run.set_result(row.id, fitness=1.0, **result)
        run.set_best(row.id)
        yield run


class Killed(Exception):
    """Stands for the end of the process."""


class ShortLived:
    """Trains at once, and is killed before it begins with population number `lives`."""

    def __init__(self, run: Run, environment: Environment, lives: int) -> None:
        self._run, self._environment, self._lives = run, environment, lives
        self.trained: list[int] = []

    def train(self, jobs: list[Job]) -> list[Outcome]:
        self._lives -= 1
        if self._lives < 0:
            raise Killed
        self.trained += [job.training for job in jobs]
        weights = policy(self._environment, 0)
        for job in jobs:
            self._run.add_evaluation(job.training, 64, fitness=2.0, own_return=2.0)
        return [Outcome(job, Checkpoint(64, 2.0, weights, SEEN)) for job in jobs]


def compared(run: Run, environment: Environment, judge: JudgeClient, lives: int) -> list[int]:
    """Training runs that were done before the end, whichever it was."""
    trainer = ShortLived(run, environment, lives)
    with suppress(Killed):
        compare_with_baselines(run, trainer, judge, environment, CONFIG)  # type: ignore[arg-type]
    return trainer.trained


def test_a_kill_costs_at_most_one_population(
    run: Run, environment: Environment, judge: JudgeClient
) -> None:
    first = compared(run, environment, judge, lives=2)
    assert len(first) == 2 * CONFIG.candidates
    reported = [t.id for t in run.trainings("winner") if t.reporting_fitness is not None]
    assert reported == first
    second = compared(run, environment, judge, lives=100)
    assert not set(first) & set(second)
    assert all(
        t.reporting_fitness is not None
        for role in ("winner", "human", "fitness")
        for t in run.trainings(role)
    )


def test_a_search_without_a_working_reward_ends_in_words(
    tmp_path: Path, environment: Environment, judge: JudgeClient
) -> None:
    goal, config = environment.task, CONFIG.as_dict()
    with Run.create(tmp_path, "sledge", goal=goal, seed=0, config=config) as run:
        row = run.add_candidate(0, 0, REWARD, designer="test")
        run.set_failure(row.id, "It broke.")
        select(run, 0)
        trainer = ShortLived(run, environment, lives=0)
        break_ties(run, trainer, CONFIG)  # type: ignore[arg-type]
        compare_with_baselines(run, trainer, judge, environment, CONFIG)  # type: ignore[arg-type]
        said = [event.text for event in run.events()]
        assert any("no working reward" in text for text in said)
        assert any("no winner to compare" in text for text in said)
        assert run.row().best_candidate is None


def test_a_winner_that_was_not_reproduced_is_reported_once(
    run: Run, environment: Environment, judge: JudgeClient
) -> None:
    for _ in range(2):
        compared(run, environment, judge, lives=100)
    assert [event.kind for event in run.events()].count("warning") == 1


def test_a_human_reward_is_no_baseline_for_another_goal(
    tmp_path: Path, environment: Environment
) -> None:
    for goal, roles in ((environment.task, {"human", "fitness"}), ("Turn left.", {"fitness"})):
        config = replace(CONFIG, retrainings=1)
        folder = tmp_path / goal[:4]
        with Run.create(folder, "sledge", goal=goal, seed=0, config=config.as_dict()) as run:
            enter_baselines(run, environment, config)
            assert {training.role for training in run.trainings()} == roles


def test_a_winner_that_never_worked_is_retrained_only_on_request(
    run: Run, environment: Environment, judge: JudgeClient
) -> None:
    run.set_measure(untrained=1.0)
    trainer = ShortLived(run, environment, lives=100)
    compare_with_baselines(run, trainer, judge, environment, CONFIG)  # type: ignore[arg-type]
    assert not run.trainings("winner")
    for role in ("human", "fitness"):
        reported = [training.reporting_fitness for training in run.trainings(role)]
        assert len(reported) == CONFIG.retrainings
        assert None not in reported, "they say whether the task can be learned"
    compare_with_baselines(run, trainer, judge, environment, CONFIG, asked=True)  # type: ignore[arg-type]
    assert len(run.trainings("winner")) == 1 + CONFIG.retrainings


def test_a_human_reward_that_is_the_bare_fitness_trains_once(
    run: Run, environment: Environment, judge: JudgeClient
) -> None:
    run.set_measure(one_function=True)
    seeds = [CONFIG.training_seed(r) for r in range(1, CONFIG.retrainings + 1)]
    for seed in seeds:
        human = run.add_training("human", seed, steps_total=64)
        if seed == seeds[0]:
            run.fail_training(human.id, "broke")
            continue
        result = {"own_return": 1.0, "checkpoint_step": 64, "progress": -0.5}
        run.finish_training(human.id, ranking_fitness=0.5, **result)
        run.set_reporting(human.id, float(seed % 7))
    enter_baselines(run, environment, CONFIG)
    trained = compared(run, environment, judge, lives=100)
    assert not set(trained) & {training.id for training in run.trainings("fitness")}
    kept = [
        [
            (t.seed, t.state, t.ranking_fitness, t.reporting_fitness, t.progress, t.failure)
            for t in of_it
        ]
        for of_it in (run.trainings("human"), run.trainings("fitness"))
    ]
    assert kept[0] == kept[1]


def begun(folder: Path, environment: Environment, config: SearchConfig = CONFIG) -> Run:
    goal = environment.task
    return Run.create(folder, "sledge", goal=goal, seed=0, config=config.as_dict())


def test_untrained_policies_are_measured_with_and_without_a_bank(
    tmp_path: Path, environment: Environment, judge: JudgeClient
) -> None:
    found = []
    for name in ("bank", "none"):
        with begun(tmp_path / name, environment) as run:
            bank = None
            if name == "bank":
                bank = Bank(run.path / FOLDER, 1 << 20, lambda text: None)
                enter_references(bank, judge, CONFIG)
            record_measure(run, judge, CONFIG, bank)
            found.append(run.row().measure)
    assert found[0] == found[1]
    assert (found[0]["range"], found[0]["progress"]) == ([-1.0, None], "Speed, m/s.")
    assert -1.0 < found[0]["untrained"] < 1.0
    assert isinstance(found[0]["untrained_progress"], float)


def test_a_run_without_a_fitness_records_no_measure(
    tmp_path: Path, environment: Environment, judge: JudgeClient
) -> None:
    config = SearchConfig(candidates=2, rank_by="peers")
    with begun(tmp_path, environment, config) as run:
        record_measure(run, judge, config, None)
        assert run.row().measure == {}


@pytest.mark.parametrize(
    ("text", "same"),
    [(REWARD, True), (paying("place * 1.01"), False), (paying("place + speed * 0.0"), True)],
)
def test_a_human_reward_is_the_fitness_if_they_agree_in_every_step(
    tmp_path: Path,
    environment: Environment,
    judge: JudgeClient,
    prober: ProbeClient,
    text: str,
    same: bool,
) -> None:
    with begun(tmp_path, environment) as run:
        bank = Bank(run.path / FOLDER, 1 << 20, lambda text: None)
        enter_references(bank, judge, CONFIG)
        assert environment.human_reward_path is not None
        environment.human_reward_path.write_text(text)
        record_same_function(run, environment, judge, bank, prober)
        assert run.row().measure["one_function"] is same
