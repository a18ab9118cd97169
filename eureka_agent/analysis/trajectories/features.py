"""Features of episodes: task progress, falls, motion and phases, computed once for all rules.

This module knows no environment. The measure of progress follows from the kinds of the signals and
from what good episodes have in common, or from the rank correlation with the fitness; without
either there is none.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, cast

import numpy as np

from eureka_agent.analysis.trajectories.episodes import Column, Trajectories, kendall_tau
from eureka_agent.common.text import prompt_number
from eureka_agent.environment.episodes import BoolArray, FloatArray

Regime = Literal["still", "advancing", "retreating", "busy", "falling"]

RELATED = 0.4
"""Rank correlation with the fitness from which a quantity is what the task is about."""
WIDEST = 3
"""Columns of a signal that is one position or direction; wider ones are several bodies or joints.
"""
POSTURE_KINDS = ("position", "distance", "angle", "orientation")


@dataclass(frozen=True)
class TaskProgress:
    """Progress of episodes in their task.

    Attributes:
        kind: `travel`: a long way along a column; `goal`: to a goal, or to the level at
            which good episodes hold a column.
        phrase: names the progress, for a person.
        column: the column that they travel along, or hold; None of a goal's distance.
        progress: at the reset and after each step, higher is better, in the column's unit; of a
            goal minus the distance `[L + 1, E]`.
        pace: progress of good episodes per step, positive.
        full: progress of good episodes, positive; of a goal the usual first distance.
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


def find_task_progress(known: Trajectories, good: BoolArray) -> TaskProgress | None:
    """The measure of progress in these episodes; None if unknown.

    Args:
        known: all known episodes, good and bad.
        good: which of them do the task well `[E]`; there may be none.
    """
    return _to_goal(known, good) or _travel(known, good) or _to_held_level(known, good)


def _to_goal(known: Trajectories, good: BoolArray) -> TaskProgress | None:
    """The distance to a goal that goes with the fitness and halves in good episodes."""
    found: list[tuple[float, str, FloatArray]] = []
    for name, distance in _distances(known):
        relation = kendall_tau(-_mean_lived(known, distance), known.fitness)
        shrinks = None
        if good.any():
            last = float(np.median(_mean_last_quarter(known, distance)[good]))
            shrinks = last < 0.5 * float(np.median(distance[0, good]))
        if shrinks if relation is None else relation > RELATED and shrinks is not False:
            found.append((relation or 0.0, name, distance))
    if not found:
        return None
    _, name, distance = max(found, key=lambda item: item[0])
    return _reaching(f"how small {name} is", None, distance, known, good)


def _travel(known: Trajectories, good: BoolArray) -> TaskProgress | None:
    """The position along which good episodes go one way, and go far."""
    found: list[tuple[float, Column, float]] = []
    for column in _narrow_columns(known, "position"):
        course = known.states[:, :, column.index]
        net = known.ends(course) - course[0]
        relation = kendall_tau(net, known.fitness)
        way = _common_way(known, course, net, good) if good.any() else np.sign(relation or 0.0)
        score = 0.0 if relation is None else relation * way
        if not column.upward and way and (relation is None or score >= RELATED):
            found.append((score, column, float(way)))
    if not found:
        return None
    _, column, way = max(found, key=lambda item: item[0])
    course = known.states[:, :, column.index]
    progress = way * (course - course[0])
    reached = known.ends(progress)
    leaders = good if good.any() else reached >= np.quantile(reached, 0.9)
    full = float(np.median(reached[leaders]))
    pace = float(np.median((reached / known.lengths)[leaders]))
    if pace <= 0:
        return None
    phrase = f"the way along {column.name}"
    return TaskProgress("travel", phrase, column, progress, pace, full, sign=way)


