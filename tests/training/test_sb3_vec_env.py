"""An environment is a `VecEnv`: stable-baselines3 sees the same episodes as every other user."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.wrappers import TimeLimit
from sledge import sledge
from stable_baselines3 import A2C, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import (
    Episodes,
    Memory,
    MujocoWorlds,
    Step,
    Transitions,
    make_worlds,
    pools,
)
from eureka_agent.reward import RewardFunction, parse
from eureka_agent.training.sb3 import RewardedVecEnv

WORLDS, SEED, STEPS = 3, 5, 70
MEMORY = '''"""Reads everything that an episode remembers."""
WEIGHTS = {"a": 1.0, "b": 0.5, "c": 0.25}

def compute_reward(place, prev_place, start_place, max_place, min_speed, action, prev_action,
                   terminated, time_left):
    return {
        "a": (place - start_place) * max_place + min_speed,
        "b": (action - prev_action).square().sum(-1) + (place - prev_place),
        "c": time_left - terminated.float(),
    }
'''


def made(folder: Path, **changes: Any) -> RewardedVecEnv:
    environment = sledge(folder / "sledge", **changes)
    reward = parse(MEMORY, environment.signals_described).compile()
    worlds = RewardedVecEnv(environment, reward, make_worlds(environment, WORLDS, 1))
    worlds.seed(SEED)
    return worlds


def actions() -> np.ndarray:
    """Pulls to either side, so that episodes end early, and by the time limit in world 1."""
    strength = np.random.default_rng(0).uniform(0.0, 1.5, (STEPS, WORLDS, 1))
    return (strength * [[1.0], [0.02], [-1.0]]).astype(np.float32)


def rolled_out(worlds: RewardedVecEnv) -> tuple[list[Step], torch.Tensor]:
    """The same episodes by worlds of their own, and their rewards from one call."""
    plain = MujocoWorlds(worlds.environment, WORLDS, threads=1)
    streams = pools.streams(pools.TRAINING, SEED, WORLDS)
    plain.start(slice(0, WORLDS), streams, torch.zeros(WORLDS, dtype=torch.int64))
    applied = torch.as_tensor(actions(), dtype=torch.float32).clamp(-1, 1)
    steps = [plain.step(action) for action in applied]
    names = ("before", "after", "prev_action", "terminated", "time_left", "fresh")
    stacked = {name: torch.stack([getattr(step, name) for step in steps]) for name in names}
    reward = worlds.reward
    assert isinstance(reward, RewardFunction)
    paid = reward(
        Transitions(action=applied, **stacked).arguments(
            plain.layout, reward.parameters, Memory.empty(WORLDS, plain.layout)
        )
    )
    return steps, paid.total.view(STEPS, WORLDS)


def test_it_goes_through_the_states_and_rewards_of_a_rollout(tmp_path: Path) -> None:
    worlds = made(tmp_path)
    steps, paid = rolled_out(worlds)
    seen = worlds.reset()
    assert seen.shape == (WORLDS, 2) and seen.dtype == np.float32
    ends = 0
    for t, (action, step) in enumerate(zip(actions(), steps, strict=True)):
        seen, rewards, ended, infos = worlds.step(action)
        np.testing.assert_array_equal(rewards, paid[t].numpy())
        np.testing.assert_array_equal(ended, (step.terminated | step.truncated).numpy())
        following = steps[t + 1].before.numpy() if t + 1 < STEPS else seen
        np.testing.assert_array_equal(seen, following)  # here signals and observation are the same
        for world, info in enumerate(infos):
            assert bool(info) == ended[world]
            if info:
                last = info["terminal_observation"]
                np.testing.assert_array_equal(last, step.final_observation[world].numpy())
                assert info["TimeLimit.truncated"] == bool(step.truncated[world])
                ends += 1
    assert ends > WORLDS
    assert any(step.truncated.any() for step in steps)
    assert any(step.terminated.any() for step in steps)


def test_an_episode_gets_the_rewards_of_its_recording(tmp_path: Path) -> None:
    worlds = made(tmp_path)
    world, limit = 1, worlds.environment.episode_steps  # it is pulled so little that it stays
    states, applied, total = [worlds.reset()[world]], [], 0.0
    info: dict[str, Any] = {}
    for action in actions()[:limit]:
        seen, rewards, _, infos = worlds.step(action)
        info, total = infos[world], total + float(rewards[world])
        states.append(info.get("terminal_observation", seen[world]))
        applied.append(action[world].clip(-1, 1))
    assert info["TimeLimit.truncated"]
    episode = Episodes(
        torch.as_tensor(np.stack(states))[:, None],
        torch.as_tensor(np.stack(applied), dtype=torch.float32)[:, None],
        lengths=torch.tensor([limit]),
        terminated=torch.tensor([False]),
    )
    layout = MujocoWorlds(worlds.environment, 1, threads=1).layout
    arguments = episode.arguments(layout, worlds.reward.parameters)
    assert total == pytest.approx(float(episode.sums(worlds.reward(arguments))[0]), rel=1e-5)


def test_a_world_whose_physics_failed_gets_no_reward_and_ends(tmp_path: Path) -> None:
    worlds = made(tmp_path, strength=1e12)
    worlds.reset()
    pull = np.array([[1.0], [0.0], [0.0]], dtype=np.float32)
    seen, rewards, ended, infos = worlds.step(pull)
    assert ended.tolist() == [True, False, False]
    assert rewards[0] == 0.0 and rewards[1] != 0.0
    assert infos[0]["diverged"] and not infos[0]["TimeLimit.truncated"]
    assert np.isfinite(infos[0]["terminal_observation"]).all() and np.isfinite(seen).all()
    assert worlds.diverged.tolist() == [True, False, False]


def test_a_seed_fixes_the_episodes_and_each_reset_begins_new_ones(tmp_path: Path) -> None:
    worlds = made(tmp_path)
    first, second = worlds.reset(), worlds.reset()
    assert not np.array_equal(first, second)
    assert not np.array_equal(first[0], first[1])
    assert worlds.seed(SEED) == [SEED, SEED + 1, SEED + 2]
    np.testing.assert_array_equal(worlds.reset(), first)
    np.testing.assert_array_equal(worlds.reset(), second)
    worlds.seed(SEED + 1)
    assert not np.array_equal(worlds.reset(), first)


def test_worlds_share_their_environment(tmp_path: Path) -> None:
    worlds = made(tmp_path)
    assert worlds.get_attr("episode_steps") == [30] * WORLDS
    assert worlds.get_attr("name", indices=[0, 2]) == ["sledge"] * 2
    assert worlds.get_attr("render_mode") == [None] * WORLDS
    assert not worlds.has_attr("nonsense")
    assert worlds.env_method("describe", indices=0)[0].environment == "sledge"
    assert worlds.env_is_wrapped(TimeLimit) == [False] * WORLDS
    with pytest.raises(UsageError, match="task"):
        worlds.set_attr("task", "another")


def test_returned_arrays_do_not_change_later(tmp_path: Path) -> None:
    worlds = made(tmp_path)
    kept = [worlds.reset(), *worlds.step(actions()[0])[:3]]
    copies = [array.copy() for array in kept]
    for action in actions()[1:]:
        worlds.step(action)
    for array, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [(A2C, {}), (SAC, {"learning_starts": 20, "batch_size": 16, "buffer_size": 500})],
)
def test_unmodified_algorithms_train_on_it(
    tmp_path: Path, algorithm: type[BaseAlgorithm], options: dict[str, Any]
) -> None:
    worlds = VecNormalize(VecMonitor(made(tmp_path)))
    model: Any = algorithm("MlpPolicy", worlds, seed=1, device="cpu", **options)
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.learn(150)
    after = model.policy.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in after)
    assert all(value.isfinite().all() for value in after.values())
    lengths = [episode["l"] for episode in model.ep_info_buffer]
    assert lengths and max(lengths) <= 30
