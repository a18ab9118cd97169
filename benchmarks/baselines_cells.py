"""The cells of `baselines.py`: what a kind of policy reaches on the reporting pool.

Human reward and bare fitness go the road of `eureka-agent evaluate`: the same worker, judge, choice
of a checkpoint, seeds and episodes. So at equal steps, K and N they are its numbers.
"""

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from eureka_agent.common.errors import EurekaError
from eureka_agent.common.statistics import estimate
from eureka_agent.config import SearchConfig
from eureka_agent.environment import (
    Environment,
    Episodes,
    Fitness,
    SignalLayout,
    load_fitness,
    make_worlds,
    pools,
    record,
)
from eureka_agent.reward import parse
from eureka_agent.search.trainer import Job, Outcome, Trainer
from eureka_agent.store import Run
from eureka_agent.store.rows import Role
from eureka_agent.training import Population, save_policy
from eureka_agent.workers.judge_client import JudgeClient

TRAINED: dict[str, Role] = {"human": "human", "bare": "fitness"}
"""The cells that train, with the roles that they play in a run."""
RANDOM_SEEDS = 5
"""Of the random policy: as many results as five trainings give."""


@dataclass
class Result:
    """What policies of one kind reached.

    Attributes:
        fitness: one number per training seed, the mean over the reporting episodes.
        progress: the same of the dense measure; empty where the fitness has none.
        failed: trainings that gave no policy.
        seconds: that the cell took.
    """

    fitness: list[float] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    failed: int = 0
    seconds: float = 0.0


def interval(values: list[float], failed: int = 0) -> dict[str, Any]:
    """Values with their mean and its 95 % t-interval, as the document holds them."""
    found = estimate(values, failed)
    low, high = found.interval or (None, None)
    return {"values": values, "mean": found.mean, "low": low, "high": high, "failed": failed}


def untrained(environment: Environment, config: SearchConfig, kind: str) -> Result:
    """What uniformly random actions (`random`), or none at all (`zero`), reach.

    `zero` holds every control in the middle of its range. Both see the reporting episodes; the
    random policy sees them `RANDOM_SEEDS` times, each time with other actions.
    """
    began = time.monotonic()
    rounds = RANDOM_SEEDS if kind == "random" else 1
    episodes = config.reporting_episodes
    worlds = make_worlds(environment, rounds * episodes, config.threads)
    generator = torch.Generator().manual_seed(config.seed)

    def act(t: int, observation: Tensor) -> Tensor:
        if kind == "zero":
            return torch.zeros(worlds.n, worlds.action_size)
        return 2.0 * torch.rand(worlds.n, worlds.action_size, generator=generator) - 1.0

    streams = pools.streams(pools.REPORTING, config.seed, episodes)
    recorded, diverged = record(worlds, streams.repeat(rounds), act)
    fitness = load_fitness(environment.fitness_path)
    steps = fitness(recorded.arguments(worlds.layout, fitness.parameters)).total
    values = fitness.episode(
        steps.view(recorded.actions.shape[:2]).double(), recorded.lengths, diverged
    )
    result = Result(values.view(rounds, episodes).mean(1).tolist())
    progress = progress_of(fitness, recorded, worlds.layout)
    if progress is not None:
        result.progress = progress.view(rounds, episodes).mean(1).tolist()
    result.seconds = time.monotonic() - began
    return result


def progress_of(fitness: Fitness, episodes: Episodes, layout: SignalLayout) -> Tensor | None:
    """The dense measure of each episode `[E]`; None where the fitness has none."""
    if fitness.progress is None:
        return None
    arguments = episodes.arguments(layout, fitness.progress.parameters)
    return fitness.progress.episode(arguments, episodes.lengths)


def trained(environment: Environment, config: SearchConfig, kind: str, keep: Path) -> Result:
    """Train one reward on all seeds side by side and judge what ships.

    Args:
        environment: the task.
        config: its `retrainings` are the seeds; as many candidates train side by side.
        kind: "human" or "bare".
        keep: a zip to write the policy to that does best on the ranking pool.

    Raises:
        EurekaError: no training gave a policy; the message says why.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="eureka-baselines-") as folder:
        run = Run.create(
            Path(folder),
            environment.name,
            goal=environment.task,
            seed=config.seed,
            config=config.as_dict(),
            environment_source=str(environment.folder),
        )
        with run, JudgeClient(environment, config, environment.fitness_path) as judge:
            trainer = Trainer(run, environment, config, judge, environment.fitness_path)
            outcomes = trainer.train(_jobs(run, environment, config, kind))
            result = _judged(outcomes, judge, environment, config)
    shipped = [outcome.best for outcome in outcomes if outcome.best is not None]
    save_policy(keep, max(shipped, key=lambda best: best.fitness or 0.0).weights, environment)
    result.seconds = time.monotonic() - began
    return result


def _jobs(run: Run, environment: Environment, config: SearchConfig, kind: str) -> list[Job]:
    path = environment.human_reward_path if kind == "human" else None
    program = path.read_text(encoding="utf-8") if path else None
    seeds = [config.training_seed(replicate) for replicate in range(1, config.retrainings + 1)]
    rows = [run.add_training(TRAINED[kind], seed, steps_total=config.steps) for seed in seeds]
    return [Job(row.id, program, row.seed, f"{kind} on seed {row.seed}") for row in rows]


def _judged(
    outcomes: list[Outcome], judge: JudgeClient, environment: Environment, config: SearchConfig
) -> Result:
    """What the shipped checkpoints are worth on the reporting pool."""
    weights = [outcome.best.weights for outcome in outcomes if outcome.best is not None]
    result = Result(failed=len(outcomes) - len(weights))
    if not weights:
        raise EurekaError(f"No training of {environment.name} gave a policy: {outcomes[0].failure}")
    fitness = load_fitness(environment.fitness_path)
    layout = SignalLayout(environment.signals_described)
    for judged in judge.judge(weights, pools.REPORTING, config.reporting_episodes):
        result.fitness.append(float(judged.fitness.mean()))
        progress = progress_of(fitness, judged.episodes, layout)
        if progress is not None:
            result.progress.append(float(progress.mean()))
    return result


def training_rate(environment: Environment, config: SearchConfig) -> float:
    """Environment steps per second of training, all lanes together, by a short trial."""
    path = environment.human_reward_path
    reward = (
        parse(path.read_text(encoding="utf-8"), environment.signals_described).compile()
        if path
        else load_fitness(environment.fitness_path)
    )
    population = Population(environment, config.candidates, config.worlds)
    for lane in range(config.candidates):
        population.load(lane, reward, lane)
    population.advance(1)  # the first rollout also warms up
    began = time.monotonic()
    population.advance(1)
    rollout = population.rollout_steps * config.candidates
    return rollout / (time.monotonic() - began)
