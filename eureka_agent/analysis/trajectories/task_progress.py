"""Measures: what recorded episodes tell about progress, whatever the task is.

Nothing here knows an environment. What progress is follows from the kinds of the signals and from
what good episodes have in common, or from the rank correlation with the fitness; where neither
tells, there is no measure.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray, kendall_tau
from eureka_agent.analysis.trajectories.episodes import Column, Recordings
from eureka_agent.common.plain_text import number

RELATED = 0.4
"""Rank correlation with the fitness from which a quantity is what the task is about."""
_NEARER = 0.5
"""Part of the first distance to a goal that good episodes must lose."""
_NEAR = 0.1
"""Part of the first distance to a goal that counts as having reached it, where good episodes get
nearer than that."""
_STRAIGHT = 0.7
"""Part of a column's range in an episode by which it must differ from the start, to be travel."""
_MOST = 0.8
"""Share of the good episodes that must go the same way."""
_HELD = 5.0
"""Spreads by which a column must be away from the level that good episodes hold later."""
WIDEST = 3
"""Columns of a signal that is one position or direction; more are several bodies' or joints'."""


@dataclass(frozen=True)
class Measure:
    """How far episodes get in their task.

    Attributes:
        kind: `travel`: as far as possible along a column; `goal`: to a goal, or to the level at
            which good episodes hold a column.
        phrase: what is taken for progress, for a person.
        column: along which they travel, or that is held; None of a goal's distance.
        progress: at the reset and after each step, higher is better, in the column's unit; of a
            goal minus the distance `[L + 1, E]`.
        pace: what good episodes progress per step, positive.
        full: how far good episodes get, positive; of a goal the usual first distance.
        near: distance within which a goal counts as reached; 0 of travel.
        sign: of the column where progress grows; 1 of a goal.
    """

    kind: Literal["travel", "goal"]
    phrase: str
    column: Column | None
    progress: FloatArray
    pace: float
    full: float
    near: float = 0.0
    sign: float = 1.0


def find_measure(recordings: Recordings, good: BoolArray) -> Measure | None:
    """What progress is in these episodes; None where nothing tells.

    Args:
        recordings: all episodes that are known, good and bad.
        good: which of them do the task well `[E]`; there may be none.
    """
    return (
        _to_goal(recordings, good) or _travel(recordings, good) or _to_held_level(recordings, good)
    )


def sideways_columns(recordings: Recordings, travel: Column) -> list[Column]:
    """The other horizontal columns of the signal along which the task travels."""
    same = (column for column in recordings.columns if column.signal is travel.signal)
    return [column for column in same if not column.upward and column is not travel]


def _to_goal(recordings: Recordings, good: BoolArray) -> Measure | None:
    """The distance to a goal that shrinks in good episodes and goes with the fitness."""
    best: tuple[float, str, FloatArray] | None = None
    for name, distance in _distances(recordings):
        relation = _relation(recordings, -_mean_lived(recordings, distance))
        shrinks = _shrinks(recordings, distance, good)
        if (relation is None and shrinks) or (
            relation is not None and relation > RELATED and shrinks is not False
        ):
            score = relation or 0.0
            if best is None or score > best[0]:
                best = (score, name, distance)
    if best is None:
        return None
    _, name, distance = best
    return _reaching(f"how small {name} is", None, distance, recordings, good)


def _travel(recordings: Recordings, good: BoolArray) -> Measure | None:
    """The position along which good episodes go one way, and go far."""
    best: tuple[float, Column, float, FloatArray] | None = None
    for column in recordings.of_kind("position"):
        if column.upward or (column.signal.size or 1) > WIDEST:
            continue
        course = recordings.states[:, :, column.index]
        net = recordings.ends(course) - course[0]
        relation = _relation(recordings, net)
        way = _common_way(recordings, course, net, good) if good.any() else np.sign(relation or 0.0)
        score = 0.0 if relation is None else relation * way
        if not way or (relation is not None and score < RELATED):
            continue
        if best is None or score > best[0]:
            best = (score, column, float(way), course)
    if best is None:
        return None
    _, column, way, course = best
    progress = way * (course - course[0])
    reached = recordings.ends(progress)
    leaders = good if good.any() else reached >= np.quantile(reached, 0.9)
    full = float(np.median(reached[leaders]))
    pace = float(np.median((reached / recordings.lengths)[leaders]))
    if pace <= 0:
        return None
    return Measure("travel", f"the way along {column.name}", column, progress, pace, full, sign=way)


