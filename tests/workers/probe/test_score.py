"""Scores of programs on recorded episodes, and on standing still."""

from pathlib import Path

import numpy as np
import pytest
from recorded import roamed
from sledge import sledge

from eureka_agent.environment import Environment, Episodes
from eureka_agent.reward import RewardFailed, parse
from eureka_agent.workers.probe.score import score_episodes

PROGRAM = '''"""Everything that a state can be."""
WEIGHTS = {"now": 2.0, "then": -1.0, "best": 1.0, "first": 1.0, "last": 1.0, "rest": 1.0}

def compute_reward(place, prev_speed, max_place, start_place, prev_action, action, time_left):
    return {
        "now": place,
        "then": prev_speed,
        "best": max_place,
        "first": start_place,
        "last": prev_action[:, 0] + action[:, 0],
        "rest": time_left,
    }
'''


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return sledge(tmp_path_factory.mktemp("environments") / "sledge")


@pytest.fixture(scope="module")
def episodes(environment: Environment) -> Episodes:
    return roamed(environment, "random")[0].episodes


def paid(environment: Environment, episodes: Episodes, text: str) -> dict[str, np.ndarray]:
    program = parse(text, environment.signals_described)
    return score_episodes(program, episodes, environment.layout, True)


def test_the_total_is_the_weighted_sum_of_the_components(
    environment: Environment, episodes: Episodes
) -> None:
    found = paid(environment, episodes, PROGRAM)
    weights = np.array([2.0, -1.0, 1.0, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(
        np.einsum("c,cle->le", weights, found["components"]), found["total"], rtol=1e-5, atol=1e-6
    )


def test_a_state_is_worth_the_same_after_a_step_and_ahead_of_the_next(
    environment: Environment, episodes: Episodes
) -> None:
    found = paid(environment, episodes, PROGRAM)
    for e, length in enumerate(episodes.lengths.tolist()):
        after, ahead = found["there"][:, : length - 1, e], found["here"][:, 1:length, e]
        np.testing.assert_allclose(after, ahead, rtol=1e-6, atol=1e-6)


def test_a_constant_signal_has_no_change_when_standing_still(
    environment: Environment, episodes: Episodes
) -> None:
    text = PROGRAM.replace('"now": place,', '"now": place - prev_place,').replace(
        "(place,", "(place, prev_place,"
    )
    found = paid(environment, episodes, text)
    assert not found["here"][0].any()
    assert not found["there"][0].any()
    assert found["components"][0].any()


def test_a_program_that_breaks_on_an_episode_says_why(
    environment: Environment, episodes: Episodes
) -> None:
    text = PROGRAM.replace('"now": place,', '"now": 1.0 / (place - place),')
    with pytest.raises(RewardFailed, match="not finite"):
        paid(environment, episodes, text)


def test_scoring_leaves_the_episodes_as_they_are(
    environment: Environment, episodes: Episodes, tmp_path: Path
) -> None:
    before = {name: value.copy() for name, value in episodes.arrays().items()}
    paid(environment, episodes, PROGRAM)
    assert all(np.array_equal(value, before[n]) for n, value in episodes.arrays().items())
