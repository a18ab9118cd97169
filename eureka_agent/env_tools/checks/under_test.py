"""The environment under test, what it does under all kinds of actions, and findings about it."""

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from eureka_agent.common.errors import EurekaError
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
"""Most control steps for which an action is held: short ones average out and move little."""
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
"""How the worlds of a recording act."""


KEEP_FINITE = "Keep roots, logarithms and divisors away from what they cannot take."


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

    def of_worlds(self, part: slice) -> "Recording":
        """The recording of some of the worlds."""
        return Recording(
            self.transitions.worlds(part),
            self.observations[:, part],
            self.diverged[:, part],
            self.ended[:, part],
            self.layout,
        )

    def arguments(self, parameters: tuple[str, ...]) -> dict[str, Tensor]:
        """What a program or a fitness reads, `[T·N]` or `[T·N, d]` each."""
        memory = Memory.empty(self.transitions.action.shape[1], self.layout)
        return self.transitions.arguments(self.layout, parameters, memory)


@dataclass
class FirstOutputs:
    """What an environment gives out for new worlds, before anything packs or changes it.

    Attributes:
        state: of the worlds.
        signals: by name; without those after the first one that raises.
        observation: what a policy sees.
        error: what kept the worlds from being made, if anything did.
    """

    state: State = field(init=False)
    signals: dict[str, Tensor] = field(default_factory=dict)
    observation: Tensor = field(init=False)
    error: EurekaError | None = None


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
        self.source = self.folder / "env.py"
        self.steps, self.warp, self.watch = steps, warp, watch
        self._step_s = 0.0

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
        worlds = self.started(WORLDS)
        began = time.monotonic()

        def goes_on(done: int) -> bool:
            self.watch(done, self.recorded_steps)
            self._step_s = (time.monotonic() - began) / done
            return self._step_s * done < RECORDING_S

        actions = exploration_actions(self.recorded_steps, worlds.action_size)
        return record_transitions(worlds, actions, goes_on)

    @functools.cached_property
    def repeated_steps(self) -> int:
        """Control steps of a repetition, an even number: fewer where a step takes long."""
        assert len(self.recording.ended)  # measures how long a step takes
        affordable = int(REPETITION_S / self._step_s) // 2 * 2
        return min(MOST_REPEATED, max(LEAST_REPEATED, affordable))

    def worlds(self, n: int) -> MujocoWorlds:
        """Worlds on the CPU."""
        with foreign_code(self.source):
            return MujocoWorlds(self.environment, n)

    def started(self, n: int, ages: Tensor | None = None) -> MujocoWorlds:
        """Worlds on the CPU in which episodes have begun; `ages` as in `start_worlds`."""
        worlds = self.worlds(n)
        start_worlds(worlds, slice(0, n), ages=ages)
        return worlds

    def first_outputs(self, n: int, *, partial: bool = False) -> FirstOutputs:
        """What the environment gives out for `n` new worlds.

        Args:
            n: how many.
            partial: return what was given out even where the worlds cannot be made.
        """
        environment, seen = self.environment, FirstOutputs()

        def signals(state: State) -> dict[str, Tensor]:
            seen.state = state
            seen.signals = type(environment).signals(environment, state)
            return seen.signals

        def observation(state: State) -> Tensor:
            seen.observation = type(environment).observation(environment, state)
            return seen.observation

        vars(environment).update(signals=signals, observation=observation)
        try:
            self.worlds(n)
        except EurekaError as error:
            if not partial:
                raise
            seen.error = error
        finally:
            del vars(environment)["signals"], vars(environment)["observation"]
        return seen


def start_worlds(
    worlds: MujocoWorlds, part: slice, seed: int = 0, ages: Tensor | None = None
) -> None:
    """Begin episodes in a slice of worlds.

    Args:
        worlds: all of them.
        part: those in which episodes begin.
        seed: of the pool of training episodes.
        ages: control steps after which each episode already is, `[len(part)]`; zeros if None.
    """
    count = part.stop - part.start
    ages = torch.zeros(count, dtype=torch.int64) if ages is None else ages
    worlds.start(part, pools.streams(pools.TRAINING, seed, count), ages)


def record_transitions(
    worlds: MujocoWorlds, actions: Tensor, goes_on: Callable[[int], bool] = lambda done: True
) -> Recording:
    """Step worlds by actions `[T, N, A]`, for as long as `goes_on` of the steps done says so."""
    steps: list[Step] = []
    for action in actions:
        steps.append(worlds.step(action))
        if not goes_on(len(steps)):
            break

    def stack(name: str) -> Tensor:
        return torch.stack([getattr(step, name) for step in steps])

    names = ("before", "after", "prev_action", "terminated", "time_left", "fresh")
    transitions = Transitions(action=actions[: len(steps)], **{name: stack(name) for name in names})
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
    left = torch.zeros(WORLDS, dtype=torch.int64)  # steps for which an action is still held
    left[STYLES["new random actions"]] = -steps
    for step in range(1, steps):
        chosen[step] = torch.where((left > 0)[:, None], chosen[step - 1], fresh[step])
        drawn = torch.randint(1, LONGEST_HOLD + 1, (WORLDS,), generator=generator)
        renewed = torch.where(left == 0, drawn, left)
        left = torch.where(left < 0, left, renewed - 1)
    return chosen[:, :worlds]


@dataclass(frozen=True)
class CheckFinding:
    """One sentence about an environment.

    Attributes:
        check: the property that was checked; empty until `run_check` fills it in.
        outcome: `failed` if it does not hold, `note` if a person should look at it.
        message: what was seen.
        hint: what to write, or where to look; may be empty.
    """

    check: str
    outcome: Literal["ok", "note", "failed"]
    message: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


Findings = Iterator[CheckFinding]


def ok(message: str) -> CheckFinding:
    """The property holds."""
    return CheckFinding("", "ok", message)


def note(message: str, hint: str = "") -> CheckFinding:
    """The property may hold; a person should look."""
    return CheckFinding("", "note", message, hint)


def failed(message: str, hint: str) -> CheckFinding:
    """The property does not hold; the hint says what to write."""
    return CheckFinding("", "failed", message, hint)


def wrong_type(what: str, value: Tensor, expected: torch.dtype, hint: str) -> Findings:
    """A finding where a tensor has another type than it should."""
    if value.dtype != expected:
        got, wanted = (str(kind).removeprefix("torch.") for kind in (value.dtype, expected))
        yield failed(f"{what} is {got}, not {wanted}.", hint)
