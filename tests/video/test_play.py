"""Playing repeats the judge's episodes, and its numbers add up."""

import dataclasses
import io

import numpy as np
import pytest

from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.environment import Episodes, find_environment, pools
from eureka_agent.store import Run
from eureka_agent.video.play import play_policy
from eureka_agent.video.policies import Policy, find_policy, read_weights
from eureka_agent.workers.judge_server import JudgeServer
from eureka_agent.workers.protocol import Message
from eureka_agent.workers.serve import Reporter


@pytest.fixture
def policy(run: Run) -> Policy:
    return find_policy(str(run.path), run.path.parent)


def half_and_one(policy: Policy, episodes: Episodes) -> np.ndarray:
    """Components at every step: the first is 0.5, the others are 1."""
    paid = np.ones((3, *episodes.actions.shape[:2]), dtype=np.float32)
    paid[0] = 0.5
    return paid


def test_the_episodes_are_bit_identical_to_the_judges(policy: Policy) -> None:
    judge, reporter = JudgeServer(), Reporter(io.BytesIO(), lambda lane: None)
    source, fitness = policy.environment.source, str(policy.fitness)
    opening = {"environment": source, "fitness": fitness, "lanes": policy.lanes, "threads": 1}
    judge.open(Message("open", opening), reporter)
    asked = {"policies": 1, "episodes": policy.episodes, "seed": policy.seed}
    weights = {f"0/{name}": value.numpy() for name, value in read_weights(policy.path).items()}
    request = Message("judge", asked | {"pool": pools.REPORTING}, weights)
    known = judge.judge(request, reporter).arrays
    played = play_policy(policy)
    assert np.array_equal(played.fitness, known["fitness"][0])
    assert np.array_equal(played.episodes.states.numpy(), known["0/states"])
    assert np.array_equal(played.episodes.actions.numpy(), known["0/actions"])


def test_the_filmed_episode_is_seen_ahead_of_each_of_its_steps(policy: Policy) -> None:
    played = play_policy(policy, filmed=1)
    assert len(played.poses) == played.episodes.lengths[0]
    first, last = played.poses[0].qpos, played.poses[-1].qpos
    assert first.shape == (policy.environment.model.nq,) and not np.array_equal(first, last)
    assert not np.array_equal(first, play_policy(policy, filmed=0).poses[0].qpos)


def test_an_episode_played_alone_is_bit_identical_to_itself_among_others(policy: Policy) -> None:
    together, alone = play_policy(policy, half_and_one), play_policy(policy, half_and_one, filmed=1)
    assert alone.episodes.lengths.shape == (1,)
    among = together.episodes.part(slice(1, 2))
    for name, value in alone.episodes.arrays().items():
        assert np.array_equal(value, among.arrays()[name])
    assert alone.fitness[0] == together.fitness[1]
    assert alone.components.keys() == together.components.keys()


def test_fitness_so_far_ends_at_the_fitness_of_a_whole_episode(policy: Policy) -> None:
    played = play_policy(policy)
    assert (played.episodes.lengths == policy.environment.episode_steps).all()
    np.testing.assert_allclose(played.so_far[-1], played.fitness, rtol=1e-9)


def test_components_are_weighted_and_those_with_weight_0_are_left_out(policy: Policy) -> None:
    played = play_policy(policy, half_and_one)
    assert played.components.keys() == {"up", "effort"}
    first = played.as_dict()["episodes"][0]
    assert first["components"]["up"] == pytest.approx(1.0 * first["steps"])
    assert first["components"]["effort"] == pytest.approx(0.1 * first["steps"], rel=1e-5)


def test_a_failing_program_leaves_the_other_numbers(policy: Policy) -> None:
    def fails(policy: Policy, episodes: Episodes) -> np.ndarray:
        raise EurekaError("the worker was ended")

    document = play_policy(policy, fails).as_dict()
    assert document["components_missing"] == "the worker was ended"
    assert np.isfinite(document["fitness"]) and document["episodes"][0]["components"] == {}
    unknown = play_policy(dataclasses.replace(policy, program=None), half_and_one).as_dict()
    assert "no record" in unknown["components_missing"]


def test_a_policy_of_another_environment_is_refused(policy: Policy) -> None:
    wrong = dataclasses.replace(policy, environment=find_environment("reacher"))
    with pytest.raises(UsageError, match="was trained in another environment"):
        play_policy(wrong)


def test_a_missing_episode_is_refused(policy: Policy) -> None:
    with pytest.raises(UsageError, match="no episode 3"):
        play_policy(policy, filmed=3)