def _to_held_level(known: Trajectories, good: BoolArray) -> TaskProgress | None:
    """The level of a column at which good episodes stay once they have left their start.

    The start must be five mean deviations away from it.
    """
    good = good & ~known.terminated  # what was held until the fall was not held
    if not good.any():
        return None
    steps = np.arange(len(known.states))[:, None]
    late = known.lived & good & (2 * steps > known.lengths)
    found: list[tuple[float, Column, float]] = []
    for column in _narrow_columns(known, "position", "angle", "orientation"):
        course = known.states[:, :, column.index]
        level = float(np.median(course[late]))
        spread = float(np.abs(course[late] - level).mean())
        away = float(np.median(np.abs(course[0] - level)))
        ratio = away / max(spread, 1e-3 * away) if away else 0.0
        relation = kendall_tau(-_mean_lived(known, np.abs(course - level)), known.fitness)
        if ratio > 5.0 and (relation is None or relation >= RELATED):
            found.append((ratio, column, level))
    if not found:
        return None
    _, column, level = max(found, key=lambda item: item[0])
    distance = np.abs(known.states[:, :, column.index] - level)
    phrase = f"how near {column.name} is to {prompt_number(level)}"
    return _reaching(phrase, column, distance, known, good)


def _narrow_columns(known: Trajectories, *kinds: str) -> list[Column]:
    """Columns of signals of these kinds that are one position or direction."""
    return [c for c in known.of_kind(*kinds) if (c.signal.size or 1) <= WIDEST]


def _reaching(
    phrase: str, column: Column | None, distance: FloatArray, known: Trajectories, good: BoolArray
) -> TaskProgress:
    """Progress as a distance `[L + 1, E]` that is to become small.

    Near is a tenth of the first distance, or what good episodes reach if they stay farther away.
    """
    full = float(np.median(distance[0]))
    last = _mean_last_quarter(known, distance)
    near = max(0.1 * full, 1.5 * float(np.median(last[good])) if good.any() else 0.0)
    soon = [
        int((distance[: known.lengths[e] + 1, e] <= near).argmax())
        for e in np.flatnonzero(good).tolist()
    ]
    steps = float(np.median(soon)) if soon else 0.0
    pace = full / (steps or len(known.actions) / 2)
    return TaskProgress("goal", phrase, column, -distance, pace, full, near)


def _distances(known: Trajectories) -> list[tuple[str, FloatArray]]:
    """Distances to something `[L + 1, E]`: those that are signals, and lengths of vectors to it."""
    found: list[tuple[str, FloatArray]] = []
    start = 0
    for signal in known.signals:
        size = signal.size or 1
        values = known.states[:, :, start : start + size]
        start += size
        aimed = {"goal", "target"} & set(signal.name.split("_"))
        if signal.kind in ("distance", "angle", "goal") and signal.size is None:
            if signal.kind == "distance" or aimed:
                found.append((signal.name, np.abs(values[:, :, 0])))
        elif signal.kind in ("distance", "goal") and size in (2, 3) and "/" not in signal.unit:
            length = np.sqrt(np.square(values).sum(axis=2))
            steady = np.abs(length - length[0])[known.lived].max() < 1e-3 * length.max()
            if not steady:  # otherwise it is a fixed place or a direction
                found.append((f"the length of {signal.name}", length))
    return found


def _common_way(known: Trajectories, course: FloatArray, net: FloatArray, good: BoolArray) -> float:
    """The sign in which a column moves in 80 % of the good episodes, 0 if it does not go one way.

    It goes one way if it ends at least 70 % of its range away from the start.
    """
    low = np.where(known.lived, course, np.inf).min(axis=0)
    high = np.where(known.lived, course, -np.inf).max(axis=0)
    straight = np.abs(net) >= 0.7 * (high - low)
    way = float(np.sign(np.median(net[good])))
    return way if (straight & (np.sign(net) == way))[good].mean() >= 0.8 else 0.0


def _mean_lived(known: Trajectories, values: FloatArray) -> FloatArray:
    """Mean over the states of each episode `[E]`."""
    return np.where(known.lived, values, 0.0).sum(axis=0) / (known.lengths + 1)


def _mean_last_quarter(known: Trajectories, values: FloatArray) -> FloatArray:
    """Mean over the last quarter of each episode `[E]`."""
    late = known.last_quarter
    return np.where(late, values, 0.0).sum(axis=0) / late.sum(axis=0)


def sideways_columns(known: Trajectories, travel: Column) -> list[Column]:
    """The other horizontal columns of the signal along which the task travels."""
    same = (column for column in known.columns if column.signal is travel.signal)
    return [column for column in same if not column.upward and column is not travel]


