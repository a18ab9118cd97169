"""Sweeps: rows of arguments in which one or two quantities change and the rest stays as it was.

This module plans them, a worker evaluates them, and `profile` reads the results: a partial
dependence plot (Friedman, 2001) at one typical row.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from eureka_agent.environment.episodes import FloatArray
from eureka_agent.reward import Signal, split_prefix

Arguments: TypeAlias = Mapping[str, NDArray[Any]]
"""Arguments of a program, by parameter: `[M]` or `[M, d]` each."""

POINTS = 51
"""Values of each swept quantity: an odd number, so that 0 is one of a symmetric range."""
RANGE = (0.01, 0.99)
"""Quantiles of the bank between which a quantity is swept."""
_BINS = 10
"""Groups of equal size into which a quantity's values are divided, to see what goes with them."""
_UNIT = 1e-3
"""Deviation from length 1 up to which a direction or a quaternion is one."""


@dataclass(frozen=True)
class Swept:
    """A quantity to sweep.

    Attributes:
        parameter: a signal or `action`.
        column: its column; None if it has none.
        low: the first value.
        high: the last one.
        unit: of both.
        change: whether to sweep its change over the step in place of the quantity itself.
    """

    parameter: str
    column: int | None
    low: float
    high: float
    unit: str = "1"
    change: bool = False

    @property
    def name(self) -> str:
        """The expression that reads it in a program."""
        column = "" if self.column is None else f"[:, {self.column}]"
        now = f"{self.parameter}{column}"
        return f"{now} - prev_{now}" if self.change else now


@dataclass(frozen=True)
class Sweep:
    """A plan: rows on which a program is to be evaluated.

    Attributes:
        swept: one or two quantities.
        grids: their values `[G]` each.
        arguments: `M = G` or `G * G` rows; the last quantity changes fastest.
    """

    swept: tuple[Swept, ...]
    grids: tuple[FloatArray, ...]
    arguments: dict[str, NDArray[Any]]

    def shaped(self, values: NDArray[Any]) -> FloatArray:
        """Rewards of the rows `[M]`, on the grid `[G]` or `[G, G]`."""
        return np.asarray(values, dtype=np.float64).reshape([len(grid) for grid in self.grids])


def propose(
    signals: Sequence[Signal], arguments: Arguments, rewards: NDArray[Any], most: int = 2
) -> list[Swept]:
    """The quantities that a program's reward varies with most, the strongest first.

    If a program reads a signal and its `prev_`, and the reward varies more with the change over the
    step, that is the quantity. All of them can be swept together.

    Args:
        signals: of the environment.
        arguments: of the bank's rows, for the parameters of the program.
        rewards: of the program for them `[M]`.
        most: largest number to return; fewer if the rest does not change.
    """
    units = {signal.name: signal.unit for signal in signals} | {"action": "1"}
    found: list[tuple[float, Swept]] = []
    for parameter, values in arguments.items():
        if parameter not in units:  # only the present can be chosen; the past follows it
            continue
        forms = [(False, values)]
        if f"prev_{parameter}" in arguments and parameter != "action":  # whose past stays anyway
            forms.append((True, values - arguments[f"prev_{parameter}"]))
        columns = range(values.shape[1]) if values.ndim == 2 else [None]
        for column, (change, form) in itertools.product(columns, forms):
            own = np.asarray(form if column is None else form[:, column], dtype=np.float64)
            low, high = (float(bound) for bound in np.quantile(own, RANGE))
            if low < high:
                swept = Swept(parameter, column, low, high, units[parameter], change)
                found.append((_explained(own, np.asarray(rewards, dtype=np.float64)), swept))
    found.sort(key=lambda item: -item[0])
    chosen: list[Swept] = []
    for _, swept in found:
        same = [other for other in chosen if other.parameter == swept.parameter]
        if all(o.column != swept.column and o.change == swept.change for o in same):
            chosen.append(swept)
    return chosen[:most]


def typical_row(arguments: Arguments) -> dict[str, NDArray[Any]]:
    """The row of a bank nearest to the median of every column, `[1]` or `[1, d]` each."""
    distance: FloatArray | None = None
    for values in arguments.values():
        columns = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
        spread = columns.std(axis=0)
        away = np.square((columns - np.median(columns, axis=0)) / np.where(spread > 0, spread, 1.0))
        distance = away.sum(axis=1) + (0.0 if distance is None else distance)
    row = 0 if distance is None else int(distance.argmin())
    return {name: values[row : row + 1].copy() for name, values in arguments.items()}


