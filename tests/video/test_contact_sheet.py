"""Contact sheets show recorded episodes, or an error says why not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.environment import (
    Environment,
    Episodes,
    find_environment,
    make_worlds,
    pools,
    record,
)
from eureka_agent.simulation.rendering import describe_rendering
from eureka_agent.video import contact_sheet
from eureka_agent.video.contact_sheet import (
    FRAMES,
    SheetJob,
    Strip,
    choose_frames,
    draw_in_subprocess,
    draw_sheets,
    replay,
)

CAN_DRAW = describe_rendering().startswith("works")
draws = pytest.mark.skipif(not CAN_DRAW, reason="nothing on this machine can draw pictures")
SEED, COUNT = 3, 2


def streams() -> torch.Tensor:
    return pools.streams(pools.RANKING, SEED, COUNT)


def recorded(environment: Environment) -> Episodes:
    """Two episodes, pushed to either side."""
    pushes = torch.tensor([[0.9], [-0.9]])
    worlds = make_worlds(environment, COUNT)
    return record(worlds, streams(), lambda t, seen: pushes.expand(COUNT, worlds.action_size))[0]


@pytest.fixture(scope="module")
def hopping() -> tuple[Environment, Episodes]:
    environment = find_environment("hopper")
    return environment, recorded(environment)


def test_a_replayed_episode_has_the_recorded_poses(hopping: tuple[Environment, Episodes]) -> None:
    environment, episodes = hopping
    length = int(episodes.lengths[1])
    assert length < environment.episode_steps  # it falls
    wanted = {(0, 0), (1, 3), (1, length - 1)}
    poses = replay(environment, episodes, streams(), wanted)
    assert poses.keys() == wanted
    column = environment.layout.columns.index("torso_position[:, 1]")
    heights = episodes.states[:, 1, column].tolist()
    assert poses[1, 3].qpos[1] == pytest.approx(heights[4], abs=1e-5)
    assert poses[1, length - 1].qpos[1] == pytest.approx(heights[length - 1], abs=1e-5)


def test_episodes_that_differ_when_replayed_are_not_drawn(
    hopping: tuple[Environment, Episodes],
) -> None:
    environment, episodes = hopping
    others = dataclasses.replace(episodes, actions=-episodes.actions)
    with pytest.raises(EurekaError, match=r"Episode 0 differs .* at step 3 a signal is"):
        replay(environment, others, streams(), [(0, 3)])


def test_an_environment_without_a_model_of_ours_is_not_drawn() -> None:
    environment = find_environment("gymnasium:Pendulum-v1")
    with pytest.raises(UsageError, match="no MuJoCo model"):
        replay(environment, recorded(environment), streams(), [(0, 3)])


def test_frames_are_spread_over_an_episode_and_closer_before_an_early_end() -> None:
    assert choose_frames(range(0, 1000, 50)) == (150, 300, 450, 650, 800, 950)
    assert choose_frames([5, 7]) == (5, 7)
    assert len(choose_frames(range(1000))) == FRAMES
    assert len(choose_frames(range(20), ended_early=True)) == FRAMES
    shown = [*range(0, 200, 20), 205, 217, 225, 228, 230]
    assert choose_frames(shown, ended_early=True) == (60, 100, 160, 205, 217, 230)


@draws
def test_a_sheet_has_a_row_for_each_episode(
    hopping: tuple[Environment, Episodes], tmp_path: Path
) -> None:
    environment, episodes = hopping
    path = tmp_path / "sheet.png"
    strips = [Strip("Up", episodes, 0, (0, 5, 9)), Strip("And down", episodes, 1, (0, 8))]
    draw_sheets(SheetJob(environment.source, pools.RANKING, SEED, [(path, strips)]))
    drawn = np.asarray(Image.open(path).convert("RGB"))
    row = contact_sheet.HEIGHT + 2 * contact_sheet.LINE
    assert drawn.shape == (2 * row, 3 * contact_sheet.WIDTH, 3)
    frames = drawn.reshape(2, row, 3, contact_sheet.WIDTH, 3).transpose(0, 2, 1, 3, 4)
    assert not np.array_equal(frames[0, 0], frames[0, 2])  # it moves
    blank = frames[1, 2, 2 * contact_sheet.LINE :]
    assert (blank == 255).all()  # its row is shorter
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]


def test_the_error_of_the_drawing_process_is_raised_here(
    hopping: tuple[Environment, Episodes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment, episodes = hopping
    monkeypatch.setenv("MUJOCO_GL", "disable")
    strips = [Strip("Up", episodes, 0, (0,))]
    order = SheetJob(environment.source, pools.RANKING, SEED, [(tmp_path / "sheet.png", strips)])
    with pytest.raises(EurekaError, match="Nothing here can draw pictures"):
        draw_in_subprocess(order)
    assert not list(tmp_path.iterdir())
