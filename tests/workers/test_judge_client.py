"""A judge that dies is replaced, and one that cannot judge says why."""

from pathlib import Path

import pytest
from sledge import policy, sledge

from eureka_agent.config import SearchConfig
from eureka_agent.environment import pools
from eureka_agent.workers.judge_client import JudgeClient, JudgeFailed
from eureka_agent.workers.protocol import WorkerFailed

CONFIG = SearchConfig(candidates=2, worlds=4, steps=64, threads=1, ranking_episodes=1)


def test_a_judge_that_dies_again_and_again_names_the_fitness(tmp_path: Path) -> None:
    environment = sledge(tmp_path / "sledge")
    path, folders = environment.fitness_path, [Path(__file__).parent / "children"]
    with (
        JudgeClient(
            environment, CONFIG, path, module="crooked_judge", import_path=folders
        ) as judge,
        pytest.raises(JudgeFailed, match="exit status 9") as caught,
    ):
        judge.judge([policy(environment, 0)], pools.RANKING, 1)
    assert not isinstance(caught.value, WorkerFailed)
    assert str(path) in caught.value.message
    assert "3 times" in caught.value.message
    assert caught.value.remedy


def test_a_fitness_that_cannot_measure_is_named(tmp_path: Path) -> None:
    environment = sledge(tmp_path / "sledge", fitness="def fitness(place): return place.gone")
    with (
        JudgeClient(environment, CONFIG, environment.fitness_path) as judge,
        pytest.raises(JudgeFailed, match="AttributeError") as caught,
    ):
        judge.judge([policy(environment, 0)], pools.RANKING, 1)
    assert str(environment.fitness_path) in caught.value.message
    assert str(caught.value).count("that file") == 1
