"""A run with two untrained policies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from eureka_agent.environment import Environment, find_environment, make_worlds
from eureka_agent.store import Run
from eureka_agent.training import save_policy
from eureka_agent.training.networks import initial_weights

PROGRAM = '''"""Keep the pole up, gently."""

WEIGHTS = {"up": 2.0, "effort": 0.1, "shown": 0}


def compute_reward(pole_up, action):
    effort = -action.square().sum(-1)
    return {"up": pole_up, "effort": effort, "shown": pole_up}
'''
EPISODES = 3


@pytest.fixture(scope="session")
def cartpole() -> Environment:
    return find_environment("cartpole")


def save(path: Path, environment: Environment, seed: int) -> None:
    """A policy as it is before any training."""
    worlds = make_worlds(environment, 1)
    sizes = (worlds.observation.shape[1], worlds.action_size)
    save_policy(path, initial_weights(*sizes, environment.training, seed), environment)


@pytest.fixture
def run(tmp_path: Path, cartpole: Environment) -> Iterator[Run]:
    """Two candidates with policies (the second leads), and one without."""
    config = {"candidates": 2, "reporting_episodes": EPISODES, "seed": 5}
    goal = cartpole.task
    with Run.create(tmp_path, "cartpole", goal=goal, seed=5, config=config) as run:
        for slot in range(3):
            run.add_candidate(0, slot, PROGRAM, designer="offline")
        for number in (1, 2):
            save(run.candidate_folder(number) / "policy.zip", cartpole, number)
            run.set_result(number, fitness=float(number), own_return=1.0, checkpoint_step=100)
        run.set_best(2)
        save(run.path / "best" / "policy.zip", cartpole, 2)
        yield run
