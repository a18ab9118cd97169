"""Lanes are alone in the world also where episodes end early, at another step in every world."""

import pytest
import torch
from sledge import REWARD, sledge
from torch import Tensor

from eureka_agent.environment import Environment
from eureka_agent.reward import parse
from eureka_agent.training import Population
from eureka_agent.training import population as population_module

LANES, WORLDS, SEED = 4, 4, 11


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Populations this small would be one group."""
    monkeypatch.setattr(population_module, "LEAST_WORLDS", 1)


LEFT = REWARD.replace('"right": place', '"right": -3.0 * start_place - max_place').replace(
    "(place)", "(start_place, max_place)"
)
ENDS = REWARD.replace('"right": place', '"right": terminated.float()').replace(
    "(place)", "(terminated)"
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return sledge(tmp_path_factory.mktemp("environments") / "sledge", strength=30.0)


def trained(environment: Environment, texts: dict[int, str], lane: int) -> dict[str, Tensor]:
    population = Population(environment, LANES, WORLDS, threads=1)
    for other, text in texts.items():
        reward = parse(text, environment.signals_described).compile()
        population.load(other, reward, SEED if other == lane else 100 + other)
    for _ in range(3):
        population.advance(2 * population.rollout_steps)
    ends = population._groups[0]._buffer.transitions.terminated.sum(0)
    assert len(set(ends.tolist())) > 1  # some worlds ended more often than others
    return population.weights(lane)


@pytest.mark.parametrize("text", [REWARD, LEFT, ENDS])
def test_a_lane_is_not_affected_when_its_neighbours_episodes_end(
    environment: Environment, text: str
) -> None:
    alone = trained(environment, {0: text}, 0)
    beside = trained(environment, {0: text, 1: ENDS, 2: LEFT}, 0)
    elsewhere = trained(environment, {2: text, 0: LEFT}, 2)
    for name, value in alone.items():
        assert torch.equal(value, beside[name]), name
        assert torch.equal(value, elsewhere[name]), name
