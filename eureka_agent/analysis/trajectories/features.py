"""The scene: what the rules about failures look at, reckoned once for all episodes."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, cast

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray, kendall_tau
from eureka_agent.analysis.trajectories.episodes import Column, Trajectories
from eureka_agent.common.text import prompt_number

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
class TaskProgress:
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


def find_task_progress(recordings: Trajectories, good: BoolArray) -> TaskProgress | None:
    """What progress is in these episodes; None where nothing tells.

    Args:
        recordings: all episodes that are known, good and bad.
        good: which of them do the task well `[E]`; there may be none.
    """
    return (
        _to_goal(recordings, good) or _travel(recordings, good) or _to_held_level(recordings, good)
    )


def sideways_columns(recordings: Trajectories, travel: Column) -> list[Column]:
    """The other horizontal columns of the signal along which the task travels."""
    same = (column for column in recordings.columns if column.signal is travel.signal)
    return [column for column in same if not column.upward and column is not travel]


def _to_goal(recordings: Trajectories, good: BoolArray) -> TaskProgress | None:
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


def _travel(recordings: Trajectories, good: BoolArray) -> TaskProgress | None:
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
    return TaskProgress(
        "travel", f"the way along {column.name}", column, progress, pace, full, sign=way
    )


def _to_held_level(recordings: Trajectories, good: BoolArray) -> TaskProgress | None:
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
    phrase = f"how near {column.name} is to {prompt_number(level)}"
    return _reaching(phrase, column, distance, recordings, good)


def _reaching(
    phrase: str,
    column: Column | None,
    distance: FloatArray,
    recordings: Trajectories,
    good: BoolArray,
) -> TaskProgress:
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
    return TaskProgress("goal", phrase, column, -distance, pace, full, near)


def _distances(recordings: Trajectories) -> list[tuple[str, FloatArray]]:
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


def _relation(recordings: Trajectories, values: FloatArray) -> float | None:
    """Rank correlation of something about each episode `[E]` with the fitness, where known."""
    return kendall_tau(values, recordings.fitness)


def _shrinks(recordings: Trajectories, distance: FloatArray, good: BoolArray) -> bool | None:
    """Whether a distance becomes small in good episodes; None without any."""
    if not good.any():
        return None
    last = float(np.median(_ends_mean(recordings, distance)[good]))
    return last < _NEARER * float(np.median(distance[0, good]))


def _common_way(
    recordings: Trajectories, course: FloatArray, net: FloatArray, good: BoolArray
) -> float:
    """The sign in which a column moves in most good episodes, 0 if it does not go one way."""
    low = np.where(recordings.lived, course, np.inf).min(axis=0)
    high = np.where(recordings.lived, course, -np.inf).max(axis=0)
    straight = np.abs(net) >= _STRAIGHT * (high - low)
    way = float(np.sign(np.median(net[good])))
    return way if (straight & (np.sign(net) == way))[good].mean() >= _MOST else 0.0


def _mean_lived(recordings: Trajectories, values: FloatArray) -> FloatArray:
    """Mean over the states of each episode `[E]`."""
    return np.where(recordings.lived, values, 0.0).sum(axis=0) / (recordings.lengths + 1)


def _ends_mean(recordings: Trajectories, values: FloatArray) -> FloatArray:
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


def falls(recordings: Trajectories, good: BoolArray) -> dict[int, tuple[int, Column]]:
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
    recordings: Trajectories, good: BoolArray, episode: int
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
    recordings: Trajectories, good: BoolArray, failed: BoolArray, measure: TaskProgress | None
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


def _postures(recordings: Trajectories) -> list[Column]:
    """Columns by which a fall shows: heights, upward parts of directions, and single tilts."""
    return [
        column
        for column in recordings.of_kind(*_POSITIONS)
        if (column.signal.size or 1) <= WIDEST
        and (column.upward or (column.signal.kind == "angle" and column.signal.size is None))
    ]


def _fall_size(
    recordings: Trajectories, column: Column, good: BoolArray, tall: float
) -> FloatArray:
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


Regime = Literal["still", "advancing", "retreating", "busy", "falling"]

QUIET = 0.1
"""Part of the usual motion below which a robot stands still."""
SLOW = 0.15
"""Part of good episodes' pace below which a robot gets no further."""
_WINDOWS = 20
"""Windows per time limit: a regime that lasts less than one is part of its neighbour's."""
_SHORTEST_WINDOW = 3


