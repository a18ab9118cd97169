"""Exported policies work in a world without this project."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import torch
from stable_baselines3 import PPO

from eureka_agent.environment import find_environment
from eureka_agent.reward import parse
from eureka_agent.training import PolicyStack, Population, save_policy


def a_population() -> Population:
    environment = find_environment("half_cheetah")
    path = environment.human_reward_path
    assert path is not None
    reward = parse(path.read_text(), environment.signals_described).compile()
    population = Population(environment, 1, 4, threads=1)
    population.load(0, reward, 3)
    population.advance(4 * population.rollout_steps)
    return population


def test_the_normalisers_fold_into_the_network(tmp_path: Path) -> None:
    population = a_population()
    raw = torch.randn(1, 50, 17) * 3
    (group,) = population._groups
    seen = group._observations(raw)
    means = group._stack.actor(seen)
    values = group._values.denormalise(group._stack.values(seen))

    weights = population.weights(0)
    stack = PolicyStack(weights, 1, "tanh")
    stack.load(0, weights)
    torch.testing.assert_close(stack.actor(raw), means, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(stack.values(raw), values, rtol=1e-3, atol=1e-3)

    save_policy(tmp_path / "policy.zip", weights, find_environment("half_cheetah"))
    model = PPO.load(tmp_path / "policy.zip", device="cpu")
    actions, _ = model.predict(raw[0].numpy(), deterministic=True)
    np.testing.assert_allclose(actions, means[0].clamp(-1, 1).numpy(), atol=1e-5)


def test_a_process_without_this_project_loads_the_zip(tmp_path: Path) -> None:
    population = a_population()
    zip_path = tmp_path / "policy.zip"
    save_policy(zip_path, population.weights(0), find_environment("half_cheetah"))
    script = textwrap.dedent("""
        import sys
        sys.modules["eureka_agent"] = None
        from stable_baselines3 import PPO
        model = PPO.load(sys.argv[1], device="cpu")
        action, _ = model.predict([0.0] * 17, deterministic=True)
        print(action.shape, model.observation_space.shape)
    """)
    done = subprocess.run(
        [sys.executable, "-c", script, zip_path], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["(6,)", "(17,)"], done.stderr
