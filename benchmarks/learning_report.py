"""The tables of `learning.py`: learning curves, and how our trainer differs from the other."""

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eureka_agent.common.statistics import estimate, t_quantile

OURS, THEIRS = "population", "sb3"
PARTS = (0.25, 0.5, 1.0)
"""Parts of the training at which the curves are shown."""

Group = list[dict[str, Any]]


@dataclass(frozen=True)
class Relative:
    """A difference relative to the size of the second mean.

    Attributes:
        value: (first - second) / |second|, of the means.
        variances: the parts of its sampling variance, one per group of trainings.
        freedoms: the degrees of freedom of each part.
    """

    value: float
    variances: tuple[float, ...]
    freedoms: tuple[int, ...]

    def interval(self) -> tuple[float, float]:
        """The 95 % t-interval, degrees of freedom by Welch and Satterthwaite."""
        total = sum(self.variances)
        if not total:
            return self.value, self.value
        parts = zip(self.variances, self.freedoms, strict=True)
        freedom = 1 / sum((part / total) ** 2 / count for part, count in parts)
        margin = t_quantile(freedom) * math.sqrt(total)
        return self.value - margin, self.value + margin


def relative(one: Sequence[float], other: Sequence[float]) -> Relative:
    """How much higher the mean of one group is, as a part of the other's.

    The spread of both groups counts, to first order (the delta method).

    Args:
        one: results of independent trainings, at least two.
        other: as many or more; its mean must not be near 0.
    """
    first, second = statistics.fmean(one), statistics.fmean(other)
    slopes = (1 / abs(second), first / second**2)
    variances = tuple(
        slope**2 * statistics.variance(values) / len(values)
        for slope, values in zip(slopes, (one, other), strict=True)
    )
    return Relative((first - second) / abs(second), variances, (len(one) - 1, len(other) - 1))


def pooled(parts: Sequence[Relative]) -> Relative:
    """The mean of independent differences."""
    count = len(parts)
    return Relative(
        statistics.fmean(part.value for part in parts),
        tuple(variance / count**2 for part in parts for variance in part.variances),
        tuple(freedom for part in parts for freedom in part.freedoms),
    )


def report(folder: Path) -> str:
    """Markdown tables of the cells in a folder; what is not there yet is left out."""
    groups: dict[tuple[str, str], Group] = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        cell = json.loads(path.read_text(encoding="utf-8"))
        groups[cell["environment"], cell["trainer"]].append(cell)
    if not groups:
        return f"{folder} holds no results yet."
    parts = [_curves(groups), _differences(groups), *_warnings(groups)]
    return "\n\n".join(part for part in parts if part)


def _curves(groups: dict[tuple[str, str], Group]) -> str:
    shown = " | ".join(f"return at {part:.0%}" for part in PARTS)
    rows = [f"| environment | trainer | steps | seeds | {shown} | fitness at the end |"]
    rows.append("|---" * (len(PARTS) + 5) + "|")
    for (environment, trainer), cells in sorted(groups.items()):
        values = [_interval([_at(cell, "returns", part) for cell in cells]) for part in PARTS]
        fitness = _interval([cell["fitness"][-1] for cell in cells])
        steps = statistics.fmean(cell["points"][-1] for cell in cells)
        entries = [environment, trainer, f"{steps:,.0f}", str(len(cells)), *values, fitness]
        rows.append(f"| {' | '.join(entries)} |")
    return "\n".join(rows)


def _differences(groups: dict[tuple[str, str], Group]) -> str:
    rows = [
        "| environment | (population - sb3) / sb3, end | 95 % interval |",
        "|---|---|---|",
    ]
    found: list[Relative] = []
    for environment in sorted({environment for environment, _ in groups}):
        one, other = (
            [cell["returns"][-1] for cell in groups.get((environment, trainer), [])]
            for trainer in (OURS, THEIRS)
        )
        if min(len(one), len(other)) < 2:
            continue
        found.append(relative(one, other))
        rows.append(_difference_row(environment, found[-1]))
    if not found:
        return ""
    if len(found) > 1:
        rows.append(_difference_row(f"mean of the {len(found)}", pooled(found)))
    return "\n".join(rows)


def _difference_row(name: str, difference: Relative) -> str:
    low, high = difference.interval()
    return f"| {name} | {difference.value:+.1%} | {low:+.1%} to {high:+.1%} |"


def _warnings(groups: dict[tuple[str, str], Group]) -> list[str]:
    versions: dict[str, set[str]] = defaultdict(set)
    for (environment, _), cells in groups.items():
        versions[environment] |= {cell["version"] for cell in cells}
    return [
        f"Cells of {environment} were measured by different rewards or fitnesses: measure again."
        for environment, found in versions.items()
        if len(found) > 1
    ]


def _at(cell: dict[str, Any], what: str, part: float) -> float:
    """A value at a part of the training: that of the look at that place in their order."""
    looks = len(cell["points"])
    return cell[what][max(round(part * looks), 1) - 1]


def _interval(values: Sequence[float]) -> str:
    found = estimate(values)
    assert found.mean is not None
    digits = 0 if abs(found.mean) >= 100 else 2
    mean = f"{found.mean:.{digits}f}"
    if found.interval is None:
        return mean
    return f"{mean} ± {found.interval[1] - found.mean:.{digits}f}"
