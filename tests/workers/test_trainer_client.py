"""A search survives trainers that lie or die."""

import dataclasses
import functools
from pathlib import Path

import pytest
from sledge import REWARD, sledge

from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment
from eureka_agent.search.trainer import Job, Trainer
from eureka_agent.store import Run
from eureka_agent.workers.judge_client import JudgeClient
from eureka_agent.workers.protocol import InvalidReply, WorkerFailed
from eureka_agent.workers.trainer_client import TrainerClient, rows_per_call

FOLDERS = [
    Path(__file__).parent / "children",
    Path(__file__).parents[1] / "search" / "children",
]
HASTY = functools.partial(TrainerClient, module="hasty_worker", import_path=FOLDERS)
FRAGILE = functools.partial(TrainerClient, module="fragile_worker", import_path=FOLDERS)
CROOKED = functools.partial(TrainerClient, module="crooked_trainer", import_path=FOLDERS)
CONFIG = SearchConfig(candidates=2, worlds=4, steps=64, threads=1, ranking_episodes=1)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return sledge(tmp_path / "sledge")


@pytest.mark.parametrize(
    ("lie", "kind"),
    [
        ("more", InvalidReply),
        ("refusal", WorkerFailed),
        ("progress", InvalidReply),
        ("report", InvalidReply),
        ("list", InvalidReply),
    ],
)
def test_a_trainer_that_lies_is_ended(
    environment: Environment, lie: str, kind: type[WorkerFailed]
) -> None:
    program = REWARD.replace("Go right.", lie)
    with CROOKED(environment, CONFIG, None) as worker:
        with pytest.raises(kind):
            worker.load(0, program, 1)
            worker.advance(64, lambda done: None)
        with pytest.raises(WorkerFailed, match="already ended"):
            worker.load(0, program, 1)


def test_a_lie_fails_its_reward_and_not_the_search(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eureka_agent.search.trainer.TrainerClient", CROOKED)
    program = REWARD.replace("Go right.", "report")
    with (
        Run.create(tmp_path, "sledge", goal="Go.", seed=0, config=CONFIG.as_dict()) as run,
        JudgeClient(environment, CONFIG, environment.fitness_path) as judge,
    ):
        number = run.add_training("human", 1, steps_total=64).id
        trainer = Trainer(run, environment, CONFIG, judge, environment.fitness_path)
        (outcome,) = trainer.train([Job(number, program, 1, "the liar")])
        assert outcome.best is None
        assert "evicted" in (outcome.failure or "")
        (training,) = run.trainings()
        assert training.state == "failed"


def test_rewards_that_break_or_take_far_too_long_fail_alone(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eureka_agent.search.trainer.TrainerClient", HASTY)
    infinite = REWARD.replace('"right": place', '"right": 1.0 / (place - place)')
    deep = "t = (1,)\n    for i in range(100):\n        for j in range(60):\n            t = (t,)\n"
    mute = REWARD.replace("return", f'{deep}    d = {{"a": 1.0}}\n    return').replace(
        ": place}", ": place * d[t]}"
    )
    loops = "x = torch.ones(300, 300)\n    for i in range(200):\n        for j in range(5):\n"
    slow = REWARD.replace("return", f"{loops}            x = x @ x * 0.001\n    return").replace(
        ": place}", ": place + 0.0 * x[0, 0].clamp(0.0, 1.0)}"
    )
    config = dataclasses.replace(CONFIG, candidates=4)
    with (
        Run.create(tmp_path, "sledge", goal="Go.", seed=0, config=config.as_dict()) as run,
        JudgeClient(environment, config, environment.fitness_path) as judge,
    ):
        numbers = [run.add_training("human", seed, steps_total=64).id for seed in range(1, 5)]
        trainer = Trainer(run, environment, config, judge, environment.fitness_path)
        programs = (infinite, REWARD, mute, slow)
        jobs = [Job(n, text, 1, f"job {n}") for n, text in zip(numbers, programs, strict=True)]
        broken, sound, silent, ended = trainer.train(jobs)
        assert "finite" in (broken.failure or "")
        assert "(line 5)" in (broken.failure or "")
        assert "KeyError" in (silent.failure or "")
        assert "(line 10)" in (silent.failure or "")
        assert "too slow" in (ended.failure or "")
        assert not [event for event in run.events() if event.kind == "worker"]
        assert sound.failure is None
        assert sound.best is not None
        assert sound.best.step == 64
        (look,) = run.evaluations(numbers[1])
        assert look.components.keys() == {"right"}
        assert look.diagnostics["diverged_episodes"] == 0.0


@pytest.mark.slow
def test_a_program_that_ends_its_workers_is_found_and_fails_alone(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eureka_agent.search.trainer.TrainerClient", FRAGILE)
    monkeypatch.setattr("eureka_agent.search.trainer.DEATHS", 1)  # each takes seconds
    with (
        Run.create(tmp_path, "sledge", goal="Go.", seed=0, config=CONFIG.as_dict()) as run,
        JudgeClient(environment, CONFIG, environment.fitness_path) as judge,
    ):
        numbers = [run.add_training("human", seed, steps_total=64).id for seed in (1, 2)]
        trainer = Trainer(run, environment, CONFIG, judge, environment.fitness_path)
        sound, deadly = trainer.train(
            [
                Job(numbers[0], REWARD, 1, "sound"),
                Job(numbers[1], REWARD.replace("Go right.", "Crash."), 1, "deadly"),
            ]
        )
        assert sound.failure is None and sound.best is not None
        assert "SIGSEGV while lane 0 was running" in (deadly.failure or "")
        # Once among others, and then as often as one alone may.
        deaths = [event.text for event in run.events() if event.kind == "worker"]
        assert len(deaths) == 2
        assert "lane 1" in deaths[0] and "deadly" in deaths[1]


def test_a_program_is_called_with_a_rollout_or_with_a_step(environment: Environment) -> None:
    assert rows_per_call(CONFIG, environment) == 4 * 16
    assert rows_per_call(dataclasses.replace(CONFIG, trainer="sb3", candidates=1), environment) == 4