@dataclass(frozen=True)
class Phase:
    """Steps in which a robot does one thing.

    Attributes:
        start: the first step, from 0.
        stop: the step after the last one.
        regime: `still`: it hardly moves; `advancing` and `retreating`: towards what good episodes
            do, and away from it; `busy`: it moves and gets nowhere; `falling`: it goes down into
            an early end.
    """

    start: int
    stop: int
    regime: Regime

    @property
    def length(self) -> int:
        """Its steps."""
        return self.stop - self.start


def window_of(limit: int) -> int:
    """Steps over which motion and progress are averaged, for a time limit in steps."""
    return max(_SHORTEST_WINDOW, limit // _WINDOWS)


def cut(
    activity: FloatArray,
    progress: FloatArray | None,
    pace: float,
    falls_from: int | None,
    window: int,
) -> tuple[Phase, ...]:
    """Cut one episode into phases that follow each other without gaps.

    Args:
        activity: how much it moves at each step, 1 being usual `[T]`.
        progress: how far it got at the reset and after each step, higher is better `[T + 1]`;
            None if nobody knows what progress is: then nothing is told of it.
        pace: what good episodes progress per step, positive.
        falls_from: the step at which a fall begins that ends the episode; None if there is none.
        window: steps over which both are averaged; no phase but a fall is shorter, unless the
            episode is.
    """
    steps = np.arange(len(activity))
    half = window // 2
    first, last = np.maximum(steps - half, 0), np.minimum(steps + half + 1, len(steps))
    sums = np.concatenate([[0.0], np.cumsum(activity)])
    still = (sums[last] - sums[first]) / (last - first) < QUIET
    regimes = np.full(len(steps), "busy", dtype="<U10")
    if progress is not None:
        slope = (progress[last] - progress[first]) / (last - first)
        regimes[slope > SLOW * pace] = "advancing"
        regimes[slope < -SLOW * pace] = "retreating"
    regimes[still] = "still"
    stop = len(steps) if falls_from is None else falls_from
    phases = _merged(_runs(regimes[:stop]), window)
    return (*phases, Phase(stop, len(steps), "falling")) if stop < len(steps) else phases


def share_of(phases: tuple[Phase, ...], regime: Regime) -> float:
    """Share of the steps spent in a regime."""
    total = sum(phase.length for phase in phases)
    return sum(phase.length for phase in phases if phase.regime == regime) / total


def first_where(condition: BoolArray) -> int | None:
    """The first index at which it holds `[T]`; None if it never does."""
    return int(condition.argmax()) if condition.any() else None


def _runs(regimes: np.ndarray) -> list[Phase]:
    """Stretches of equal names."""
    if not len(regimes):
        return []
    bounds = [0, *(np.flatnonzero(regimes[1:] != regimes[:-1]) + 1).tolist(), len(regimes)]
    return [Phase(a, b, cast(Regime, str(regimes[a]))) for a, b in pairwise(bounds)]


def _merged(runs: list[Phase], shortest: int) -> tuple[Phase, ...]:
    """The same with each run that is too short given to its neighbours: to the one before it."""
    merged: list[Phase] = []
    for run in runs:
        if merged and (run.length < shortest or run.regime == merged[-1].regime):
            merged[-1] = Phase(merged[-1].start, run.stop, merged[-1].regime)
        elif merged and merged[-1].length < shortest:  # only the very first can be
            merged[-1] = Phase(merged[-1].start, run.stop, run.regime)
        else:
            merged.append(run)
    return tuple(merged)


ALTERNATING = 0.6
"""Share of the changes from step to step, by size, that undo the one before, where things shake."""
AT_LIMIT = 0.97
"""Size from which an action is at its limit."""


@dataclass(frozen=True)
class EpisodeFeatures:
    """All that the rules look at.

    Attributes:
        recordings: all episodes that are known.
        good: which of them do the task well `[E]`.
    """

    recordings: Trajectories
    good: BoolArray

    @cached_property
    def measure(self) -> TaskProgress | None:
        """What progress is, where anything tells."""
        return find_task_progress(self.recordings, self.good)

    @cached_property
    def falls(self) -> dict[int, tuple[int, Column]]:
        """Episodes that end with a fall."""
        return falls(self.recordings, self.good)

    @cached_property
    def activity(self) -> FloatArray:
        """How much moves `[L, E]`; what good episodes, or all of them, do is usual."""
        return _activity(self.recordings, self.good if self.good.any() else ~self.good)

    @cached_property
    def alternation(self) -> tuple[FloatArray, FloatArray]:
        """How strongly actions, and velocities, go to and fro in each episode `[E]` each."""
        columns = [c.index for c in self.recordings.of_kind("velocity", "angular_velocity")]
        rates = self.recordings.states[1:, :, columns]
        usual = self.recordings.alive & (self.good if self.good.any() else ~self.good)
        scale = np.sqrt(np.square(rates[usual]).mean(axis=0))
        return (
            _alternation(self.recordings.actions, self.recordings),
            _alternation(rates[:, :, scale > 0] / scale[scale > 0], self.recordings),
        )

    @cached_property
    def at_limit(self) -> FloatArray:
        """Share of the actions that are at a limit and were so before, in each episode `[E]`."""
        actions = self.recordings.actions
        before = np.concatenate([actions[:1], actions[:-1]])
        share = (np.minimum(actions * np.sign(before), np.abs(before)) >= AT_LIMIT).mean(axis=2)
        return np.where(self.recordings.alive, share, 0.0).sum(axis=0) / self.recordings.lengths

    @cached_property
    def turning(self) -> dict[Column, FloatArray]:
        """Mean turns per step of all that has an angular velocity, by its column `[E]` each."""
        recordings = self.recordings
        per_step = recordings.step_seconds / (2 * np.pi)
        return {
            column: np.where(recordings.alive, recordings.states[1:, :, column.index], 0.0).sum(0)
            * (per_step / recordings.lengths)
            for column in recordings.of_kind("angular_velocity")
        }

    def length(self, episode: int) -> int:
        """Steps of an episode."""
        return int(self.recordings.lengths[episode])

    def progress(self, episode: int) -> FloatArray | None:
        """Progress of an episode at the reset and after each step `[T + 1]`."""
        return self.measure and self.measure.progress[: self.length(episode) + 1, episode]

    def phases(self, episode: int) -> tuple[Phase, ...]:
        """The episode, cut."""
        return cut(
            self.activity[: self.length(episode), episode],
            self.progress(episode),
            self.measure.pace if self.measure else 0.0,
            self.falls[episode][0] if episode in self.falls else None,
            window_of(len(self.recordings.actions)),
        )


def _alternation(values: FloatArray, recordings: Trajectories) -> FloatArray:
    """Root mean square change per step of values `[L, E, d]` that mostly undo each other `[E]`."""
    change = np.diff(values, axis=0)
    lives = recordings.alive[1:, :, None] & np.ones_like(change, dtype=np.bool_)
    squares = np.where(lives, np.square(change), 0.0)
    size = np.sqrt(squares.sum(axis=(0, 2)) / np.maximum(lives.sum(axis=(0, 2)), 1))
    # Small changes alternate by rounding and friction: each pair counts by its size.
    products = np.where(lives[1:], change[1:] * change[:-1], 0.0)
    undone = np.abs(np.minimum(products, 0.0)).sum(axis=(0, 2))
    whole = np.abs(products).sum(axis=(0, 2))
    return np.where(undone > ALTERNATING * whole, size, 0.0)


def _activity(recordings: Trajectories, usual: BoolArray) -> FloatArray:
    """How much moves at each step, as a multiple of what is usual `[L, E]`.

    Args:
        recordings: of the episodes.
        usual: episodes that set the measure `[E]`.
    """
    columns = [column.index for column in recordings.of_kind("velocity", "angular_velocity")]
    if not columns:
        return np.ones_like(recordings.actions[:, :, 0])
    rates = recordings.states[1:, :, columns]
    scale = np.sqrt(np.square(rates[recordings.alive & usual]).mean(axis=0))
    moving = scale > 0
    if not moving.any():
        return np.zeros_like(rates[:, :, 0])
    return np.sqrt(np.square(rates[:, :, moving] / scale[moving]).mean(axis=2))
