"""Posture: what recorded episodes tell about falls, and about what left its usual range."""

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.analysis.measures import WIDEST
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