def plan(
    signals: Sequence[Signal],
    reference: Arguments,
    swept: Sequence[Swept],
    points: int = POINTS,
) -> Sweep:
    """Rows in which one or two quantities take the values of a grid.

    The past stays consistent with them: `prev_` moves along, so that the change over the step is
    that of the reference, unless that change is what is swept: then `prev_` stays. `max_` and
    `min_` take in what they must; `start_` stays, and so does `prev_action`. Directions and
    quaternions keep their length 1. Rows may be physically impossible, such as fast and standing at
    the same place: a sweep shows the program, not the physics.

    Args:
        signals: of the environment.
        reference: one row, `[1]` or `[1, d]` each, such as `typical_row`.
        swept: one or two different quantities that the reference has, not a signal and its change.
        points: of each grid.
    """
    grids = tuple(np.linspace(quantity.low, quantity.high, points) for quantity in swept)
    values = [grid.ravel() for grid in np.meshgrid(*grids, indexing="ij")]
    arguments = {n: np.repeat(value, len(values[0]), axis=0) for n, value in reference.items()}
    units = {s.name for s in signals if s.kind == "orientation" and s.size in (3, 4)}
    for parameter in {quantity.parameter for quantity in swept}:
        own = [(q, v) for q, v in zip(swept, values, strict=True) if q.parameter == parameter]
        change = own[0][0].change
        base = arguments[f"prev_{parameter}" if change else parameter]
        chosen = {
            q.column: v + (base if q.column is None else base[:, q.column]) if change else v
            for q, v in own
        }
        moved = _moved(arguments[parameter], chosen, parameter in units)
        _bring_along(arguments, parameter, moved, unit=parameter in units, change=change)
    return Sweep(tuple(swept), grids, arguments)


def _moved(
    value: NDArray[Any], chosen: Mapping[int | None, FloatArray], unit: bool
) -> NDArray[Any]:
    """A parameter's rows with the chosen columns set."""
    if None in chosen:
        return chosen[None].astype(value.dtype)
    moved = value.copy()
    for column, values in chosen.items():
        moved[:, column] = values
    if not unit or np.abs(np.linalg.norm(value, axis=1) - 1.0).max() > _UNIT:
        return moved
    others = np.array([i not in chosen for i in range(value.shape[1])])
    left = np.sqrt(np.maximum(1.0 - np.square(moved[:, ~others]).sum(axis=1), 0.0))
    size = np.linalg.norm(moved[:, others], axis=1)
    # Where nothing is left to scale, as with a level robot, any direction is as good.
    nowhere = size < _UNIT
    moved[nowhere, int(others.argmax())] = 1.0
    size = np.linalg.norm(moved[:, others], axis=1)
    moved[:, others] *= (left / size)[:, None]
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def _bring_along(
    arguments: dict[str, NDArray[Any]],
    parameter: str,
    moved: NDArray[Any],
    *,
    unit: bool,
    change: bool,
) -> None:
    """Set a parameter's rows, and what its past must have been."""
    before = arguments[parameter]
    arguments[parameter] = moved
    prev = arguments.get(f"prev_{parameter}")
    # `prev_action` is another action, and not where this one has come from.
    if prev is not None and not change and split_prefix(f"prev_{parameter}")[0] == "prev":
        prev = prev + (moved - before)
        if unit:
            prev = prev / np.maximum(np.linalg.norm(prev, axis=1, keepdims=True), _UNIT)
        arguments[f"prev_{parameter}"] = prev
    seen = [moved] if prev is None or parameter == "action" else [moved, prev]
    for prefix, extreme in (("max", np.maximum), ("min", np.minimum)):
        name = f"{prefix}_{parameter}"
        if name in arguments:
            # The reference's own extreme may be the very value that was swept away.
            past = np.where(arguments[name] == before, moved, arguments[name])
            arguments[name] = extreme.reduce([past, *seen])


def _explained(values: FloatArray, rewards: FloatArray) -> float:
    """Fraction of the rewards' variance that goes with a quantity `[M]` in any shape, 0 to 1."""
    whole = float(rewards.var())
    if not whole:
        return 0.0
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, _BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="right")
    counts = np.bincount(bins)
    means = np.bincount(bins, rewards) / np.maximum(counts, 1)
    return float((counts * np.square(means - rewards.mean())).sum() / len(rewards) / whole)
