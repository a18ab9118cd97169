"""What a search notes of its fitness: its range, its floor, and what is the same function."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sledge import REWARD, paying, sledge

from eureka_agent.analysis.rewards.bank import FOLDER, Bank, enter_references
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment
from eureka_agent.search.final_comparison import record_measure, record_same_function
from eureka_agent.store import Run
from eureka_agent.workers.judge_client import JudgeClient
from eureka_agent.workers.probe_client import ProbeClient

CONFIG = SearchConfig(candidates=2, worlds=4, steps=64, threads=1, ranking_episodes=3)
FITNESS = (
    "RANGE = (-1, None)\nAFTER_END = -1.0\n\ndef fitness(place): return place\n\n"
    "def progress(speed):\n    'Speed, m/s.'\n    return speed\n"
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


def begun(folder: Path, environment: Environment, config: SearchConfig = CONFIG) -> Run:
    goal = environment.task
    return Run.create(folder, "sledge", goal=goal, seed=0, config=config.as_dict())


def test_what_takes_no_training_is_known_with_and_without_a_bank(
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


def test_a_run_that_does_without_a_fitness_notes_nothing_of_it(
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
def test_a_human_reward_is_the_fitness_if_it_pays_the_same_in_every_step(
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
