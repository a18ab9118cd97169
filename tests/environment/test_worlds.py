"""Worlds step an environment in the order of the contract."""

import numpy as np
import pytest
import torch
from torch import Tensor

from eureka_agent.environment import MujocoWorlds, find_environment

LIMIT = find_environment("cartpole").episode_steps


def started(name: str, n: int, streams: list[int], ages: list[int] | None = None) -> MujocoWorlds:
    worlds = MujocoWorlds(find_environment(name), n, threads=1)
    worlds.start(slice(0, n), np.array(streams), torch.tensor(ages or [0] * n))
    return worlds


def action(worlds: MujocoWorlds, t: int) -> Tensor:
    generator = torch.Generator().manual_seed(t)
    return torch.rand(1, worlds.action_size, generator=generator).expand(worlds.n, -1) * 2 - 1


def read(worlds: MujocoWorlds, packed: Tensor, name: str) -> Tensor:
    return worlds.layout.read(packed, name)


def test_equal_streams_give_equal_worlds_whatever_the_neighbours_do() -> None:
    alone, among = (
        started("half_cheetah", 1, [7]),
        started("half_cheetah", 3, [5, 7, 9], [0, 0, 998]),
    )
    for t in range(5):
        one, many = alone.step(action(alone, t)), among.step(action(among, t))
        assert torch.equal(one.after[0], many.after[1])


def test_different_streams_begin_differently() -> None:
    worlds = started("half_cheetah", 2, [1, 2])
    assert not torch.equal(worlds.signals[0], worlds.signals[1])


def test_the_time_limit_cuts_without_terminating_and_the_next_episode_is_fresh() -> None:
    worlds = started("cartpole", 2, [1, 2], [LIMIT - 2, 0])
    first, second, third = (worlds.step(action(worlds, t)) for t in range(3))
    assert first.truncated.tolist() == [False, False]
    assert second.truncated.tolist() == [True, False]
    assert not second.terminated.any()
    assert second.time_left[0] == 0.0
    assert first.fresh.tolist() == [True, True]
    assert third.fresh.tolist() == [True, False]
    assert third.prev_action[0].abs().sum() == 0
    assert third.prev_action[1].abs().sum() > 0


def test_signals_before_a_step_are_those_after_the_last_one_or_after_the_reset() -> None:
    worlds = started("cartpole", 2, [1, 2], [LIMIT - 2, 0])
    steps = [worlds.step(action(worlds, t)) for t in range(3)]
    assert torch.equal(steps[1].before, steps[0].after)
    assert torch.equal(steps[2].before[1], steps[1].after[1])
    hanging = read(worlds, steps[2].before, "pole_up")[0]
    assert hanging == pytest.approx(-1.0, abs=0.01)


def test_the_final_observation_is_kept_across_a_reset() -> None:
    worlds = started("cartpole", 1, [1], [LIMIT - 1])
    step = worlds.step(action(worlds, 0))
    assert step.truncated[0]
    assert not torch.equal(step.final_observation, worlds.observation)


def test_a_diverged_world_repeats_its_last_good_state_and_terminates() -> None:
    worlds = started("half_cheetah", 2, [1, 2])
    worlds.step(action(worlds, 0))
    good = worlds.signals.clone()
    worlds.simulator.view("qvel")[0, 0] = float("nan")
    step = worlds.step(action(worlds, 1))
    assert step.diverged.tolist() == [True, False]
    assert step.terminated.tolist() == [True, False]
    assert torch.equal(step.after[0], good[0])
    assert torch.isfinite(worlds.observation).all()
    assert not worlds.step(action(worlds, 2)).diverged.any()


def test_stopped_worlds_stand_still() -> None:
    worlds = started("cartpole", 2, [1, 2])
    worlds.stop(slice(1, 2))
    before = worlds.simulator.view("qpos").clone()
    worlds.step(action(worlds, 0))
    moved = (worlds.simulator.view("qpos") != before).any(1)
    assert moved.tolist() == [True, False]
