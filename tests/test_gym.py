"""Every environment is one of Gymnasium's, single and vector, and pays the given reward."""

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env as check_for_stable_baselines

import eureka_agent.gym
from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.environment import (
    ActionError,
    find_environment,
    list_environments,
    load_fitness,
    make_worlds,
)
from eureka_agent.reward import RewardRejected
from eureka_agent.training.sb3 import RewardedVecEnv

LIMIT = find_environment("cartpole").episode_steps
PROGRAM = '''"""Up."""
WEIGHTS = {"up": 2.0, "early": 1.0}

def compute_reward(pole_up, start_pole_up, time_left):
    return {"up": pole_up - start_pole_up, "early": time_left}
'''


@pytest.fixture
def reward(tmp_path: Path) -> Path:
    path = tmp_path / "reward.py"
    path.write_text(PROGRAM)
    return path


def actions(n: int) -> np.ndarray:
    return np.random.default_rng(3).uniform(-1.0, 1.0, (20, n, 1)).astype(np.float32)


@pytest.mark.parametrize("name", ["cartpole", "hopper", "gymnasium:Pendulum-v1"])
def test_it_passes_the_checkers_of_gymnasium_and_stable_baselines(name: str) -> None:
    environment = eureka_agent.gym.make(name)
    with warnings.catch_warnings():
        # Entries of our observations have no bounds; and what is made directly has no spec.
        warnings.filterwarnings("ignore", message=".*(infinity|not having a spec).*")
        check_env(environment)
        check_for_stable_baselines(environment)


def test_gymnasium_knows_all_environments_by_name(reward: Path) -> None:
    ours = {name for name in gymnasium.registry if name.startswith("eureka_agent/")}
    assert {f"eureka_agent/{name}-v0" for name in list_environments()} <= ours
    made: Any = gymnasium.make("eureka_agent/cartpole-v0", reward=str(reward))
    made.reset(seed=0)
    many = gymnasium.make_vec("eureka_agent/cartpole-v0", num_envs=2, reward=str(reward))
    assert many.reset(seed=0)[0].shape == (2, 5)
    assert made.step(made.action_space.sample())[1] > 0.9


def test_a_world_of_a_vector_equals_the_single_environment_of_its_seed(reward: Path) -> None:
    many = eureka_agent.gym.make_vec("cartpole", 3, reward=reward)
    alone = eureka_agent.gym.make("cartpole", reward=reward)
    first, last = many.reset(seed=5)[0], alone.reset(seed=7)[0]
    assert np.array_equal(first[2], last)
    for action in actions(3):
        seen, paid, *_ = many.step(action)
        one, pays, *_ = alone.step(action[2])
        assert np.array_equal(seen[2], one)
        assert paid[2] == pytest.approx(pays)


def test_a_seed_gives_the_same_episodes_and_no_seed_other_ones() -> None:
    made = eureka_agent.gym.make("cartpole")
    seeded = [made.reset(seed=1)[0], made.reset()[0], made.reset(seed=1)[0], made.reset()[0]]
    assert np.array_equal(seeded[0], seeded[2])
    assert np.array_equal(seeded[1], seeded[3])
    assert not np.array_equal(seeded[0], seeded[1])
    many = eureka_agent.gym.make_vec("cartpole", 2)
    both = [many.reset(seed=[1, 2])[0], many.reset()[0], many.reset(seed=1)[0], many.reset()[0]]
    assert np.array_equal(both[0], both[2])
    assert np.array_equal(both[1], both[3])
    kept = many.reset(seed=[1, None])[0]
    assert np.array_equal(kept[0], both[0][0])
    assert not np.array_equal(kept[1], both[0][1])


def test_a_program_is_paid_with_its_memory_of_the_episode(reward: Path) -> None:
    made = eureka_agent.gym.make("cartpole", reward=reward)
    first = made.reset(seed=0)[0]
    for step, action in enumerate(actions(1), 1):
        seen, paid, *_ = made.step(action[0])
        gone = 2.0 * (seen[1] - first[1]) + 1.0 - step / LIMIT
        assert paid == pytest.approx(gone, abs=1e-5)


def test_without_a_program_each_step_pays_the_fitness() -> None:
    peer = eureka_agent.gym.make("gymnasium:Pendulum-v1")
    (up, across, speed), _ = peer.reset(seed=0)
    angle = np.arctan2(across, up)
    expected = -(angle**2 + 0.1 * speed**2 + 0.001 * 1.0**2)
    assert peer.step(np.array([0.5], np.float32))[1] == pytest.approx(expected, abs=1e-4)


def test_the_step_after_an_end_begins_the_next_episode() -> None:
    many = eureka_agent.gym.make_vec("hopper", 3)
    assert many.metadata["autoreset_mode"] == AutoresetMode.NEXT_STEP
    alone = eureka_agent.gym.make("hopper")
    many.reset(seed=0)
    alone.reset(seed=1)
    over, ends = False, 0
    generator = np.random.default_rng(0)
    while ends < 3:
        action = generator.uniform(-1.0, 1.0, (3, 3)).astype(np.float32)
        seen, paid, terminated, truncated, _ = many.step(action)
        if over:
            peer, pays, ended = alone.reset()[0], 0.0, False
        else:
            peer, pays, ended, *_ = alone.step(action[1])
        assert np.array_equal(seen[1], peer)
        assert (paid[1], terminated[1]) == (pytest.approx(pays), ended)
        over = bool(terminated[1] | truncated[1])
        ends += over


