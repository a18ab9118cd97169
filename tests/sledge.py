"""A small environment for tests, written to a folder: a sledge on a rail, which it can leave."""

from pathlib import Path

import torch

from eureka_agent.environment import Environment, find_environment
from eureka_agent.training.networks import initial_weights

SCENE = """
<mujoco>
  <option timestep="0.02" gravity="0 0 0"/>
  <worldbody>
    <body name="sledge">
      <joint name="rail" type="slide" axis="1 0 0"/>
      <geom size="0.1" mass="1"/>
    </body>
  </worldbody>
  <actuator><motor joint="rail" gear="{strength}" ctrlrange="-1 1" ctrllimited="true"/></actuator>
</mujoco>
"""
CODE = """
import torch

from eureka_agent.environment import Environment, TrainingSettings, signal


class Sledge(Environment):
    task = "Go to the right end of the rail."
    termination = "The sledge leaves the rail."
    substeps = 1
    episode_steps = 30
    training = TrainingSettings(hidden=(32,), n_steps=16, n_epochs=2, lanes=3, worlds=4)

    @signal(unit="m", kind="position")
    def place(self, state):
        "Position along the rail."
        return state.qpos[:, 0]

    @signal(unit="m/s", kind="velocity")
    def speed(self, state):
        "Velocity along the rail."
        return state.qvel[:, 0]

    def observation(self, state):
        return torch.cat([state.qpos, state.qvel], dim=1)

    def terminated(self, state):
        return state.qpos[:, 0].abs() > 0.3

    def reset(self, noise):
        return noise.uniform(1, -0.2, 0.2), noise.normal(1, 0.1)
"""
FITNESS = "AFTER_END = -1.0\n\ndef fitness(place): return place\n"
REWARD = '''"""Go right."""
WEIGHTS = {"right": 1.0}

def compute_reward(place):
    return {"right": place}
'''


def paying(formula: str) -> str:
    """A program of one component, from what a formula reads of the sledge."""
    return f'''"""A program."""
WEIGHTS = {{"all": 1.0}}

def compute_reward(place, speed, action, prev_action):
    return {{"all": {formula}}}
'''


def sledge(folder: Path, strength: float = 5.0, fitness: str = FITNESS) -> Environment:
    """Write the environment and load it; at a strength of 1e12 a pull breaks its physics."""
    folder.mkdir(parents=True)
    (folder / "scene.xml").write_text(SCENE.format(strength=strength))
    (folder / "env.py").write_text(CODE)
    (folder / "fitness.py").write_text(fitness)
    return find_environment(str(folder))


def policy(environment: Environment, seed: int, pull: float = 0.0) -> dict[str, torch.Tensor]:
    """A policy of random weights, which besides pulls to the right."""
    weights = initial_weights(2, 1, environment.training, seed)
    weights["action_net.weight"] *= 100.0  # fresh ones hardly move
    weights["action_net.bias"] += pull
    return weights
