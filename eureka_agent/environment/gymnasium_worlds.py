"""Worlds of an environment of Gymnasium: as many of it, stepped one by one."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.environment.gymnasium_environment import GymnasiumEnvironment
from eureka_agent.environment.gymnasium_interface import Interface, foreign_environment
from eureka_agent.environment.random import mix
from eureka_agent.environment.worlds_base import AnyWorlds, Step

_SEEDS = 0x7FFFFFFF
"""What episodes are seeded with is not beyond this: some environments take 32 bits only."""


class GymnasiumWorlds(AnyWorlds):
    """`n` worlds of an environment of Gymnasium, each of them one of it; see `AnyWorlds`.

    An episode that the environment itself cuts before its time limit counts as terminated: what
    became of it afterwards is not known. A world that says anything but finite numbers has
    diverged. It cannot be told what state a world is in, nor can a world be put into one, so a
    training goes on after an interruption by beginning again.

    Args:
        environment: the task.
        n: number of worlds.
        device: where signals live.

    Raises:
        EnvironmentFailed: the environment raised something or gave what no environment gives, here
            or in a step.
    """

    environment: GymnasiumEnvironment

    def __init__(self, environment: GymnasiumEnvironment, n: int, device: torch.device) -> None:
        super().__init__(environment, n, device)
        self._made = [environment.make() for _ in range(n)]
        self._interface = Interface(environment.name, self._made[0], self.layout.width - 1)
        low, high = (bound.numpy() for bound in environment.action_range())
        self._centre, self._half = (low + high) / 2, (high - low) / 2
        self.signals = torch.zeros(n, self.layout.width, device=device)
        self.observation = self._observed(self.signals)
        self._begin(torch.ones_like(self._active))

    def step(self, action: Tensor) -> Step:
        """Apply actions `[n, A]` in [-1, 1] for one control step."""
        self._age += self._active
        after = self._on_host(self.signals)
        terminated, diverged = np.zeros((2, self.n), dtype=np.bool_)
        controls = self._controls(action)
        with self._watched("step"):
            for world in self._active.nonzero()[:, 0].tolist():
                moved, ended = self._moved(world, controls[world])
                self.environment.alive()
                diverged[world] = not np.isfinite(moved).all()
                terminated[world] = ended or diverged[world]
                if not diverged[world]:  # else the last good state stands in
                    after[world] = moved
        signals = torch.from_numpy(after).to(self.signals.device)
        step = self._record(
            action,
            signals,
            self._observed(signals),
            torch.from_numpy(terminated).to(signals.device),
            torch.from_numpy(diverged).to(signals.device),
        )
        over = step.terminated | step.truncated
        if over.any():
            self._begin(over)
        return step

    def state(self) -> dict[str, np.ndarray]:
        """Refused, see the class.

        Raises:
            UsageError: always.
        """
        self._refuse()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Refused, see the class.

        Raises:
            UsageError: always.
        """
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError(
            f"The state of {self.environment.name} cannot be kept: Gymnasium has no way to ask.",
            "Train again from the start, which gives the same result.",
        )

    def _begin(self, chosen: Tensor) -> None:
        seeds = mix(self._streams, self._episodes).cpu().numpy() & _SEEDS
        signals = self._on_host(self.signals)
        with self._watched("reset"):
            for world in chosen.nonzero()[:, 0].tolist():
                result = self._made[world].reset(seed=int(seeds[world]))
                signals[world] = np.append(self._interface.first(result), np.float32(0.0))
                self.environment.alive()
        self._count(chosen)
        # Never in place: what has been handed out must stay as it was.
        self.signals = torch.from_numpy(signals).to(self.signals.device)
        self.observation = self._observed(self.signals)

    def _moved(self, world: int, control: np.ndarray) -> tuple[np.ndarray, bool]:
        """Step one world; returns its signals `[S]`, and whether its episode ends."""
        seen, paid, terminated, cut, info = self._interface.later(self._made[world].step(control))
        early = cut and int(self._age[world]) < self.environment.episode_steps
        score = (
            self._interface.paid(paid) if self.environment.pays else self.environment.score(info)
        )
        return np.append(seen, np.float32(score)), terminated or early

    def _controls(self, action: Tensor) -> np.ndarray:
        """Actions in [-1, 1] as the environment takes them `[n, A]`."""
        controls = self._centre + self._half * action.cpu().numpy()
        return controls.astype(self.environment.action_type)

    def _observed(self, signals: Tensor) -> Tensor:
        """The observation, of which the signals begin with all entries, `[n, D]`."""
        return signals[:, :-1].clone()

    def _on_host(self, value: Tensor) -> np.ndarray:
        return value.cpu().numpy().copy()

    def _watched(self, what: str) -> AbstractContextManager[None]:
        """Whatever the environment raises becomes an error that says whose it is."""
        name, locked = self.environment.name, self.environment.locked
        return foreign_environment(name, f"failed in {what}", locked)
