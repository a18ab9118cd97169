"""Recorded steps and episodes, and the arguments that reward programs read from them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eureka_agent.environment.state import Stateful
from eureka_agent.reward import RewardValues, Signal, split_prefix

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]


class SignalLayout:
    """Where each signal lies in a packed `[..., S]` float32 tensor.

    One tensor holds all signals of a state, so that storing a step is one copy and a program's
    argument is a view.
    """

    def __init__(self, signals: Sequence[Signal]) -> None:
        self.signals = tuple(signals)
        self._columns: dict[str, slice | int] = {}
        start = 0
        for signal in signals:
            stop = start + (signal.size or 1)
            self._columns[signal.name] = start if signal.size is None else slice(start, stop)
            start = stop
        self.width = start

    @property
    def columns(self) -> tuple[str, ...]:
        """The expression that reads each of the `S` columns in a program."""
        return tuple(
            f"{signal.name}[:, {i}]" if signal.size else signal.name
            for signal in self.signals
            for i in range(signal.size or 1)
        )

    def pack(self, values: Mapping[str, Tensor]) -> Tensor:
        """Pack `[N]` and `[N, d]` signals into `[N, S]`."""
        columns = [values[s.name] for s in self.signals]
        return torch.cat([c if c.dim() == 2 else c[:, None] for c in columns], dim=1)

    def read(self, packed: Tensor, name: str) -> Tensor:
        """One signal of a packed `[..., S]` tensor, `[...]` or `[..., d]`, as a view."""
        return packed[..., self._columns[name]]


@dataclass
class Memory(Stateful):
    """What running episodes have seen so far, packed: first, highest and lowest values `[N, S]`."""

    start: Tensor
    high: Tensor
    low: Tensor
    STATE: ClassVar = ("start", "high", "low")

    @classmethod
    def empty(
        cls, worlds: int, layout: SignalLayout, device: torch.device | None = None
    ) -> "Memory":
        """Memory before any step; an episode's first step overwrites it."""
        return cls(*(torch.zeros(worlds, layout.width, device=device) for _ in range(3)))


@dataclass
class Transitions:
    """`T` steps of `N` worlds. Rows are independent: any subset of them can be used.

    Attributes:
        before: packed signals ahead of each step, after a reset where there was one `[T, N, S]`.
        after: packed signals after each step and before any reset `[T, N, S]`.
        action: as applied, in [-1, 1] `[T, N, A]`.
        prev_action: the one before; 0 at an episode's first step `[T, N, A]`.
        terminated: whether the episode ended here, before its time limit `[T, N]` bool.
        time_left: fraction of the time limit that is left `[T, N]`.
        fresh: whether this was an episode's first step `[T, N]` bool.
    """

    before: Tensor
    after: Tensor
    action: Tensor
    prev_action: Tensor
    terminated: Tensor
    time_left: Tensor
    fresh: Tensor

    def worlds(self, part: slice) -> "Transitions":
        """The same steps for a slice of the worlds, as views."""
        return Transitions(*(value[:, part] for value in vars(self).values()))

    def arguments(
        self, layout: SignalLayout, parameters: Iterable[str], memory: Memory
    ) -> dict[str, Tensor]:
        """Arguments `[M]` or `[M, d]`, `M = T·N`, for the parameters that a program asks for.

        Args:
            layout: of `before` and `after`.
            parameters: signals, `prev_`, `start_`, `max_` or `min_` before one, and the plain names
                of the reward program's contract. Other names are left out.
            memory: what the running episodes have seen before the first step; moved on in place
                when a parameter needs it.
        """
        names = {p: split_prefix(p) for p in parameters}
        needs_memory = any(prefix in ("start", "max", "min") for prefix, _ in names.values())
        packed = {"": self.after, "prev": self.before}
        if needs_memory:
            packed |= self._remember(memory)
        plain = {
            "action": self.action,
            "prev_action": self.prev_action,
            "terminated": self.terminated,
            "time_left": self.time_left,
        }
        known = {s.name for s in layout.signals}
        result: dict[str, Tensor] = {}
        for parameter, (prefix, name) in names.items():
            if parameter in plain:
                result[parameter] = _rows(plain[parameter])
            elif name in known:
                result[parameter] = _rows(layout.read(packed[prefix], name))
        return result

    def _remember(self, memory: Memory) -> dict[str, Tensor]:
        """First, highest and lowest values of each episode up to every step, `[T, N, S]` each."""
        seen: dict[str, list[Tensor]] = {"start": [], "max": [], "min": []}
        start, high, low = memory.start, memory.high, memory.low
        for step in range(self.after.shape[0]):
            fresh, first = self.fresh[step, :, None], self.before[step]
            start = torch.where(fresh, first, start)
            high = torch.maximum(torch.where(fresh, first, high), self.after[step])
            low = torch.minimum(torch.where(fresh, first, low), self.after[step])
            seen["start"].append(start)
            seen["max"].append(high)
            seen["min"].append(low)
        memory.start, memory.high, memory.low = start, high, low
        return {prefix: torch.stack(values) for prefix, values in seen.items()}


