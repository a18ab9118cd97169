"""stable-baselines3's trainer takes the place of a population of one lane."""

from pathlib import Path
from typing import Any

import pytest
import torch
from sledge import REWARD, sledge
from stable_baselines3 import PPO

from eureka_agent.common.errors import UsageError
from eureka_agent.reward import RewardFunction, parse
from eureka_agent.training import save_policy
from eureka_agent.training.networks import initial_weights
from eureka_agent.training.sb3 import Sb3Trainer

BROKEN_LATER = '''"""Fails once a sledge has been somewhere."""
WEIGHTS = {"right": 1.0}

def compute_reward(place):
    away = torch.where(place > 0.15, torch.inf, 0.0)
    return {"right": away}
'''


def trainer(folder: Path, **changes: Any) -> Sb3Trainer:
    return Sb3Trainer(sledge(folder / "sledge", **changes), 1, 4, threads=1)


def reward(stock: Sb3Trainer, text: str = REWARD) -> RewardFunction:
    return parse(text, stock.layout.signals).compile()


def trained(folder: Path, seed: int) -> dict[str, torch.Tensor]:
    stock = trainer(folder)
    stock.load(0, reward(stock), seed)
    stock.advance(100)
    stock.advance(100)
    return stock.weights(0)


def test_a_result_is_a_function_of_the_seed(tmp_path: Path) -> None:
    one, same, other = (trained(tmp_path / str(i), seed) for i, seed in enumerate((3, 3, 4)))
    for name in one:
        assert torch.equal(one[name], same[name]), name
    assert not torch.equal(one["action_net.weight"], other["action_net.weight"])


def test_it_advances_in_whole_rollouts_and_reports_as_a_population_does(tmp_path: Path) -> None:
    stock = trainer(tmp_path)
    assert stock.advance(64) == []
    stock.load(0, reward(stock), 1)
    beats: list[int] = []
    first, second = stock.advance(100, beats.append)[0], stock.advance(64)[0]
    assert stock.rollout_steps == 64
    assert beats == [64, 128]
    assert (first.steps, second.steps) == (128, 192)
    assert first.evicted is None
    assert first.components["right"].mean == pytest.approx(first.diagnostics["reward"], rel=1e-4)
    assert first.components["right"].share == 1.0
    assert {"kl", "entropy", "action_spread", "explained_variance"} <= second.diagnostics.keys()


def test_the_exported_policy_is_the_trained_one_on_raw_observations(tmp_path: Path) -> None:
    stock = trainer(tmp_path)
    stock.load(0, reward(stock), 1)
    stock.advance(400)
    raw = torch.rand(50, 2) * 0.4 - 0.2
    seen = torch.as_tensor(stock._normalised.normalize_obs(raw.numpy()))
    assert seen.abs().max() < 10  # where stable-baselines3 does not cut
    policy = stock._algorithm.policy
    values = policy.predict_values(seen)[:, 0] * float(stock._normalised.ret_rms.var) ** 0.5
    means = policy.get_distribution(seen).mode()

    weights = stock.weights(0)
    expected = initial_weights(2, 1, stock._environment.training, 0)
    assert {k: v.shape for k, v in weights.items()} == {k: v.shape for k, v in expected.items()}
    save_policy(tmp_path / "policy.zip", weights, stock._environment)
    exported = PPO.load(tmp_path / "policy.zip", device="cpu").policy
    torch.testing.assert_close(exported.get_distribution(raw).mode(), means, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(exported.predict_values(raw)[:, 0], values, rtol=1e-3, atol=1e-3)


def test_a_reward_that_fails_ends_the_training_with_its_line(tmp_path: Path) -> None:
    stock = trainer(tmp_path)
    stock.load(0, reward(stock, BROKEN_LATER), 1)
    (report,) = stock.advance(1000)
    assert "not finite" in (report.evicted or "")
    assert report.line == 6
    assert report.steps < 1000
    assert stock.advance(64) == []


def test_physics_that_fail_too_often_end_the_training(tmp_path: Path) -> None:
    stock = trainer(tmp_path, strength=1e12)
    stock.load(0, reward(stock), 1)
    (report,) = stock.advance(64)
    assert "physics diverged" in (report.evicted or "")


def test_one_policy_at_a_time_and_on_the_cpu(tmp_path: Path) -> None:
    environment = sledge(tmp_path / "sledge")
    with pytest.raises(UsageError, match="one policy"):
        Sb3Trainer(environment, 2, 4)
    with pytest.raises(UsageError, match="cuda"):
        Sb3Trainer(environment, 1, 4, device=torch.device("cuda"))
