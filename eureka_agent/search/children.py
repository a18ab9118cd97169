"""The parent's view of its two kinds of child: a worker that trains, a judge that evaluates."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from eureka_agent.environment import Environment, Episodes
from eureka_agent.sandbox.failures import ChildFailed, Garbled
from eureka_agent.sandbox.process import Child
from eureka_agent.sandbox.protocol import Message
from eureka_agent.search.config import SearchConfig

Weights = dict[str, Tensor]

SHORT_S = 120.0
"""Deadline for requests that train nothing."""
LONG_S = 24 * 3600.0
"""Deadline for requests that do; they are watched by their heartbeat."""
WORKER_ADDRESS_SPACE_GIB = 12.0


class Worker:
    """One population in a child process; a context manager.

    Args:
        environment: the task.
        config: gives K, N and the number of threads.
        fitness: train on this fitness, bare; None to train on programs.
    """

    def __init__(
        self, environment: Environment, config: SearchConfig, fitness: Path | None
    ) -> None:
        self._child = Child(
            "eureka_agent.sandbox.worker",
            address_space_gib=WORKER_ADDRESS_SPACE_GIB,
        )
        self._ask(
            "open",
            environment=str(environment.folder),
            lanes=config.candidates,
            worlds=config.worlds,
            threads=thread_count(config),
            fitness=str(fitness) if fitness else None,
        )

    def load(self, lane: int, program: str | None, seed: int) -> None:
        """Begin a training on a program, or on the bare fitness when it is None."""
        self._ask("load", lane=lane, program=program, seed=seed)

    def advance(self, steps: int, on_progress: Callable[[int], None]) -> list[dict[str, Any]]:
        """Train all loaded lanes; returns their reports, `LaneReport` as plain data."""
        reply = self._child.request(
            Message("advance", {"steps": steps}),
            deadline_s=LONG_S,
            on_progress=lambda fields: on_progress(int(fields["done"])),
        )
        return reply.fields["reports"]

    def weights(self, lanes: Sequence[int]) -> dict[int, Weights]:
        """Policies of lanes as folded state dicts."""
        arrays = self._ask("weights", lanes=list(lanes)).arrays
        found: dict[int, Weights] = {lane: {} for lane in lanes}
        for name, value in arrays.items():
            lane, _, entry = name.partition("/")
            if not np.isfinite(value).all():
                raise Garbled(f"The worker sent weights of lane {lane} that are not finite.")
            found[int(lane)][entry] = torch.from_numpy(value)
        return found

    def score(self, lane: int, episodes: Episodes) -> np.ndarray:
        """What the lane's own reward pays each episode `[E]`."""
        message = Message("score", {"lane": lane}, episodes.arrays())
        return self._child.request(message, deadline_s=SHORT_S).arrays["returns"]

    def stop(self, lane: int) -> None:
        """Empty a lane."""
        self._ask("stop", lane=lane)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._child.close()

    def _ask(self, kind: str, **fields: Any) -> Message:
        return self._child.request(Message(kind, fields), deadline_s=SHORT_S)


@dataclass
class Judgement:
    """What the judge says of one policy.

    Attributes:
        fitness: per episode `[E]`.
        episodes: as they went.
    """

    fitness: np.ndarray
    episodes: Episodes


class Judge:
    """The judge in a child process, started anew when it died; a context manager."""

    ATTEMPTS = 3

    def __init__(self, environment: Environment, config: SearchConfig, fitness: Path) -> None:
        self._environment, self._config, self._fitness = environment, config, fitness
        self._child: Child | None = None

    def judge(self, policies: Sequence[Weights], pool: int, episodes: int) -> list[Judgement]:
        """Run policies on the first `episodes` of a pool.

        A judge that dies is replaced: it holds no state, so nothing is lost but time.

        Raises:
            ChildFailed: it died again and again.
        """
        arrays = {
            f"{p}/{name}": value.numpy()
            for p, weights in enumerate(policies)
            for name, value in weights.items()
        }
        fields = {
            "policies": len(policies),
            "episodes": episodes,
            "pool": pool,
            "seed": self._config.seed,
        }
        reply = self._request(Message("judge", fields, arrays))
        return [
            Judgement(
                fitness=reply.arrays["fitness"][p],
                episodes=Episodes.from_arrays(_under(reply.arrays, f"{p}/")),
            )
            for p in range(len(policies))
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._child is not None:
            self._child.close()

    def _request(self, message: Message) -> Message:
        for attempt in range(self.ATTEMPTS):
            try:
                return self._opened().request(message, deadline_s=LONG_S)
            except ChildFailed:
                assert self._child is not None
                self._child.close()
                self._child = None
                if attempt == self.ATTEMPTS - 1:
                    raise
        raise AssertionError

    def _opened(self) -> Child:
        if self._child is None or not self._child.alive:
            threads = thread_count(self._config)
            self._child = Child("eureka_agent.judge")
            fields = {
                "environment": str(self._environment.folder),
                "fitness": str(self._fitness),
                "threads": threads,
            }
            self._child.request(Message("open", fields), deadline_s=SHORT_S)
        return self._child


def thread_count(config: SearchConfig) -> int:
    """Physics threads: as configured, or one per core that this process may use.

    The networks run on one thread, which children have by default: they are so small that a second
    costs more than it brings, and their results then do not depend on the number of cores.
    """
    if config.threads:
        return config.threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _under(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
