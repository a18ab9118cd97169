"""The environment under check, and what it does under all kinds of actions."""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from eureka_agent.environment import (
    Environment,
    Fitness,
    Memory,
    MujocoWorlds,
    SignalLayout,
    State,
    Step,
    Transitions,
    foreign_code,
    load_environment,
    load_fitness,
    pools,
)

WORLDS = 32
LONGEST_HOLD = 16
"""Control steps for which an action is held at most: short ones average out and move little."""
LONGEST_RECORDING = 5_000
RECORDING_S, REPETITION_S = 20.0, 2.5
"""Seconds after which a recording stops, and which a repetition of its beginning should take."""
MOST_REPEATED, LEAST_REPEATED = 48, 4
"""Control steps of a repetition."""
STYLES = {
    "new random actions": slice(0, 10),
    "held random actions": slice(10, 20),
    "extreme actions": slice(20, 28),
    "all actions +1": slice(28, 29),
    "all actions -1": slice(29, 30),
    "all actions 0": slice(30, 32),
}
"""What the worlds of a recording do."""


@dataclass
class Recording:
    """`T` steps of `N` worlds.

    Attributes:
        transitions: all of them, `[T, N, ...]`.
        observations: what a policy sees after each step, before any reset `[T, N, D]`.
        diverged: whether the physics failed `[T, N]` bool.
        ended: whether an episode ended there, early or at the time limit `[T, N]` bool.
        layout: of the transitions' signals.
    """

    transitions: Transitions
    observations: Tensor
    diverged: Tensor
    ended: Tensor
    layout: SignalLayout

    @property
    def early(self) -> Tensor:
        """Whether the environment ended an episode there before its limit `[T, N]` bool."""
        return self.transitions.terminated & ~self.diverged

    def first_ends(self) -> Tensor:
        """Steps of each world's first episode `[N]`; `T` if it lasted longer."""
        steps = len(self.ended)
        never = ~self.ended.any(0)
        return torch.where(never, steps, self.ended.float().argmax(0) + 1)

    def arguments(self, parameters: tuple[str, ...]) -> dict[str, Tensor]:
        """What a program or a fitness reads, `[T·N]` or `[T·N, d]` each."""
        memory = Memory.empty(self.transitions.action.shape[1], self.layout)
        return self.transitions.arguments(self.layout, parameters, memory)


@dataclass
class LastOutputs:
    """What an environment gave out last: its signals and observation, and from which state."""

    state: State | None = None
    signals: dict[str, Tensor] = field(default_factory=dict)
    observation: Tensor | None = None


