"""The winner's policy has a picture in the report, or an event says why not."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from eureka_agent.analysis.trajectories.excerpt import picture_winner
from eureka_agent.common.paths import command
from eureka_agent.environment import Environment, find_environment, make_worlds, pools, record
from eureka_agent.simulation.rendering import describe_rendering
from eureka_agent.store import Run
from eureka_agent.store.folder import EPISODES_FILE, PICTURE
from eureka_agent.views.html.page import report_page

CAN_DRAW = describe_rendering().startswith("works")
SEED = 3


@pytest.fixture(scope="module")
def environment() -> Environment:
    return find_environment("hopper")


@pytest.fixture
def run(tmp_path: Path, environment: Environment) -> Iterator[Run]:
    """A search whose winner's episodes are recorded."""
    worlds = make_worlds(environment, 1)
    streams = pools.streams(pools.RANKING, SEED, 1)
    push = torch.full((1, worlds.action_size), 0.5)
    episodes, _ = record(worlds, streams, lambda t, seen: push)
    with Run.create(tmp_path, "hopper", goal="Hop.", seed=SEED, config={}) as run:
        row = run.add_candidate(0, 0, "x = 1", designer="test")
        run.set_result(row.id, fitness=1.0, own_return=0.0, checkpoint_step=1)
        run.set_best(row.id)
        np.savez_compressed(run.candidate_folder(1) / EPISODES_FILE, **episodes.arrays())
        yield run


@pytest.mark.skipif(not CAN_DRAW, reason="nothing on this machine can draw pictures")
def test_a_winner_is_drawn_once_and_stands_in_the_report(
    run: Run, environment: Environment
) -> None:
    picture_winner(run, environment, SEED)
    path = run.candidate_folder(1) / PICTURE
    assert path.read_bytes().startswith(b"\x89PNG")
    assert not run.events()
    before = path.stat().st_mtime_ns
    picture_winner(run, environment, SEED)
    assert path.stat().st_mtime_ns == before
    page = report_page(run)
    assert 'src="data:image/png;base64,' in page
    assert "There is no picture" not in page


def test_a_picture_that_cannot_be_drawn_is_an_event_and_a_line_of_the_report(
    run: Run, environment: Environment
) -> None:
    (run.candidate_folder(1) / EPISODES_FILE).write_bytes(b"PK broken")
    picture_winner(run, environment, SEED)
    (event,) = run.events()
    assert (event.kind, event.candidate_id) == ("picture", 1)
    assert "no picture of the winner's policy" in event.text
    assert f"{command('play', run.path)} --video out.mp4" in report_page(run)