def test_the_time_limit_truncates() -> None:
    many = eureka_agent.gym.make_vec("cartpole", 2)
    many.reset(seed=0)
    for step in range(LIMIT + 1):
        _, _, terminated, truncated, _ = many.step(np.zeros((2, 1), np.float32))
        assert truncated.all() == truncated.any() == (step == LIMIT - 1)
        assert not terminated.any()


def test_wrappers_of_gymnasium_take_it() -> None:
    many = gymnasium.wrappers.vector.RecordEpisodeStatistics(
        gymnasium.wrappers.vector.NormalizeObservation(eureka_agent.gym.make_vec("cartpole", 2))
    )
    many.reset(seed=0)
    infos = [many.step(np.zeros((2, 1), np.float32))[4] for _ in range(LIMIT)]
    assert infos[-1]["episode"]["l"].tolist() == [LIMIT, LIMIT]


def test_a_stock_algorithm_learns_on_it(reward: Path) -> None:
    made = eureka_agent.gym.make("cartpole", reward=reward)
    PPO("MlpPolicy", made, n_steps=32, batch_size=32, n_epochs=1, device="cpu").learn(64)


def test_a_program_that_is_not_sound_is_refused(reward: Path) -> None:
    reward.write_text(PROGRAM.replace("pole_up", "fitness"))
    with pytest.raises(RewardRejected, match="fitness"):
        eureka_agent.gym.make("cartpole", reward=reward)
    with pytest.raises(UsageError, match="cannot be read"):
        eureka_agent.gym.make("cartpole", reward=reward / "none")


def test_seeds_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="3 seeds"):
        eureka_agent.gym.make_vec("cartpole", 2).reset(seed=[1, 2, 3])


def test_it_draws_what_it_simulates() -> None:
    made = eureka_agent.gym.make("cartpole", render_mode="rgb_array")
    made.reset(seed=0)
    try:
        picture = made.render()
    except MissingError as error:
        pytest.skip(error.message)
    finally:
        made.close()
    assert picture is not None and picture.shape[2] == 3 and picture.std() > 0
    assert eureka_agent.gym.make("cartpole").render() is None


def test_an_unknown_render_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="human"):
        eureka_agent.gym.make("cartpole", render_mode="human")
    with pytest.raises(UsageError, match="no MuJoCo model"):
        eureka_agent.gym.make("gymnasium:Pendulum-v1", render_mode="rgb_array")


def every_form() -> list[Any]:
    """A single world, a vector and stable-baselines3's form, each at the start of an episode."""
    environment = find_environment("hopper")
    forms = [
        eureka_agent.gym.make("hopper"),
        eureka_agent.gym.make_vec("hopper", 2),
        RewardedVecEnv(
            environment, load_fitness(environment.fitness_path), make_worlds(environment, 2)
        ),
    ]
    for form in forms:
        form.reset()
    return forms


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda shape: np.full(shape, np.nan), r"world 0 is nan in column 0"),
        (lambda shape: np.full(shape, np.inf), r"world 0 is inf in column 0"),
        (lambda shape: np.zeros(shape)[..., :1], r"shape \[\d, 1\], not \[\d, 3\]"),
        (lambda shape: np.zeros((*shape, 2)), "shape"),
        (lambda shape: 0.5, "shape"),
        (lambda shape: "left", "are not numbers"),
    ],
)
def test_invalid_actions_are_refused(wrong: Any, said: str) -> None:
    for form in every_form():
        with pytest.raises(ActionError, match=said) as raised:
            form.step(wrong((2, 3) if hasattr(form, "num_envs") else (3,)))
        assert isinstance(raised.value, ValueError)


def test_a_deep_copy_continues_by_itself_from_the_same_state() -> None:
    for form in every_form():
        action = np.full((2, 3) if hasattr(form, "num_envs") else 3, 0.5, np.float32)
        form.step(action)
        copied = copy.deepcopy(form)
        first = [form.step(action)[0] for _ in range(3)]
        assert [np.array_equal(copied.step(action)[0], seen) for seen in first] == [True] * 3
        with pytest.raises(TypeError, match=r"cannot be pickled.*partial"):
            pickle.dumps(form)


def test_an_episode_must_have_begun_and_not_be_over() -> None:
    single = eureka_agent.gym.make("cartpole")
    many = eureka_agent.gym.make_vec("cartpole", 2)
    for form in (single, many):
        with pytest.raises(gymnasium.error.ResetNeeded):
            form.step(np.zeros(form.action_space.shape, np.float32))
    single.reset(seed=0)
    for _ in range(LIMIT):
        *_, terminated, truncated, _ = single.step(np.zeros(1, np.float32))
        if terminated or truncated:
            break
    with pytest.raises(gymnasium.error.ResetNeeded, match="episode's end"):
        single.step(np.zeros(1, np.float32))


def test_seeds_are_whole_numbers_of_any_size() -> None:
    many = eureka_agent.gym.make_vec("cartpole", 2)
    first = many.reset(seed=3)[0]
    assert np.array_equal(many.reset(seed=np.int64(3))[0], first)  # pyright: ignore[reportArgumentType]
    assert not np.array_equal(many.reset(seed=1 << 70)[0], first)
    for wrong in (1.5, "a"):
        with pytest.raises(UsageError, match="not a whole number"):
            many.reset(seed=wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="0 worlds"):
        eureka_agent.gym.make_vec("cartpole", 0)
