"""Playing a policy: the reporting episodes as the judge plays them, and what can be filmed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.environment import (
    Act,
    Episodes,
    MujocoWorlds,
    Worlds,
    load_fitness,
    make_worlds,
    pools,
    record,
)
from eureka_agent.environment.fitness import Reduce
from eureka_agent.reward import parse
from eureka_agent.training import PolicyStack
from eureka_agent.video.policies import Policy, read_weights

ComputeComponents = Callable[[Policy, Episodes], np.ndarray]
"""Asks a worker what a policy's program pays, component by component: `[C, L, E]`, unweighted."""


@dataclass(frozen=True)
class Pose:
    """A state of the physics, as far as it can be seen."""

    qpos: np.ndarray
    mocap_pos: np.ndarray
    mocap_quat: np.ndarray


@dataclass
class Playback:
    """What a policy did in `E` reporting episodes of up to `L` steps.

    Attributes:
        policy: who.
        episodes: as they went.
        diverged: in which the physics failed `[E]` bool.
        fitness: of each episode `[E]`; None where nothing measures the task.
        so_far: fitness of what has been seen of an episode after each step `[L, E]`; likewise.
        poses: what the one episode looked like ahead of each of its steps, if it is filmed.
        components: what the reward program paid, weighted, by name `[L, E]`.
        silence: why there are no components, in words.
    """

    policy: Policy
    episodes: Episodes
    diverged: np.ndarray
    fitness: np.ndarray | None
    so_far: np.ndarray | None
    poses: list[Pose]
    components: dict[str, np.ndarray] = field(default_factory=dict)
    silence: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The numbers, as a plain document."""
        control_step = self.policy.environment.control_step
        lengths, ended = self.episodes.lengths.tolist(), self.episodes.terminated.tolist()
        alive = self.episodes.alive().numpy()
        sums = {
            name: np.where(alive, paid, 0.0).sum(0, dtype=np.float64)
            for name, paid in self.components.items()
        }
        return {
            "policy": self.policy.title,
            "path": str(self.policy.path),
            "environment": self.policy.environment.name,
            "pool": "reporting",
            "fitness": None if self.fitness is None else float(self.fitness.mean()),
            "components_missing": self.silence or None,
            "episodes": [
                {
                    "episode": e,
                    "fitness": None if self.fitness is None else float(self.fitness[e]),
                    "steps": steps,
                    "seconds": steps * control_step,
                    "ended_early": ended[e],
                    "diverged": bool(self.diverged[e]),
                    "components": {name: _finite(total[e]) for name, total in sums.items()},
                }
                for e, steps in enumerate(lengths)
            ],
        }


def pose_of(worlds: MujocoWorlds, world: int) -> Pose:
    """How a world stands."""
    names = ("qpos", "mocap_pos", "mocap_quat")
    return Pose(*(worlds.simulator.view(name)[world].cpu().numpy().copy() for name in names))


def play_policy(
    policy: Policy, pay: ComputeComponents | None = None, filmed: int | None = None
) -> Playback:
    """Play a policy without action noise on the reporting pool.

    Args:
        policy: who.
        pay: how to learn what its program pays; None if nobody asks.
        filmed: the one episode that is played, and whose states are kept; None for all episodes,
            of which no states are.

    Raises:
        UsageError: the policy does not fit its environment, there are not so many episodes, the
            fitness is broken, or the environment has no physics that could be filmed.
    """
    fitness = load_fitness(policy.fitness) if policy.fitness else None
    episodes, diverged, poses = _play(policy, filmed)
    if filmed is not None:
        episodes, diverged = episodes.part(slice(filmed, filmed + 1)), diverged[filmed:][:1]
    values, so_far = None, None
    if fitness is not None:
        arguments = episodes.arguments(policy.environment.layout, fitness.parameters)
        steps = fitness.steps(arguments, *episodes.actions.shape[:2])
        values = fitness.episode(steps, episodes.lengths, diverged).numpy()
        so_far = _so_far(steps, fitness.reduce).numpy()
    performance = Playback(
        policy=policy,
        episodes=episodes,
        diverged=diverged.numpy(),
        fitness=values,
        so_far=so_far,
        poses=poses,
    )
    if policy.program is None:
        performance.silence = "nobody knows which reward trained this policy"
    elif pay is not None:
        try:
            performance.components = _weighted(policy, pay(policy, episodes))
        except EurekaError as error:
            performance.silence = error.message
    return performance


def _play(policy: Policy, filmed: int | None) -> tuple[Episodes, Tensor, list[Pose]]:
    """The episodes, which of them diverged, and the poses of the filmed one.

    That alone is stepped, among others that stand still: in its place among as many it goes to the
    last bit as it does when all of them are played.
    """
    environment, each = policy.environment, policy.episodes
    if filmed is not None and not 0 <= filmed < each:
        raise UsageError(f"There is no episode {filmed}.", f"They are 0 to {each - 1}.")
    worlds = make_worlds(environment, each)
    if filmed is not None and not isinstance(worlds, MujocoWorlds):
        raise UsageError(
            f"{environment.name} has no MuJoCo model of ours, so it cannot be filmed.",
            "Leave --video out: its numbers are there.",
        )
    act = _acting(policy, worlds)
    streams = pools.streams(pools.REPORTING, policy.seed, each)
    poses: list[Pose] = []

    def watch(t: int, ended: Tensor) -> None:
        if filmed is None or not isinstance(worlds, MujocoWorlds):
            return
        if t == 0:
            worlds.stop(slice(0, filmed))
            worlds.stop(slice(filmed + 1, each))
        if not ended[filmed]:
            poses.append(pose_of(worlds, filmed))

    recorded, diverged = record(worlds, streams, act, watch=watch)
    return recorded, diverged, poses


def _acting(policy: Policy, worlds: Worlds) -> Act:
    """Actions `[E, A]` for observations `[E, D]`, to the last bit as the run's judge has them."""
    weights = read_weights(policy.path)
    seen = weights["mlp_extractor.policy_net.0.weight"].shape[1]
    sizes = (seen, weights["action_net.weight"].shape[0])
    wanted = (worlds.observation.shape[1], worlds.action_size)
    if sizes != wanted:
        raise UsageError(
            f"{policy.path} sees {sizes[0]} numbers and gives {sizes[1]}, but "
            f"{policy.environment.name} shows {wanted[0]} and takes {wanted[1]}.",
            "It was trained in another environment: name that with --env.",
        )
    lanes = policy.lanes
    stack = PolicyStack(weights, lanes, policy.environment.training.activation)
    stack.load(0, weights)
    everyone = torch.zeros(lanes, worlds.n, seen)

    def act(t: int, observation: Tensor) -> Tensor:
        everyone[0] = observation
        return stack.actor(everyone)[0].clamp(-1.0, 1.0)

    return act


def _so_far(steps: Tensor, reduce: Reduce) -> Tensor:
    """What an episode that ended here would count as, but for what is added after an early end."""
    match reduce:
        case "mean":
            return steps.cumsum(0) / torch.arange(1, len(steps) + 1)[:, None]
        case "sum":
            return steps.cumsum(0)
        case "last":
            return steps
        case "max":
            return steps.cummax(0).values
        case "any":
            return (steps > 0).double().cummax(0).values


def _weighted(policy: Policy, paid: np.ndarray) -> dict[str, np.ndarray]:
    """Weighted components by name; those with weight 0 are shown to nobody as paid."""
    weights: Mapping[str, float] = parse(
        policy.program or "", policy.environment.signals_described
    ).weights
    return {
        name: weight * component
        for (name, weight), component in zip(weights.items(), paid, strict=True)
        if weight
    }


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
