"""Loaded environments, and those of Gymnasium that they are modelled on, shared by tests."""

import functools
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from eureka_agent.environment import (
    Environment,
    Memory,
    MujocoWorlds,
    Step,
    find_environment,
    pools,
)
from eureka_agent.reward import RewardFunction, RewardValues, parse

TOLERANCE = 1e-4  # ours are float32


@functools.cache
def loaded(name: str) -> Environment:
    """An environment, loaded once."""
    return find_environment(name)


@functools.cache
def human_reward(environment: Environment) -> RewardFunction:
    """The compiled human reward of an environment."""
    path = environment.human_reward_path
    assert path is not None
    return parse(path.read_text(), environment.signals_described).compile()


def started(name: str, n: int = 1, age: int = 0) -> MujocoWorlds:
    """Worlds of an environment at the beginning of their first episodes."""
    worlds = MujocoWorlds(loaded(name), n, threads=1)
    worlds.start(slice(0, n), pools.streams(pools.TRAINING, 0, n), torch.full((n,), age))
    return worlds


def paid(worlds: MujocoWorlds, action: Tensor, step: Step) -> RewardValues:
    """The human reward of a step `[n]`."""
    program = human_reward(worlds.environment)
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