def find_falls(known: Trajectories, good: BoolArray) -> dict[int, tuple[int, Column]]:
    """Falls that end episodes early: by episode the first step and the column that shows it.

    A fall loses height or uprightness. Where there are good episodes, it must end farther out than
    those ever get.
    """
    postures = [
        column
        for column in _narrow_columns(known, *POSTURE_KINDS)
        if column.upward or (column.signal.kind == "angle" and column.signal.size is None)
    ]
    heights = [column.index for column in postures if column.signal.kind == "position"]
    tall = float(np.median(known.states[0][:, heights], axis=0).max(initial=0.0))
    sizes = [(column, _fall_size(known, column, good, tall)) for column in postures]
    found: dict[int, tuple[int, Column]] = {}
    for episode in np.flatnonzero(known.terminated).tolist():
        length = int(known.lengths[episode])
        out = [(float(size[length, episode]), column) for column, size in sizes]
        worst, column = max(out, key=lambda item: item[0], default=(0.0, None))
        if column is not None and worst > 1.0:
            course = known.states[: length + 1, episode, column.index]
            upright = np.abs(course - course[0]) < np.abs(course - course[-1])
            found[episode] = (min(int(upright.nonzero()[0].max(initial=0)), length - 1), column)
    return found


def _fall_size(known: Trajectories, column: Column, good: BoolArray, tall: float) -> FloatArray:
    """Distance of a column beyond its usual range, a fall being above 1 `[L + 1, E]`.

    A fall changes a tilt by 0.15 rad or the upward part of a direction by 0.3. A height must lose
    20 % of its usual level, at least 15 % of the robot's highest part (a foot that comes down is no
    fall) and at least 5 cm (some heights count from where the robot starts).

    Args:
        known: all known episodes.
        column: one that may show a fall.
        good: which episodes do the task well `[E]`.
        tall: usual height of the robot's highest part at the start, in m.
    """
    course = known.states[:, :, column.index]
    usual = course[known.lived & good] if good.any() else course[0]
    level = float(np.median(usual))
    away = level - course
    if column.signal.kind == "angle":
        away, limit = np.abs(away), 0.15
    elif column.signal.kind == "orientation":
        away, limit = np.abs(away), 0.3
    else:
        limit = max(0.2 * abs(level), 0.15 * tall, 0.05)
    if good.any():
        limit = max(limit, float(np.quantile(np.abs(usual - level), 0.99)))
    return away / limit


def farthest_out(
    known: Trajectories, good: BoolArray, episode: int
) -> tuple[Column, float, float] | None:
    """The column that ends farthest outside the range of good episodes, with that range.

    Returns:
        The column, and the lowest and highest value of good episodes; None if none is outside, or
        without good episodes.
    """
    if not good.any():
        return None
    lived = known.states[known.lived & good]
    low, high = lived.min(axis=0), lived.max(axis=0)
    last = known.states[known.lengths[episode], episode]
    out = np.maximum(last - high, low - last) / np.maximum(high - low, 1e-6)
    columns = [c for c in known.of_kind(*POSTURE_KINDS) if out[c.index] > 0]
    if not columns:
        return None
    column = max(columns, key=lambda c: out[c.index])
    return column, float(low[column.index]), float(high[column.index])


def late_difference(
    known: Trajectories, good: BoolArray, failed: BoolArray, measure: TaskProgress | None
) -> tuple[Column, float, float, float] | None:
    """The column whose mean over the last quarter sets failed episodes most apart from good ones.

    Args:
        known: all known episodes.
        good: which of them do the task well `[E]`.
        failed: others of them, to compare `[E]`.
        measure: of progress; to fall short of that says nothing new.

    Returns:
        The column, its median over the failed episodes, and the lowest and highest of good ones;
        None without either kind, or where none lies 0.2 standard deviations outside.
    """
    if not good.any() or not failed.any():
        return None
    late = known.last_quarter
    means = np.einsum("le,les->es", late, known.states) / late.sum(axis=0)[:, None]
    low, high = means[good].min(axis=0), means[good].max(axis=0)
    value = np.median(means[failed], axis=0)
    spread = known.states[known.lived].std(axis=0)
    out = np.maximum(value - high, low - value) / np.where(spread > 0, spread, np.inf)
    out[[column.index for column in known.of_kind("goal")]] = 0.0
    if measure is not None and measure.column is not None:
        out[measure.column.index] = 0.0
    index = int(out.argmax())
    if out[index] < 0.2:
        return None
    return known.columns[index], float(value[index]), float(low[index]), float(high[index])


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
        """Number of steps."""
        return self.stop - self.start


