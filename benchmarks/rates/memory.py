"""The memory of a worker process: the one that trains in a search."""

import torch

from eureka_agent.config import SearchConfig
from eureka_agent.environment import Episodes, SignalLayout, find_environment
from eureka_agent.workers.trainer_client import TrainerClient
from rates.setting import human_reward_text, peak_memory_mb

ROLLOUTS = 3


def worker_memory(name: str, lanes: int, worlds: int, threads: int) -> float:
    """Peak resident memory of a worker that does all that a search asks of it, 10^6 bytes.

    Args:
        name: of the environment, with its own training settings.
        lanes: K.
        worlds: N.
        threads: of the physics.

    Raises:
        EurekaError: the worker failed.
    """
    environment = find_environment(name)
    config = SearchConfig.for_environment(
        environment, candidates=lanes, worlds=worlds, threads=threads
    )
    text = human_reward_text(environment)
    layout = SignalLayout(environment.signals_described)
    steps, episodes = environment.episode_steps, config.ranking_episodes
    recorded = Episodes(
        states=torch.rand(steps + 1, episodes, layout.width),
        actions=torch.zeros(steps, episodes, environment.model.nu),
        lengths=torch.full((episodes,), steps),
        terminated=torch.zeros(episodes, dtype=torch.bool),
    )
    with TrainerClient(environment, config, None) as worker:
        for lane in range(lanes):
            worker.load(lane, text, seed=lane)
        worker.advance(ROLLOUTS * environment.training.n_steps * worlds, lambda done: None)
        worker.weights(range(lanes))
        for lane in range(lanes):
            worker.score(lane, recorded)
        assert worker._process is not None
        return peak_memory_mb([worker._process.pid])
