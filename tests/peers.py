"""Environments beside those of Gymnasium that they are modelled on, shared by tests."""

from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from eureka_agent.environment import Memory, MujocoWorlds, Step, find_environment, pools
from eureka_agent.reward import RewardValues, parse

TOLERANCE = 1e-4  # ours are float32


def started(name: str, n: int = 1) -> MujocoWorlds:
    """Worlds of an environment at the beginning of their first episodes."""
    worlds = MujocoWorlds(find_environment(name), n, threads=1)
    streams = pools.streams(pools.TRAINING, 0, n)
    worlds.start(slice(0, n), streams, torch.zeros(n, dtype=torch.int64))
    return worlds


def paid(worlds: MujocoWorlds, action: Tensor, step: Step) -> RewardValues:
    """What the human reward pays for a step."""
    path = worlds.environment.human_reward_path
    assert path is not None
    program = parse(path.read_text(), worlds.environment.signals_described).compile()
    memory = Memory.empty(worlds.n, worlds.layout)
    return program(step.rollout(action).arguments(worlds.layout, program.parameters, memory))


def peer_of(worlds: MujocoWorlds, name: str, options: dict[str, Any] | None = None) -> Any:
    """Gymnasium's environment with our physics options, in the state of our first world."""
    pytest.importorskip("imageio", reason="Gymnasium's MuJoCo environments import it")
    peer: Any = gymnasium.make(name, **options or {}).unwrapped
    for option in ("integrator", "solver", "jacobian"):
        setattr(peer.model.opt, option, getattr(worlds.simulator.model.opt, option))

    def simulate(control: np.ndarray, substeps: int) -> None:
        """Gymnasium reads derived positions one physics step late; here they are up to date."""
        peer.data.ctrl[:] = control
        mujoco.mj_step(peer.model, peer.data, substeps)
        mujoco.mj_step1(peer.model, peer.data)

    peer._step_mujoco_simulation = simulate
    peer.reset(seed=0)
    put(peer, worlds)
    return peer


def put(peer: Any, worlds: MujocoWorlds) -> None:
    """Put Gymnasium's environment into the state of our first world."""
    peer.set_state(*(worlds.simulator.view(field)[0].numpy() for field in ("qpos", "qvel")))