def _rows(value: Tensor) -> Tensor:
    """`[T, N, ...]` to a contiguous copy `[M, ...]`, which a program may change."""
    return value.reshape(-1, *value.shape[2:]).clone()


@dataclass
class Episodes:
    """`E` episodes of up to `L` control steps.

    Attributes:
        states: packed signals at the reset and after each step `[L + 1, E, S]`.
        actions: as applied, in [-1, 1] `[L, E, A]`.
        lengths: steps until the end of each episode `[E]` int64; rows beyond are meaningless.
        terminated: whether it ended before its time limit `[E]` bool.
        before: packed signals ahead of each step `[L, E, S]` of tasks that change within an
            episode, where they are not always those after the last step; None of other tasks.
    """

    states: Tensor
    actions: Tensor
    lengths: Tensor
    terminated: Tensor
    before: Tensor | None = None

    def arrays(self) -> dict[str, np.ndarray]:
        """The same as NumPy arrays, to send or to store."""
        return {name: value.numpy() for name, value in vars(self).items() if value is not None}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Episodes":
        """The inverse of `arrays`."""
        names = [field.name for field in fields(cls) if field.name in arrays]
        return cls(**{n: torch.from_numpy(np.ascontiguousarray(arrays[n])) for n in names})

    def part(self, episodes: slice | Tensor) -> "Episodes":
        """Some of the episodes."""
        return Episodes(
            self.states[:, episodes],
            self.actions[:, episodes],
            self.lengths[episodes],
            self.terminated[episodes],
            None if self.before is None else self.before[:, episodes],
        )

    def alive(self) -> Tensor:
        """Which steps belong to their episode `[L, E]` bool."""
        return torch.arange(len(self.actions))[:, None] < self.lengths

    def arguments(self, layout: SignalLayout, parameters: tuple[str, ...]) -> dict[str, Tensor]:
        """What a program reads, `M = L·E` rows; rows beyond an end repeat the last one."""
        steps, episodes = self.actions.shape[:2]
        # Rows past an end hold garbage: programs get valid rows instead, and `sums` ignores them.
        time = torch.arange(steps)[:, None].expand(steps, episodes)
        row = torch.minimum(time, self.lengths - 1)
        which = torch.arange(episodes).expand(steps, episodes)
        prev_actions = torch.cat([torch.zeros_like(self.actions[:1]), self.actions[:-1]])
        transitions = Transitions(
            before=(self.states if self.before is None else self.before)[row, which],
            after=self.states[row + 1, which],
            action=self.actions[row, which],
            prev_action=prev_actions[row, which],
            terminated=(row == self.lengths - 1) & self.terminated,
            time_left=1.0 - (row + 1).float() / steps,
            fresh=time == 0,
        )
        return transitions.arguments(layout, parameters, Memory.empty(episodes, layout))

    def sums(self, evaluation: RewardValues) -> Tensor:
        """Undiscounted return of a program in each episode `[E]` float64."""
        total = evaluation.total.view(self.actions.shape[:2])
        return torch.where(self.alive(), total, 0.0).double().sum(0)


def concatenate(episodes: Sequence[Episodes]) -> Episodes:
    """Several sets of episodes side by side."""
    arrays = [one.arrays() for one in episodes]
    axis = {"lengths": 0, "terminated": 0}
    return Episodes.from_arrays(
        {name: np.concatenate([a[name] for a in arrays], axis.get(name, 1)) for name in arrays[0]}
    )


