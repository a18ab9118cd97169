"""Playing a policy: the reporting episodes as the judge plays them, and what can be filmed."""

from collections.abc import Callable
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
    Reduce,
    Worlds,
    load_fitness,
    make_worlds,
    pools,
    record,
)
from eureka_agent.reward import parse
from eureka_agent.simulation.rendering import Renderer
from eureka_agent.training import PolicyStack
from eureka_agent.video.policies import Policy, read_weights

ComputeComponents = Callable[[Policy, Episodes], np.ndarray]
"""Asks a worker for the components of a policy's reward program: `[C, L, E]`, unweighted."""


@dataclass(frozen=True)
class Pose:
    """The visible part of a state of the physics."""

    qpos: np.ndarray
    mocap_pos: np.ndarray
    mocap_quat: np.ndarray

    @classmethod
    def of(cls, worlds: MujocoWorlds, world: int) -> "Pose":
        """The present pose of a world."""
        names = ("qpos", "mocap_pos", "mocap_quat")
        return cls(*(worlds.simulator.view(name)[world].cpu().numpy().copy() for name in names))

    def drawn_by(self, renderer: Renderer) -> np.ndarray:
        """A picture of it, `[height, width, 3]` uint8."""
        return renderer.frame(self.qpos, mocap_pos=self.mocap_pos, mocap_quat=self.mocap_quat)


@dataclass
class Playback:
    """What a policy did in `E` reporting episodes of up to `L` steps.

    Attributes:
        policy: the policy.
        episodes: recorded episodes.
        diverged: episodes that ended because the physics failed `[E]` bool.
        fitness: of each episode `[E]`; None where no fitness measures the task.
        so_far: fitness of the part of an episode up to each step `[L, E]`; None without a fitness.
        poses: of the filmed episode, ahead of each of its steps; empty if none is filmed.
        components: weighted components of the reward program by name `[L, E]`.
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

    @property
    def control_step(self) -> float:
        """Seconds between two steps."""
        return self.policy.environment.control_step

    def as_dict(self) -> dict[str, Any]:
        """The numbers, as a plain document."""
        lengths, ended = self.episodes.lengths.tolist(), self.episodes.terminated.tolist()
        alive = self.episodes.alive().numpy()
        sums = {
            name: np.where(alive, rewards, 0.0).sum(0, dtype=np.float64)
            for name, rewards in self.components.items()
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
                    "seconds": steps * self.control_step,
                    "ended_early": ended[e],
                    "diverged": bool(self.diverged[e]),
                    "components": {name: _finite(total[e]) for name, total in sums.items()},
                }
                for e, steps in enumerate(lengths)
            ],
        }


def play_policy(
    policy: Policy, compute: ComputeComponents | None = None, filmed: int | None = None
) -> Playback:
    """Play a policy without action noise on the reporting pool.

    Args:
        policy: the policy.
        compute: gives the components of its program; None to leave them out.
        filmed: the one episode that is played, and whose poses are kept; None for all episodes,
            without poses.

    Raises:
        UsageError: the policy does not fit its environment, there are not so many episodes, the
            fitness is broken, or the environment has no physics that could be filmed.
    """
    fitness = load_fitness(policy.fitness) if policy.fitness else None
    episodes, diverged, poses = _play(policy, filmed)
    values, so_far = None, None
    if fitness is not None:
        arguments = episodes.arguments(policy.environment.layout, fitness.parameters)
        steps = fitness.steps(arguments, *episodes.actions.shape[:2])
        values = fitness.episode(steps, episodes.lengths, diverged).numpy()
        so_far = _so_far(steps, fitness.reduce).numpy()
    playback = Playback(policy, episodes, diverged.numpy(), values, so_far, poses)
    if policy.program is None:
        playback.silence = "there is no record of the reward that trained this policy"
    elif compute is not None:
        try:
            components = compute(policy, episodes)
            weights = parse(policy.program, policy.environment.signals_described).weights
            playback.components = {
                name: weight * component
                for (name, weight), component in zip(weights.items(), components, strict=True)
                if weight  # weight 0: the program computes it, but it is not part of the reward
            }
        except EurekaError as error:
            playback.silence = error.message
    return playback


def _play(policy: Policy, filmed: int | None) -> tuple[Episodes, Tensor, list[Pose]]:
    """The episodes, which of them diverged `[E]`, and the poses of the filmed one.

    A filmed episode is stepped alone, among others that stand still: at its place among as many, it
    is bit-identical to the same episode when all are played.
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
            poses.append(Pose.of(worlds, filmed))

    episodes, diverged = record(worlds, streams, act, watch=watch)
    if filmed is None:
        return episodes, diverged, poses
    return episodes.part(slice(filmed, filmed + 1)), diverged[filmed:][:1], poses


def _acting(policy: Policy, worlds: Worlds) -> Act:
    """The policy as the run's judge plays it, bit for bit: `[E, D]` to `[E, A]`."""
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
    """Fitness `[L, E]` of an episode up to each step, without the steps after an early end."""
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


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
