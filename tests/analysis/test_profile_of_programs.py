"""The lens shows how a program's reward varies, and says when it cannot."""

from typing import Any

import numpy as np
import pytest
from recorded import roamed

from eureka_agent.analysis.rewards.bank import (
    OWN,
    RANDOM,
    Entry,
    Record,
    join_groups,
    with_rewards,
)
from eureka_agent.analysis.rewards.profile import profile_program
from eureka_agent.environment import Environment
from eureka_agent.reward import parse
from eureka_agent.workers.probe.score import score_rows
from eureka_agent.workers.probe_client import ProbeClient, Score

PRODUCT = '''"""Both at once."""
WEIGHTS = {"both": 2.0, "rest": 1.0}
SCALES = {"width": 0.1}

def compute_reward(place, speed, prev_speed, terminated, width):
    near = torch.exp(-(place / width).square())
    return {"both": near * torch.exp(-(speed / width).square()), "rest": 0.0 * prev_speed}
'''
SUM = PRODUCT.replace("near * torch", "near + torch")
CONSTANT = '''"""Nothing."""
WEIGHTS = {"nothing": 1.0}

def compute_reward(place):
    return {"nothing": torch.zeros_like(place)}
'''
ROWS = {
    "place": np.linspace(-1.0, 1.0, 5, dtype=np.float32),
    "speed": np.zeros(5, np.float32),
    "prev_speed": np.zeros(5, np.float32),
    "terminated": np.zeros(5, np.bool_),
}


@pytest.fixture(scope="module")
def groups(environment: Environment) -> dict[str, list[Record]]:
    first, second = roamed(environment, "random", "waves")
    return {
        RANDOM: [Record(Entry("random", 0, "reference"), first)],
        OWN: [Record(Entry("waves", 0, "reference"), second)],
    }


def seen(
    environment: Environment, prober: ProbeClient, groups: dict[str, list[Record]], text: str
) -> dict[str, Any]:
    episodes = join_groups(groups)
    (score,) = prober.score([text], episodes.episodes)
    assert isinstance(score, Score)
    program = parse(text, environment.signals_described)
    known = with_rewards(episodes, program, score)
    return profile_program(program, known, environment.layout, prober)


def test_a_worker_returns_the_rewards_of_made_up_transitions(
    environment: Environment, prober: ProbeClient
) -> None:
    here = score_rows(parse(PRODUCT, environment.signals_described), ROWS)
    there = prober.sweep(PRODUCT, ROWS)
    assert isinstance(there, Score)
    assert np.array_equal(there.total, here["total"])
    assert np.array_equal(there.components, here["components"])
    assert there.finite


def test_a_program_that_breaks_on_made_up_transitions_says_why(prober: ProbeClient) -> None:
    reason = prober.sweep(PRODUCT.replace("0.0 *", "1.0 /"), ROWS)
    assert isinstance(reason, str)
    assert "not finite" in reason


def test_two_quantities_are_shown_together_where_neither_alone_explains_enough(
    environment: Environment, prober: ProbeClient, groups: dict[str, list[Record]]
) -> None:
    both = seen(environment, prober, groups, PRODUCT)
    apart = seen(environment, prober, groups, SUM)
    assert sum("Over " in line for line in both["lines"]) == 1
    assert sum("Over " in line for line in apart["lines"]) == 2
    for found in (both, apart):
        assert [len(view["swept"]) for view in found["views"]] == [1, 1, 2]


def test_pictures_hold_the_weighted_components_and_few_numbers(
    environment: Environment, prober: ProbeClient, groups: dict[str, list[Record]]
) -> None:
    first, _, grid = seen(environment, prober, groups, PRODUCT)["views"]
    assert len(first["total"]) == len(first["grids"][0]) == 26
    assert first["total"] == pytest.approx(first["components"]["both"], rel=1e-3)
    assert np.shape(grid["total"]) == (17, 17)
    assert grid["components"] == {}


def test_a_program_that_pays_nothing_has_no_course(
    environment: Environment, prober: ProbeClient, groups: dict[str, list[Record]]
) -> None:
    found = seen(environment, prober, groups, CONSTANT)
    assert all("stays the same" in line for line in found["lines"] if "Over " in line)
    assert found["spreads"]["nothing"] == {"random": [0.0, 0.0, 0.0], "own": [0.0, 0.0, 0.0]}


def test_without_an_answer_there_are_no_sweeps_but_still_percentiles(
    environment: Environment,
    prober: ProbeClient,
    groups: dict[str, list[Record]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ProbeClient, "sweep", lambda *_: "It died.")
    found = seen(environment, prober, groups, PRODUCT)
    assert found["views"] == []
    assert "Paid per step" in found["lines"][-1]
    assert not any("Over " in line for line in found["lines"])