@dataclass
class EvaluatedEpisodes:
    """Episodes of one or several policies side by side, with what is known about each.

    Attributes:
        fitness: per episode `[E]` float64; NaN where nothing measures the task.
        diverged: whether the episode ended because the physics failed `[E]` bool.
        episodes: E of them, as recorded.
        progress: per episode by the environment's dense measure `[E]` float64, NaN where it says
            nothing; None without such a measure.
        labels: a word for each episode, such as its policy's group or its way to fail; E of them,
            or none.
        reward: what a reward program returns at each step `[L, E]`, meaningless beyond an end;
            None where no program was called.
        component_rewards: the same by component, weights included `[L, E]` each.

    Raises:
        ValueError: the arrays do not fit together.
    """

    fitness: FloatArray
    diverged: BoolArray
    episodes: Episodes
    progress: FloatArray | None = None
    labels: tuple[str, ...] = ()
    reward: NDArray[Any] | None = None
    component_rewards: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        steps, count = self.episodes.actions.shape[:2]
        rewards = [*self.component_rewards.values()]
        rewards += [] if self.reward is None else [self.reward]
        fits = {
            "states": self.episodes.states.shape[:2] == (steps + 1, count),
            "lengths": self.lengths.shape == (count,)
            and bool(((self.lengths >= 1) & (self.lengths <= steps)).all()),
            "terminated": self.terminated.shape == (count,),
            "fitness": self.fitness.shape == (count,),
            "diverged": self.diverged.shape == (count,),
            "progress": self.progress is None or self.progress.shape == (count,),
            "labels": len(self.labels) in (0, count),
            "rewards": all(values.shape == (steps, count) for values in rewards),
        }
        wrong = [name for name, right in fits.items() if not right]
        if wrong:
            raise ValueError(
                f"{count} episodes of up to {steps} steps do not fit their {', '.join(wrong)}"
            )

    @property
    def count(self) -> int:
        """Number of episodes E."""
        return len(self.fitness)

    @property
    def lengths(self) -> IntArray:
        """Steps of each episode `[E]`, at least 1."""
        return self.episodes.lengths.numpy()

    @property
    def terminated(self) -> BoolArray:
        """Whether each episode ended before its time limit `[E]`."""
        return self.episodes.terminated.numpy()

    @property
    def alive(self) -> BoolArray:
        """Which steps belong to their episode `[L, E]`."""
        return self.episodes.alive().numpy()

    @property
    def mean_fitness(self) -> float | None:
        """Mean over the episodes; None where nothing measures the task."""
        mean = float(self.fitness.mean())
        return mean if math.isfinite(mean) else None

    @property
    def nearness(self) -> float | None:
        """Mean progress over the episodes that have one; None where none has."""
        known = np.array([]) if self.progress is None else self.progress[np.isfinite(self.progress)]
        return float(known.mean()) if len(known) else None

    def labelled(self, *labels: str) -> BoolArray:
        """Which episodes have one of these labels `[E]`."""
        return np.array([label in labels for label in self.labels], dtype=np.bool_)

    def part(self, which: BoolArray) -> "EvaluatedEpisodes":
        """The chosen episodes `[E]`, without rewards."""
        chosen = np.flatnonzero(which)
        return EvaluatedEpisodes(
            self.fitness[chosen],
            self.diverged[chosen],
            self.episodes.part(torch.from_numpy(chosen)),
            None if self.progress is None else self.progress[chosen],
            tuple(self.labels[k] for k in chosen.tolist()) if self.labels else (),
        )


def join_evaluated(parts: Mapping[str, Sequence[EvaluatedEpisodes]]) -> EvaluatedEpisodes:
    """All episodes side by side, each labelled with its key; at least one."""
    every = [(label, one) for label, group in parts.items() for one in group]
    return EvaluatedEpisodes(
        fitness=np.concatenate([one.fitness for _, one in every]),
        diverged=np.concatenate([one.diverged for _, one in every]),
        episodes=concatenate([one.episodes for _, one in every]),
        labels=tuple(label for label, one in every for _ in range(one.count)),
    )
