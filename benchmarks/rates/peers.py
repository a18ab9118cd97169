"""The peer: stable-baselines3's PPO on Gymnasium's own environments."""

import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import gymnasium
import torch
from gymnasium_twin import gymnasium_twin
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from eureka_agent.environment import Environment
from rates.phases import UPDATE, PhaseClock
from rates.setting import THREADED, TWICE, Cell, Measurement, Setting, peak_memory_mb


def measure_sb3(cell: Cell, setting: Setting) -> Measurement:
    """Train one policy for a while, with as much learning per step as ours.

    A rollout has the same N·T steps, and the same epochs and minibatches. What is unsure counts in
    its favour: it starts untrained, where physics cost less, and the idle rate takes the processes
    of the worlds to fill all cores without ever waiting.
    """
    environment = setting.environment(cell.environment, cell.hidden)
    kind, count = cell.peer.removesuffix(TWICE).removesuffix(THREADED).split("-")
    torch.set_num_threads(setting.threads if cell.peer.endswith(THREADED) else 1)
    makers = [Twin(environment.name, setting)] * int(count)
    worlds: VecEnv
    if kind == "dummy":
        worlds = DummyVecEnv(makers)  # type: ignore[arg-type]
    else:
        worlds = SubprocVecEnv(makers)  # type: ignore[arg-type]
    children = [child.pid for child in multiprocessing.active_children() if child.pid]
    model = _model(worlds, environment, setting)
    rollout = setting.worlds * setting.horizon
    clock = PhaseClock()
    clock.watch(model, "train", UPDATE)
    model.learn(rollout)  # once without a clock
    clock.reset()
    first, start, thread = model.num_timesteps, time.perf_counter(), time.thread_time()
    processor = time.process_time() + _processor_seconds(children)
    while time.perf_counter() - start < setting.seconds or model.num_timesteps == first:
        model.learn(rollout, reset_num_timesteps=False)
    wall, thread = time.perf_counter() - start, time.thread_time() - thread
    processor = time.process_time() + _processor_seconds(children) - processor
    update = clock.seconds[UPDATE]
    idle = update + (processor - update) / setting.threads if children else thread
    steps = model.num_timesteps - first
    measurement = Measurement(
        rate=steps / wall,
        idle_rate=steps / idle,
        memory_mb=peak_memory_mb([os.getpid(), *children]),
        cores=processor / wall,
    )
    worlds.close()
    return measurement


class Twin:
    """Makes Gymnasium's environment in whichever process it is called.

    Args:
        name: of our environment.
        setting: of the run.
    """

    def __init__(self, name: str, setting: Setting) -> None:
        self._name, self._setting = name, setting

    def __call__(self) -> gymnasium.Env[Any, Any]:
        """A new environment."""
        return gymnasium_twin(self._setting.environment(self._name, (64, 64)))


def _model(worlds: VecEnv, environment: Environment, setting: Setting) -> PPO:
    rollout = setting.worlds * setting.horizon
    return PPO(
        "MlpPolicy",
        worlds,
        n_steps=max(rollout // worlds.num_envs, 2),
        batch_size=max(rollout // setting.minibatches, 2),
        n_epochs=setting.epochs,
        policy_kwargs={"net_arch": list(environment.training.hidden)},
        seed=0,
        device="cpu",
    )


def _processor_seconds(pids: list[int]) -> float:
    """What processes have used so far, user and system time."""
    ticks = 0
    for pid in pids:
        # The name of the program, in parentheses, may hold blanks.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
