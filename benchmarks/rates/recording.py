"""A training up to some point, and what its policy does there.

All measurements start from it: what the physics cost depends on what the robot does.
"""

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import EurekaError
from eureka_agent.environment import MujocoWorlds, Step, pools, substate
from eureka_agent.simulation import Simulator
from eureka_agent.training import Population
from eureka_agent.training.networks import make_policy
from rates.setting import Setting, human_reward, program_digest

CHECKPOINT = "checkpoint/"
WARM_UP = 300
"""Most control steps before a recording."""


@dataclass(frozen=True)
class Recording:
    """What `N` worlds did over `T` control steps under a trained policy with its action noise.

    Attributes:
        start: state of the simulator before the first step `[N, X]`.
        controls: as the physics got them `[T, N, nu]`.
        when: the step after which a world began a new episode `[E]`.
        which: the world `[E]`.
        qpos: where it began `[E, nq]`.
        qvel: its velocities `[E, nv]`.
        end: state of the simulator after the last step, resets included `[N, X]`.
        checkpoint: of the population of one lane that trained the policy.
    """

    start: np.ndarray
    controls: Tensor
    when: Tensor
    which: Tensor
    qpos: Tensor
    qvel: Tensor
    end: np.ndarray
    checkpoint: Mapping[str, np.ndarray]

    def save(self, path: Path) -> None:
        """Write it; a reader sees the whole file or none."""
        arrays: dict[str, Any] = {f"{CHECKPOINT}{k}": v for k, v in self.checkpoint.items()}
        arrays |= {name: np.asarray(getattr(self, name)) for name in (*_STATES, *_TENSORS)}
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.npz")
        np.savez_compressed(unfinished, **arrays)
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The inverse of `save`."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        fields: dict[str, Any] = {name: arrays[name] for name in _STATES}
        fields |= {name: torch.from_numpy(arrays[name]) for name in _TENSORS}
        return cls(checkpoint=substate(arrays, CHECKPOINT), **fields)


_STATES = ("start", "end")
_TENSORS = ("controls", "when", "which", "qpos", "qvel")


def recording_path(folder: Path, name: str, hidden: tuple[int, ...], setting: Setting) -> Path:
    """Where a recording lies: elsewhere as soon as the task, the trainer or the physics changed.

    Args:
        folder: of all recordings.
        name: of the environment.
        hidden: widths of the networks' layers.
        setting: of the run.
    """
    environment = setting.environment(name, hidden)
    digest = hashlib.sha256(
        repr((setting.training, setting.recorded, environment.training)).encode()
    )
    digest.update(program_digest().encode())
    for file in sorted(environment.folder.glob("*.*")):
        digest.update(file.read_bytes())
    return folder / f"{name}-{'-'.join(map(str, hidden))}-{digest.hexdigest()[:12]}.npz"


def record(name: str, hidden: tuple[int, ...], setting: Setting) -> Recording:
    """Train a policy on the human reward, then record what its worlds do.

    The recording begins half a time limit, but at most `WARM_UP` steps, after the first reset, so
    that the worlds are where a trained policy takes them.

    Raises:
        EurekaError: the training failed.
    """
    environment = setting.environment(name, hidden)
    population = Population(environment, 1, setting.worlds, threads=setting.threads)
    population.load(0, human_reward(environment), seed=0)
    (report,) = population.advance(setting.training)
    if report.evicted is not None:
        raise EurekaError(f"The training on {environment.name} failed: {report.evicted}")
    worlds = MujocoWorlds(environment, setting.worlds, setting.threads)
    streams = pools.streams(pools.TRAINING, 1, worlds.n)
    ages = torch.arange(worlds.n) * environment.episode_steps // worlds.n
    worlds.start(slice(0, worlds.n), streams, ages)
    policy = make_policy(worlds.observation.shape[1], worlds.action_size, environment.training)
    policy.load_state_dict(population.weights(0))

    def step() -> Step:
        with torch.no_grad():
            return worlds.step(policy(worlds.observation)[0].clamp(-1.0, 1.0))

    torch.manual_seed(0)
    for _ in range(min(WARM_UP, environment.episode_steps // 2)):
        step()
    return _recorded(worlds.simulator, step, setting.recorded, population.state())


def _recorded(
    simulator: Simulator, step: Callable[[], Step], steps: int, checkpoint: dict[str, np.ndarray]
) -> Recording:
    start = simulator.state()
    controls: list[Tensor] = []
    resets: list[tuple[Tensor, ...]] = []
    for t in range(steps):
        found = step()
        controls.append(simulator.view("ctrl").clone())
        ended = (found.terminated | found.truncated).nonzero()[:, 0]
        states = (simulator.view(field)[ended] for field in ("qpos", "qvel"))
        resets.append((torch.full_like(ended, t), ended, *states))
    when, which, qpos, qvel = (torch.cat(parts) for parts in zip(*resets, strict=True))
    played = torch.stack(controls)
    return Recording(start, played, when, which, qpos, qvel, simulator.state(), checkpoint)


def spread_over(
    checkpoint: Mapping[str, np.ndarray], like: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The checkpoint of a population whose lanes all stand where a single one stood.

    Only their random numbers differ.

    Args:
        checkpoint: of a population with one lane.
        like: one of the population that is to stand there.

    Raises:
        EurekaError: the two are not of the same task, networks and N, or of another program.
    """
    result = {}
    for name, value in like.items():
        if name.endswith(".generator"):
            result[name] = value
            continue
        # Names are <group>.<part> and <group>.lane.<lane>.<part>.
        single = re.sub(r"^\d+\.", "0.", re.sub(r"\.lane\.\d+\.", ".lane.0.", name))
        found = checkpoint.get(single)
        if found is None or found.shape[1:] != value.shape[1:] or len(value) % len(found):
            raise EurekaError(
                f"The recorded training has no {single!r} that fits {name!r}.",
                "Remove the recording, so that it is made anew.",
            )
        result[name] = np.tile(found, (len(value) // len(found), *[1] * (found.ndim - 1)))
    return result
