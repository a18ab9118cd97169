"""A reward that costs far more than the rest of its training is ended, and it alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sledge import REWARD, sledge

from eureka_agent.environment import Environment
from eureka_agent.reward import RewardFailed, RewardFunction, parse
from eureka_agent.training import Population
from eureka_agent.training.lane import COST_FACTOR, GRACE_S, NonRewardTimer, TimeLimitedReward
from eureka_agent.training.sb3 import Sb3Trainer

ARGUMENTS = {"place": torch.ones(3)}


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return sledge(tmp_path / "sledge")


@pytest.fixture
def reward(environment: Environment) -> RewardFunction:
    return parse(REWARD, environment.signals_described).compile()


def clock(seconds: float) -> Callable[[], float]:
    """A clock that each call moves by so much."""
    times = iter(range(10**9))
    return lambda: next(times) * seconds


def test_a_reward_may_take_a_grace_time_and_a_multiple_of_the_rest(reward: RewardFunction) -> None:
    rest = 100.0
    metered = TimeLimitedReward(reward, lambda: rest, clock(1.0))
    assert (metered.parameters, metered.weights) == (reward.parameters, reward.weights)
    for _ in range(int(GRACE_S)):
        assert torch.equal(metered(ARGUMENTS).total, reward(ARGUMENTS).total)
    with pytest.raises(RewardFailed, match="too slow"):
        metered(ARGUMENTS)
    rest += 2.0
    for _ in range(int(2 * COST_FACTOR) - 1):
        metered(ARGUMENTS)
    with pytest.raises(RewardFailed, match=r"26\.0 s .* 2\.0 s"):
        metered(ARGUMENTS)


def test_a_failing_call_raises_its_own_error_and_is_charged(environment: Environment) -> None:
    text = REWARD.replace('"right": place', '"right": place / (place - place)')
    broken = parse(text, environment.signals_described).compile()
    metered = TimeLimitedReward(broken, lambda: 0.0, clock(99.0))
    with pytest.raises(RewardFailed, match="not finite"):
        metered(ARGUMENTS)
    assert metered._spent == 99.0


def test_a_slow_lane_is_evicted_and_its_neighbour_is_not_affected(
    environment: Environment, reward: RewardFunction
) -> None:
    weights = []
    for cost in (0.0, 1e6):
        population = Population(environment, 2, 4, threads=1)
        population.load(0, reward, 1)
        slow = TimeLimitedReward(reward, lambda p=population: p.non_reward_s(1), clock(cost))
        population.load(1, slow, 2)
        beats: list[int] = []
        first, second = population.advance(2 * population.rollout_steps, beats.append)
        assert first.evicted is None
        assert bool(second.evicted) == bool(cost)
        assert "too slow" in (second.evicted or "too slow")
        assert beats[:3] == [0, 0, population.rollout_steps]
        assert population.non_reward_s(0) > 0.0
        weights.append(population.weights(0))
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name]), name


def test_sb3_ends_a_slow_reward_as_well(environment: Environment, reward: RewardFunction) -> None:
    stock = Sb3Trainer(environment, 1, 4, threads=1)
    slow = TimeLimitedReward(reward, lambda: stock.non_reward_s(0), clock(1e6))
    stock.load(0, slow, 1)
    (report,) = stock.advance(stock.rollout_steps)
    assert "too slow" in (report.evicted or "")
    assert stock.non_reward_s(0) > 0.0


def test_the_timer_does_not_count_within_a_pause() -> None:
    elsewhere = NonRewardTimer()
    with elsewhere.paused():
        before = elsewhere.seconds
        sum(range(10_000))
        assert elsewhere.seconds == before > 0.0
    with elsewhere.paused():
        assert elsewhere.seconds > before
