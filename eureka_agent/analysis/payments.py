"""What a program pays to policies before it is trained: a table for those who judge it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.analysis.layout import number, percent, plain

LOW, HIGH = 5, 95
"""Percentiles between which most of what is paid lies."""
NOTHING = 1e-6
"""Part of the largest reward at any step below which a payment is shown as 0."""


@dataclass(frozen=True)
class Income:
    """What one program pays for the episodes of one policy.

    Attributes:
        who: the policy, in words.
        components: without their weights, `[C, L, E]`, in the order of the program's WEIGHTS.
        total: the reward `[L, E]`.
        alive: which steps belong to an episode `[L, E]`.
        ended: which episodes ended before their time limit `[E]`.
    """

    who: str
    components: FloatArray
    total: FloatArray
    alive: BoolArray
    ended: BoolArray


def payments(weights: Mapping[str, float], incomes: Sequence[Income]) -> list[str]:
    """Lines of a Markdown table: a row for each component, a column for each policy.

    A cell is the mean per step of component times weight, and the percentiles `LOW` and `HIGH`.
    Below stand their sum and the return of an episode; where episodes end early also their length
    in steps, and how many do.

    Args:
        weights: of the program's components.
        incomes: what it pays whom; none makes no table.
    """
    if not incomes:
        return []
    paid = np.abs(np.concatenate([income.total[income.alive] for income in incomes]))
    least = NOTHING * float(paid[np.isfinite(paid)].max(initial=0.0))
    rows = [
        [f"`{plain(name)}` (weight {number(weight)})"]
        + [_spread(weight * income.components[k][income.alive], least) for income in incomes]
        for k, (name, weight) in enumerate(weights.items())
    ]
    rows.append(["reward per step"] + [_spread(i.total[i.alive], least) for i in incomes])
    rows.append(["reward per episode"] + [_spread(_returns(i), least) for i in incomes])
    if any(income.ended.any() for income in incomes):
        rows.append(["steps per episode"] + [number(float(i.alive.sum(0).mean())) for i in incomes])
        rows.append(["episodes that end early"] + [percent(float(i.ended.mean())) for i in incomes])
    head = ["", *(income.who for income in incomes)]
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _returns(income: Income) -> FloatArray:
    """`[E]`."""
    return np.where(income.alive, income.total, 0.0).sum(0)


def _spread(values: FloatArray, least: float) -> str:
    """Mean, and the percentiles where they differ; what is smaller than `least` is nothing."""
    with np.errstate(all="ignore"):  # a program may pay what is no number
        found = [float(values.mean(dtype=np.float64)), *np.percentile(values, (LOW, HIGH)).tolist()]
    mean, low, high = (number(0.0 if abs(value) < least else value) for value in found)
    return mean if low == high == mean else f"{mean} ({low} to {high})"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