def window_of(limit: int) -> int:
    """Steps over which motion and progress are averaged: a 20th of the time limit, at least 3."""
    return max(3, limit // 20)


def cut(
    activity: FloatArray,
    progress: FloatArray | None,
    pace: float,
    falls_from: int | None,
    window: int,
) -> tuple[Phase, ...]:
    """Cut one episode into phases that follow each other without gaps.

    It stands still below a tenth of the usual motion, and gets no further below 15 % of the pace.

    Args:
        activity: amount of motion at each step, 1 being usual `[T]`.
        progress: at the reset and after each step, higher is better `[T + 1]`; None if unknown:
            then no phase advances or retreats.
        pace: progress of good episodes per step, positive.
        falls_from: the step at which a fall begins that ends the episode; None if there is none.
        window: steps over which both are averaged; no phase but a fall is shorter, unless the
            episode is.
    """
    steps = np.arange(len(activity))
    half = window // 2
    first, last = np.maximum(steps - half, 0), np.minimum(steps + half + 1, len(steps))
    sums = np.concatenate([[0.0], np.cumsum(activity)])
    still = (sums[last] - sums[first]) / (last - first) < 0.1
    regimes = np.full(len(steps), "busy", dtype="<U10")
    if progress is not None:
        slope = (progress[last] - progress[first]) / (last - first)
        regimes[slope > 0.15 * pace] = "advancing"
        regimes[slope < -0.15 * pace] = "retreating"
    regimes[still] = "still"
    stop = len(steps) if falls_from is None else falls_from
    phases = _without_short(_runs(regimes[:stop]), window)
    return (*phases, Phase(stop, len(steps), "falling")) if stop < len(steps) else phases


def _runs(regimes: np.ndarray) -> list[Phase]:
    """Stretches of equal names `[T]`."""
    if not len(regimes):
        return []
    bounds = [0, *(np.flatnonzero(regimes[1:] != regimes[:-1]) + 1).tolist(), len(regimes)]
    return [Phase(a, b, cast(Regime, str(regimes[a]))) for a, b in pairwise(bounds)]


def _without_short(runs: list[Phase], shortest: int) -> tuple[Phase, ...]:
    """The same with each run that is too short given to the one before it."""
    merged: list[Phase] = []
    for run in runs:
        if merged and (run.length < shortest or run.regime == merged[-1].regime):
            merged[-1] = Phase(merged[-1].start, run.stop, merged[-1].regime)
        elif merged and merged[-1].length < shortest:  # only the very first can be
            merged[-1] = Phase(merged[-1].start, run.stop, run.regime)
        else:
            merged.append(run)
    return tuple(merged)


def first_where(condition: BoolArray) -> int | None:
    """The first index at which it holds `[T]`; None if it never does."""
    return int(condition.argmax()) if condition.any() else None


@dataclass(frozen=True)
class EpisodeFeatures:
    """All features that the failure rules use.

    Attributes:
        known: all known episodes.
        good: which of them do the task well `[E]`.
    """

    known: Trajectories
    good: BoolArray

    @cached_property
    def measure(self) -> TaskProgress | None:
        """The measure of progress; None if unknown."""
        return find_task_progress(self.known, self.good)

    @cached_property
    def falls(self) -> dict[int, tuple[int, Column]]:
        """Episodes that end with a fall: the step at which it begins, and the column."""
        return find_falls(self.known, self.good)

    @cached_property
    def activity(self) -> FloatArray:
        """Amount of motion at each step, 1 being usual `[L, E]`."""
        rates, scale = self._rates
        if not rates.shape[2]:
            return np.ones(rates.shape[:2])
        moving = scale > 0
        if not moving.any():
            return np.zeros(rates.shape[:2])
        return np.sqrt(np.square(rates[:, :, moving] / scale[moving]).mean(axis=2))

    @cached_property
    def alternation(self) -> tuple[FloatArray, FloatArray]:
        """Alternation of actions, and of velocities, in each episode `[E]` each."""
        rates, scale = self._rates
        return (
            self._alternation(self.known.actions),
            self._alternation(rates[:, :, scale > 0] / scale[scale > 0]),
        )

    @cached_property
    def at_limit(self) -> FloatArray:
        """Fraction of actions of at least 0.97 that were so before, in each episode `[E]`."""
        actions = self.known.actions
        before = np.concatenate([actions[:1], actions[:-1]])
        held = (np.minimum(actions * np.sign(before), np.abs(before)) >= 0.97).mean(axis=2)
        return np.where(self.known.alive, held, 0.0).sum(axis=0) / self.known.lengths

    @cached_property
    def turning(self) -> dict[Column, FloatArray]:
        """Mean turns per step of each angular velocity, by its column `[E]` each."""
        per_step = self.known.control_step / (2 * np.pi)
        return {
            column: np.where(self.known.alive, self.known.states[1:, :, column.index], 0.0).sum(0)
            * (per_step / self.known.lengths)
            for column in self.known.of_kind("angular_velocity")
        }

    def episode(self, index: int) -> "OneEpisode":
        """One of the episodes."""
        return OneEpisode(self, index)

    @cached_property
    def _rates(self) -> tuple[FloatArray, FloatArray]:
        """Velocities `[L, E, d]`, and their usual size: that of good episodes, or of all, `[d]`."""
        columns = [c.index for c in self.known.of_kind("velocity", "angular_velocity")]
        rates = self.known.states[1:, :, columns]
        usual = self.known.alive & (self.good if self.good.any() else ~self.good)
        return rates, np.sqrt(np.square(rates[usual]).mean(axis=0))

    def _alternation(self, values: FloatArray) -> FloatArray:
        """Root mean square change per step of values `[L, E, d]` that mostly undo each other `[E]`.

        Mostly is 60 % by size: small changes alternate by rounding and friction.
        """
        change = np.diff(values, axis=0)
        alive = self.known.alive[1:, :, None] & np.ones_like(change, dtype=np.bool_)
        squares = np.where(alive, np.square(change), 0.0)
        size = np.sqrt(squares.sum(axis=(0, 2)) / np.maximum(alive.sum(axis=(0, 2)), 1))
        products = np.where(alive[1:], change[1:] * change[:-1], 0.0)
        undone = np.abs(np.minimum(products, 0.0)).sum(axis=(0, 2))
        return np.where(undone > 0.6 * np.abs(products).sum(axis=(0, 2)), size, 0.0)


@dataclass(frozen=True)
class OneEpisode:
    """One episode among all, as failure rules see it.

    Attributes:
        features: of all known episodes.
        index: its place among them.
    """

    features: EpisodeFeatures
    index: int

    @cached_property
    def length(self) -> int:
        """Its steps T."""
        return int(self.features.known.lengths[self.index])

    @cached_property
    def states(self) -> FloatArray:
        """Signals at the reset and after each step `[T + 1, S]`."""
        return self.features.known.states[: self.length + 1, self.index]

    @property
    def fall(self) -> tuple[int, Column] | None:
        """The step at which it begins to fall and the column that shows it; None without a fall."""
        return self.features.falls.get(self.index)

    @property
    def measure(self) -> TaskProgress | None:
        """The measure of progress; None if unknown."""
        return self.features.measure

    @property
    def travel(self) -> TaskProgress | None:
        """The same where the task is to travel and good episodes are known."""
        measure = self.features.measure
        is_travel = measure is not None and measure.kind == "travel"
        return measure if is_travel and self.features.good.any() else None

    @cached_property
    def progress(self) -> FloatArray | None:
        """Progress at the reset and after each step `[T + 1]`."""
        return self.measure and self.measure.progress[: self.length + 1, self.index]

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """The episode, cut into phases."""
        return cut(
            self.features.activity[: self.length, self.index],
            self.progress,
            self.measure.pace if self.measure else 0.0,
            self.fall[0] if self.fall else None,
            window_of(len(self.features.known.actions)),
        )
