"""Fitness: the measure of a task. The judge loads it; a policy can also be trained on it alone."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.common.statistics import UNBOUNDED, Bounds
from eureka_agent.common.text import did_you_mean
from eureka_agent.environment.source_files import foreign_code, load_module
from eureka_agent.reward import RewardValues, Signal
from eureka_agent.reward.signals import parameter_names

Reduce = Literal["mean", "sum", "last", "max", "any"]


@dataclass(frozen=True)
class ProgressMeasure:
    """A dense measure of the fitness's task, for tasks where the fitness is sparse.

    Attributes:
        function: `(**signals) -> [M]`, higher is better.
        parameters: the signals that it reads, as those of a fitness.
        meaning: the function's docstring: what the number is, with its unit.
    """

    function: Callable[..., Tensor]
    parameters: tuple[str, ...]
    meaning: str

    def episode(self, arguments: Mapping[str, Tensor], lengths: Tensor) -> Tensor:
        """Mean over the time limit `[E]` float64; steps after an early end count as its last step.

        Otherwise an end would hide what it cost, or what it reached.

        Args:
            arguments: of all `M = L·E` transitions of `E` episodes, `L` the time limit.
            lengths: steps until the end of each episode `[E]`.
        """
        steps = self.function(**arguments).double().view(-1, len(lengths))
        rows = torch.minimum(torch.arange(len(steps))[:, None], lengths - 1)
        return steps.gather(0, rows).mean(0)


@dataclass(frozen=True)
class Fitness:
    """A fitness per step and how an episode reduces it over the full time limit; higher is better.

    It has the interface of a reward function, so that a policy can be trained on it bare.

    Attributes:
        function: `(**signals) -> [M]`.
        parameters: the signals that it reads, with `prev_` and the like as in reward programs.
        reduce: how an episode's steps become one number.
        after_end: what each step after an early end counts as.
        meaning: the file's docstring: what the number is, with its unit.
        progress: a dense measure of the same task, if the file has one; it decides only among
            candidates of equal fitness.
        stated: bounds of an episode's fitness that the file states; None where it states none.
        path: the file.
    """

    function: Callable[..., Tensor]
    parameters: tuple[str, ...]
    reduce: Reduce
    after_end: float
    meaning: str
    progress: ProgressMeasure | None = None
    stated: Bounds | None = None
    path: Path = Path("fitness.py")

    def bounds(self, *, boolean: bool, steps: int) -> Bounds:
        """Bounds of an episode's fitness, as stated by the file or implied by how it reduces.

        Args:
            boolean: whether the function returns booleans.
            steps: the time limit.
        """
        if self.stated is not None:
            return self.stated
        if self.reduce == "any":
            return 0.0, 1.0
        if not boolean:
            return UNBOUNDED
        times = steps if self.reduce == "sum" else 1
        return min(0.0, self.after_end) * times, max(1.0, self.after_end) * times

    @property
    def weights(self) -> dict[str, float]:
        """Weights, as a reward program with one component has them."""
        return {"fitness": 1.0}

    def __call__(self, arguments: Mapping[str, Tensor]) -> RewardValues:
        """Fitness of each transition `[M]`."""
        total = self.function(**arguments).float()
        return RewardValues(total=total, components={"fitness": total})

    def require_signals(self, signals: Sequence[Signal]) -> None:
        """Refuse a fitness with a parameter that is not a signal.

        Raises:
            UsageError: it has one.
        """
        known = parameter_names(signals)
        code = getattr(self.function, "__code__", None)
        line = f", line {code.co_firstlineno}" if code else ""
        for name, parameter in inspect.signature(self.function).parameters.items():
            named = parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            if name not in known and parameter.default is parameter.empty and named:
                listed = ", ".join(signal.name for signal in signals)
                raise UsageError(
                    f"{self.path}{line}: the fitness reads {name!r}, which is not a signal.",
                    f"{did_you_mean(name, known)} The signals are {listed}.".strip(),
                )

    def steps(self, arguments: Mapping[str, Tensor], limit: int, episodes: int) -> Tensor:
        """Fitness of each step of `E` episodes of `L` steps `[L, E]` float64.

        Args:
            arguments: of all `M = L·E` transitions.
            limit: L.
            episodes: E.

        Raises:
            UsageError: it fails, or does not give a number per row.
        """
        with foreign_code(self.path):
            given = self.function(**arguments)
        rows = limit * episodes
        if not isinstance(given, Tensor) or given.shape != (rows,):
            what = f"shape {list(given.shape)}" if isinstance(given, Tensor) else repr(given)[:60]
            raise UsageError(
                f"{self.path}: fitness returns {what} for {rows} rows.",
                "Return a tensor with one number per row, [M]: choose a column, x[:, 0], or "
                "reduce columns, x.sum(-1).",
            )
        return given.float().view(limit, episodes).double()

    def episode(self, steps: Tensor, lengths: Tensor, diverged: Tensor | None = None) -> Tensor:
        """One number per episode `[E]`.

        An episode whose physics failed proves nothing, and its last actions may have broken it: all
        its steps count as the lower of `after_end` and its own lowest step.

        Args:
            steps: fitness of each step `[L, E]`, `L` the time limit; steps past an early end are
                ignored.
            lengths: steps until the end of each episode `[E]`.
            diverged: whether it ended because the physics failed `[E]` bool; None if none did.
        """
        alive = torch.arange(len(steps))[:, None] < lengths
        values = torch.where(alive, steps, torch.full_like(steps, self.after_end))
        if diverged is not None:
            known = torch.where(values.isfinite(), values, self.after_end)
            worst = known.amin(0).clamp(max=self.after_end)
            values = torch.where(diverged, worst, values)
        match self.reduce:
            case "mean":
                return values.mean(0)
            case "sum":
                return values.sum(0)
            case "last":
                return values[-1]
            case "max":
                return values.amax(0)
            case "any":
                return (values > 0).any(0).float()


def load_fitness(path: Path) -> Fitness:
    """Load `fitness.py`.

    Raises:
        UsageError: the file is broken, lacks `fitness`, its REDUCE, AFTER_END or RANGE cannot be
            used, or its `progress` has no docstring.
    """
    module = load_module(path)
    function: Callable[..., Tensor] | None = getattr(module, "fitness", None)
    reduce: Any = getattr(module, "REDUCE", "mean")
    if function is None or not callable(function):
        raise UsageError(f"{path} defines no function called fitness.", "Write fitness(<signals>).")
    if reduce not in get_args(Reduce):
        raise UsageError(
            f"{path}: REDUCE is {reduce!r}.", f"Use one of {', '.join(get_args(Reduce))}."
        )
    after_end: Any = getattr(module, "AFTER_END", 0.0)
    if not isinstance(after_end, int | float) or not math.isfinite(after_end):
        raise UsageError(f"{path}: AFTER_END is {after_end!r}.", "Give a finite number.")
    return Fitness(
        function=function,
        parameters=_parameters(path, function),
        reduce=reduce,
        after_end=float(after_end),
        meaning=" ".join((module.__doc__ or "").split()),
        progress=_load_progress(path, module),
        stated=_load_range(path, module),
        path=path,
    )


def _load_range(path: Path, module: ModuleType) -> Bounds | None:
    """RANGE of a fitness file: the stated bounds of an episode's fitness."""
    given: Any = getattr(module, "RANGE", None)
    if given is None:
        return None
    ends = tuple(given) if isinstance(given, tuple | list) else ()
    known = [end for end in ends if end is not None]
    numbers = all(isinstance(end, int | float) and math.isfinite(end) for end in known)
    if len(ends) != 2 or not numbers or (len(known) == 2 and not known[0] < known[1]):
        raise UsageError(
            f"{path}: RANGE is {given!r}.",
            "Give the lowest and the highest fitness that an episode can get, as in "
            "RANGE = (0, 1); None where there is no bound.",
        )
    low, high = (None if end is None else float(end) for end in ends)
    return low, high


def _load_progress(path: Path, module: ModuleType) -> ProgressMeasure | None:
    """The function `progress` of a fitness file, if it has one."""
    function: Callable[..., Tensor] | None = getattr(module, "progress", None)
    if function is None:
        return None
    meaning = " ".join((inspect.getdoc(function) or "").split()) if callable(function) else ""
    if not meaning:
        raise UsageError(
            f"{path}: progress does not say what it measures.",
            "Write progress(<signals>) with a docstring: what the number is, with its unit.",
        )
    return ProgressMeasure(function, _parameters(path, function), meaning)


def _parameters(path: Path, function: Callable[..., Tensor]) -> tuple[str, ...]:
    with foreign_code(path):
        return tuple(inspect.signature(function).parameters)
