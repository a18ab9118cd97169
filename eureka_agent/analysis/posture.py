"""Posture: what recorded episodes tell about falls, and about what left its usual range."""

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.analysis.measures import WIDEST, Measure
from eureka_agent.analysis.recordings import Column, Recordings

_FALLEN, _SUNK = 0.15, 0.8
"""A robot has fallen if its tilt (rad) changed by more than the first, or if its height is below
the second part of what is usual."""
_FOOT = 0.15
"""Part of the highest starting height that must be lost at least."""
_LEAST = 0.05
"""Height (m) that must be lost at least: some heights count from where the robot starts."""
_TIPPED = 0.3
"""Loss of the upward part of a direction that counts as a fall."""
_APART = 0.2
"""Spreads of a column by which its mean must lie outside what good episodes do, to be told."""
_POSITIONS = ("position", "distance", "angle", "orientation")


def falls(recordings: Recordings, good: BoolArray) -> dict[int, tuple[int, Column]]:
    """Where an early end is a fall: the step at which it begins and the column that shows it.

    A fall loses height or uprightness; other early ends are none. Where there are good episodes,
    it must end farther out than those ever get.
    """
    postures = _postures(recordings)
    heights = [column.index for column in postures if column.signal.kind == "position"]
    tall = float(np.median(recordings.states[0][:, heights], axis=0).max(initial=0.0))
    sizes = [(column, _fall_size(recordings, column, good, tall)) for column in postures]
    found: dict[int, tuple[int, Column]] = {}
    for episode in np.flatnonzero(recordings.terminated).tolist():
        length = int(recordings.lengths[episode])
        worst, column = 1.0, None
        for candidate, size in sizes:
            if size[length, episode] > worst:
                worst, column = float(size[length, episode]), candidate
        if column is not None:
            course = recordings.states[: length + 1, episode, column.index]
            upright = np.abs(course - course[0]) < np.abs(course - course[-1])
            found[episode] = (min(int(upright.nonzero()[0].max(initial=0)), length - 1), column)
    return found


def farthest_out(
    recordings: Recordings, good: BoolArray, episode: int
) -> tuple[Column, float, float] | None:
    """The column that ends farthest outside what good episodes do, with their range.

    Returns:
        The column, and the lowest and highest value of good episodes; None if none is outside, or
        without good episodes.
    """
    if not good.any():
        return None
    lived = recordings.states[recordings.lived & good]
    low, high = lived.min(axis=0), lived.max(axis=0)
    last = recordings.states[recordings.lengths[episode], episode]
    out = np.maximum(last - high, low - last) / np.maximum(high - low, 1e-6)
    columns = [c for c in recordings.of_kind(*_POSITIONS) if out[c.index] > 0]
    if not columns:
        return None
    column = max(columns, key=lambda c: out[c.index])
    return column, float(low[column.index]), float(high[column.index])


def late_difference(
    recordings: Recordings, good: BoolArray, failed: BoolArray, measure: Measure | None
) -> tuple[Column, float, float, float] | None:
    """The column whose mean over the last quarter sets failed episodes most apart from good ones.

    Args:
        recordings: all episodes that are known.
        good: which of them do the task well `[E]`.
        failed: which of them to compare, others `[E]`.
        measure: what progress is; to fall short of that says nothing new.

    Returns:
        The column, its median over the failed episodes, and the lowest and highest of good ones;
        None where none stands out, or without either kind.
    """
    if not good.any() or not failed.any():
        return None
    steps = np.arange(len(recordings.states))[:, None]
    late = recordings.lived & (4 * steps >= 3 * recordings.lengths)
    means = np.einsum("le,les->es", late, recordings.states) / late.sum(axis=0)[:, None]
    low, high = means[good].min(axis=0), means[good].max(axis=0)
    value = np.median(means[failed], axis=0)
    spread = recordings.states[recordings.lived].std(axis=0)
    out = np.maximum(value - high, low - value) / np.where(spread > 0, spread, np.inf)
    out[[column.index for column in recordings.of_kind("goal")]] = 0.0
    if measure is not None and measure.column is not None:
        out[measure.column.index] = 0.0
    index = int(out.argmax())
    if out[index] < _APART:
        return None
    column = recordings.columns[index]
    return column, float(value[index]), float(low[index]), float(high[index])


def _postures(recordings: Recordings) -> list[Column]:
    """Columns by which a fall shows: heights, upward parts of directions, and single tilts."""
    return [
        column
        for column in recordings.of_kind(*_POSITIONS)
        if (column.signal.size or 1) <= WIDEST
        and (column.upward or (column.signal.kind == "angle" and column.signal.size is None))
    ]


def _fall_size(recordings: Recordings, column: Column, good: BoolArray, tall: float) -> FloatArray:
    """How far beyond what is usual a column is, a fall being above 1 `[L + 1, E]`.

    Of a robot whose highest part is `tall`: a foot that comes down is no fall.
    """
    course = recordings.states[:, :, column.index]
    usual = course[recordings.lived & good] if good.any() else course[0]
    level = float(np.median(usual))
    away = level - course
    if column.signal.kind == "angle":
        away, limit = np.abs(away), _FALLEN
    elif column.signal.kind == "orientation":
        away, limit = np.abs(away), _TIPPED
    else:
        limit = max((1.0 - _SUNK) * abs(level), _FOOT * tall, _LEAST)
    if good.any():
        limit = max(limit, float(np.quantile(np.abs(usual - level), 0.99)))
    return away / limit
