"""Synthetic episodes, made from those of untrained policies."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from recorded import reference_bank, roamed
from sledge import paying, sledge

from eureka_agent.analysis.rewards.bank import Bank, Entry, Record
from eureka_agent.critic.examiner import Examiner, held, sustained
from eureka_agent.environment import Environment, Episodes
from eureka_agent.environment.contrasts import CONTRASTS_FILE, GOOD
from eureka_agent.workers.probe_client import ProbeClient

CONTRASTS = """
from eureka_agent.environment.contrasts import Contrast, Recorded, harder
from eureka_agent.environment.contrasts import HELD, UNTRAINED, shaken


def to_the_right(recorded: Recorded):
    return {**recorded, "place": recorded["place"] + 5.0}


CONTRASTS = (
    Contrast("right", "sledges at the right end", "more", kind=UNTRAINED, change=to_the_right),
    Contrast("held", "sledges that keep still", "less", other=HELD),
    Contrast("shaken", "the same with a motor that trembles", "no more", change=shaken()),
)
"""


RIGHT, LEFT = paying("place"), paying("-place")
JITTER = paying("place + 9.0 * (action - prev_action).abs().sum(-1)")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = sledge(tmp_path_factory.mktemp("environments") / "sledge", strength=0.3)
    (environment.folder / CONTRASTS_FILE).write_text(CONTRASTS)
    return environment


@pytest.fixture(scope="module")
def prober(environment: Environment) -> Iterator[ProbeClient]:
    with ProbeClient(environment, deadline_s=5.0) as prober:
        yield prober


@pytest.fixture
def bank(environment: Environment, tmp_path: Path) -> Bank:
    kinds = ("random", "waves")
    return reference_bank(tmp_path / "bank", roamed(environment, *kinds), kinds)


@pytest.fixture
def episodes() -> Episodes:
    """Two of 80 steps, the second ended after 6; place = step, speed = 1, action = step."""
    steps = torch.arange(81.0)[:, None].expand(81, 2)
    return Episodes(
        states=torch.stack([steps, torch.ones(81, 2)], dim=-1),
        actions=steps[:80, :, None].clone(),
        lengths=torch.tensor([80, 6]),
        terminated=torch.tensor([False, True]),
    )


def test_sustained_episodes_go_to_and_fro_to_the_time_limit(
    environment: Environment, episodes: Episodes
) -> None:
    result = sustained(episodes, environment)
    assert result.lengths.tolist() == [80, 80]
    assert not result.terminated.any()
    assert result.states[:9, 0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0]  # a 20th of the limit
    assert result.states[:9, 0, 1].tolist() == [1, 1, 1, 1, 1, -1, -1, -1, -1]
    assert result.actions[:8, 0, 0].tolist() == [0, 1, 2, 3, 3, 2, 1, 0]
    assert result.states[:7, 1, 0].tolist() == [0, 1, 2, 3, 2, 1, 0]  # half of what there was


def test_held_postures_neither_move_nor_act(environment: Environment, episodes: Episodes) -> None:
    result = held(episodes, environment)
    assert result.before is not None
    assert torch.equal(result.before, result.states[1:])
    assert not result.states[..., 1].any()
    assert not result.actions.any()
    assert result.lengths.tolist() == [80, 5]  # an end cannot be held
    assert episodes.states[..., 1].all()


def test_a_picture_of_success_stands_for_good_episodes_that_are_not_known(
    environment: Environment, bank: Bank, prober: ProbeClient
) -> None:
    right, left = Examiner(environment, bank, prober).examine([RIGHT, LEFT])
    assert right is not None and left is not None
    assert right.imagined
    assert not right.suspect, right.objections
    assert left.refused
    assert [result.count for result in right.contrasts] == [8, 64, 8]


def test_a_motor_that_is_paid_for_trembling_is_found_before_any_success(
    environment: Environment, bank: Bank, prober: ProbeClient
) -> None:
    (jitter,) = Examiner(environment, bank, prober).examine([JITTER])
    assert jitter is not None
    assert jitter.suspect
    assert any("motor that trembles" in reason for reason in jitter.objections)


def test_nothing_is_imagined_where_good_episodes_are_known(
    environment: Environment, bank: Bank, prober: ProbeClient
) -> None:
    (seen,) = roamed(environment, "extremes")
    best = type(seen)(seen.fitness + 10.0, seen.diverged, seen.episodes)
    bank.add(Record(Entry("1", 100, "shipped", 0, 1), best))
    (right,) = Examiner(environment, bank, prober).examine([RIGHT])
    assert right is not None
    assert not right.imagined
    assert {result.contrast.kind for result in right.contrasts} >= {GOOD}