class EnvironmentUnderTest:
    """One environment, loaded when it is first asked for, and what has been seen of it.

    Args:
        folder: of the environment.
        steps: control steps of the recording, at least; an episode is never cut short.
        warp: whether to compare with MuJoCo Warp, too.
        watch: called with the steps recorded so far, and how many it will be.
    """

    def __init__(
        self,
        folder: Path,
        steps: int,
        warp: bool,
        watch: Callable[[int, int], None] = lambda done, of: None,
    ) -> None:
        self.folder = folder.expanduser().resolve()
        self.steps = steps
        self.warp = warp
        self.watch = watch
        self._step_s = 0.0

    @property
    def source(self) -> Path:
        """The file that defines the environment."""
        return self.folder / "env.py"

    @functools.cached_property
    def environment(self) -> Environment:
        """The environment itself."""
        return load_environment(self.folder)

    @functools.cached_property
    def fitness(self) -> Fitness:
        """What the task is really about."""
        return load_fitness(self.environment.fitness_path)

    @functools.cached_property
    def recorded_steps(self) -> int:
        """Control steps of the recording."""
        return min(max(self.steps, self.environment.episode_steps), LONGEST_RECORDING)

    @functools.cached_property
    def recording(self) -> Recording:
        """What it does, recorded once."""
        worlds = self.worlds(WORLDS)
        start_worlds(worlds, slice(0, WORLDS))
        began = time.monotonic()

        def goes_on(done: int) -> bool:
            self.watch(done, self.recorded_steps)
            self._step_s = (time.monotonic() - began) / done
            return self._step_s * done < RECORDING_S

        return record_transitions(
            worlds, exploration_actions(self.recorded_steps, worlds.action_size), goes_on
        )

    @functools.cached_property
    def repeated_steps(self) -> int:
        """Control steps of a repetition, an even number: fewer where a step takes long."""
        assert len(self.recording.ended)  # by which time is known what a step takes
        affordable = int(REPETITION_S / self._step_s) // 2 * 2
        return min(MOST_REPEATED, max(LEAST_REPEATED, affordable))

    def worlds(self, n: int) -> MujocoWorlds:
        """Worlds on the CPU."""
        with foreign_code(self.source):
            return MujocoWorlds(self.environment, n)

    @contextmanager
    def glimpse(self) -> Iterator[LastOutputs]:
        """Note what the environment gives out in the body, before anybody packs or changes it."""
        environment, seen = self.environment, LastOutputs()

        def signals(state: State) -> dict[str, Tensor]:
            seen.state = state
            seen.signals = type(environment).signals(environment, state)
            return seen.signals

        def observation(state: State) -> Tensor:
            seen.observation = type(environment).observation(environment, state)
            return seen.observation

        vars(environment).update(signals=signals, observation=observation)
        try:
            yield seen
        finally:
            del vars(environment)["signals"], vars(environment)["observation"]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Code of the environment runs in here: what breaks is an error that names the line."""
        with foreign_code(self.source):
            yield


def start_worlds(
    worlds: MujocoWorlds, part: slice, seed: int = 0, ages: Tensor | None = None
) -> None:
    """Begin episodes in a slice of worlds."""
    count = part.stop - part.start
    zeros = torch.zeros(count, dtype=torch.int64)
    with foreign_code(worlds.environment.folder / "env.py"):
        worlds.start(
            part, pools.streams(pools.TRAINING, seed, count), zeros if ages is None else ages
        )


def record_transitions(
    worlds: MujocoWorlds, chosen: Tensor, goes_on: Callable[[int], bool] = lambda done: True
) -> Recording:
    """Step worlds by actions `[T, N, A]`, for as long as `goes_on` of the steps done says so."""
    steps: list[Step] = []
    with foreign_code(worlds.environment.folder / "env.py"):
        for action in chosen:
            steps.append(worlds.step(action))
            if not goes_on(len(steps)):
                break

    def stack(name: str) -> Tensor:
        return torch.stack([getattr(step, name) for step in steps])

    names = ("before", "after", "prev_action", "terminated", "time_left", "fresh")
    transitions = Transitions(action=chosen[: len(steps)], **{name: stack(name) for name in names})
    return Recording(
        transitions,
        stack("final_observation"),
        stack("diverged"),
        stack("terminated") | stack("truncated"),
        worlds.layout,
    )


def exploration_actions(steps: int, size: int, worlds: int = WORLDS) -> Tensor:
    """Actions `[T, N, A]` in [-1, 1] as `STYLES` has them, the same ones every time."""
    generator = torch.Generator().manual_seed(0)
    fresh = torch.rand(steps, WORLDS, size, generator=generator) * 2 - 1
    fresh[:, STYLES["extreme actions"]] = fresh[:, STYLES["extreme actions"]].sign()
    for style, value in (("+1", 1.0), ("-1", -1.0), ("0", 0.0)):
        fresh[:, STYLES[f"all actions {style}"]] = value
    chosen = fresh.clone()
    left = torch.zeros(WORLDS, dtype=torch.int64)
    left[STYLES["new random actions"]] = -steps
    for step in range(1, steps):
        held = left > 0
        chosen[step] = torch.where(held[:, None], chosen[step - 1], fresh[step])
        drawn = torch.randint(1, LONGEST_HOLD + 1, (WORLDS,), generator=generator)
        renewed = torch.where(left == 0, drawn, left)
        left = torch.where(left < 0, left, renewed - 1)
    return chosen[:, :worlds]


Outcome = Literal["ok", "note", "failed"]


@dataclass(frozen=True)
class CheckFinding:
    """One sentence about an environment.

    Attributes:
        check: the property that was checked.
        outcome: `failed` if it does not hold, `note` if a person should look at it.
        message: what was seen.
        hint: what to write, or where to look; may be empty.
    """

    check: str
    outcome: Outcome
    message: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Said:
    """A finding before it is known to which check it belongs."""

    outcome: Outcome
    message: str
    hint: str = ""


def ok(message: str) -> Said:
    """The property holds."""
    return Said("ok", message)


def note(message: str, hint: str = "") -> Said:
    """The property may hold; a person should look."""
    return Said("note", message, hint)


def failed(message: str, hint: str) -> Said:
    """The property does not hold; the hint says what to write."""
    return Said("failed", message, hint)