def _to_held_level(recordings: Recordings, good: BoolArray) -> Measure | None:
    """The level of a column at which good episodes stay once they have left their start."""
    good = good & ~recordings.terminated  # what was held until the fall was not held
    if not good.any():
        return None
    steps = np.arange(len(recordings.states))[:, None]
    late = recordings.lived & good & (2 * steps > recordings.lengths)
    best: tuple[float, Column, float] | None = None
    for column in recordings.of_kind("position", "angle", "orientation"):
        if (column.signal.size or 1) > WIDEST:
            continue
        course = recordings.states[:, :, column.index]
        level = float(np.median(course[late]))
        spread = float(np.abs(course[late] - level).mean())
        away = float(np.median(np.abs(course[0] - level)))
        ratio = away / max(spread, 1e-3 * away) if away else 0.0
        relation = _relation(recordings, -_mean_lived(recordings, np.abs(course - level)))
        if relation is not None and relation < RELATED:
            continue
        if ratio > _HELD and (best is None or ratio > best[0]):
            best = (ratio, column, level)
    if best is None:
        return None
    _, column, level = best
    distance = np.abs(recordings.states[:, :, column.index] - level)
    phrase = f"how near {column.name} is to {number(level)}"
    return _reaching(phrase, column, distance, recordings, good)


def _reaching(
    phrase: str,
    column: Column | None,
    distance: FloatArray,
    recordings: Recordings,
    good: BoolArray,
) -> Measure:
    """A measure of a distance `[L + 1, E]` that is to become small."""
    full = float(np.median(distance[0]))
    last = _ends_mean(recordings, distance)
    near = max(_NEAR * full, 1.5 * float(np.median(last[good])) if good.any() else 0.0)
    soon = [
        int((distance[: recordings.lengths[e] + 1, e] <= near).argmax())
        for e in np.flatnonzero(good).tolist()
    ]
    steps = float(np.median(soon)) if soon else 0.0
    pace = full / (steps or len(recordings.actions) / 2)
    return Measure("goal", phrase, column, -distance, pace, full, near)


def _distances(recordings: Recordings) -> list[tuple[str, FloatArray]]:
    """Distances to something `[L + 1, E]`: those that are signals, and lengths of vectors to it."""
    found: list[tuple[str, FloatArray]] = []
    start = 0
    for signal in recordings.signals:
        size = signal.size or 1
        values = recordings.states[:, :, start : start + size]
        start += size
        aimed = {"goal", "target"} & set(signal.name.split("_"))
        if signal.kind in ("distance", "angle", "goal") and signal.size is None:
            if signal.kind == "distance" or aimed:
                found.append((signal.name, np.abs(values[:, :, 0])))
        elif signal.kind in ("distance", "goal") and size in (2, 3) and "/" not in signal.unit:
            length = np.sqrt(np.square(values).sum(axis=2))
            steady = np.abs(length - length[0])[recordings.lived].max() < 1e-3 * length.max()
            if not steady:  # a fixed place or a direction
                found.append((f"the length of {signal.name}", length))
    return found


def _relation(recordings: Recordings, values: FloatArray) -> float | None:
    """Rank correlation of something about each episode `[E]` with the fitness, where known."""
    return kendall_tau(values, recordings.fitness)


def _shrinks(recordings: Recordings, distance: FloatArray, good: BoolArray) -> bool | None:
    """Whether a distance becomes small in good episodes; None without any."""
    if not good.any():
        return None
    last = float(np.median(_ends_mean(recordings, distance)[good]))
    return last < _NEARER * float(np.median(distance[0, good]))


def _common_way(
    recordings: Recordings, course: FloatArray, net: FloatArray, good: BoolArray
) -> float:
    """The sign in which a column moves in most good episodes, 0 if it does not go one way."""
    low = np.where(recordings.lived, course, np.inf).min(axis=0)
    high = np.where(recordings.lived, course, -np.inf).max(axis=0)
    straight = np.abs(net) >= _STRAIGHT * (high - low)
    way = float(np.sign(np.median(net[good])))
    return way if (straight & (np.sign(net) == way))[good].mean() >= _MOST else 0.0


def _mean_lived(recordings: Recordings, values: FloatArray) -> FloatArray:
    """Mean over the states of each episode `[E]`."""
    return np.where(recordings.lived, values, 0.0).sum(axis=0) / (recordings.lengths + 1)


def _ends_mean(recordings: Recordings, values: FloatArray) -> FloatArray:
    """Mean over the last quarter of each episode `[E]`."""
    steps = np.arange(len(values))[:, None]
    late = recordings.lived & (4 * steps >= 3 * recordings.lengths)
    return np.where(late, values, 0.0).sum(axis=0) / late.sum(axis=0)


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
