"""Failure rules: one rule for each way in which an episode can fail, generic over environments.

Each rule says where in the episode the failure shows, or nothing. Rules compare with good episodes
where there are some, so behaviour that good ones share is no failure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eureka_agent.analysis.trajectories.features import (
    OneEpisode,
    TaskProgress,
    farthest_out,
    first_where,
    sideways_columns,
    window_of,
)
from eureka_agent.common.text import prompt_number, prompt_percent
from eureka_agent.environment.episodes import FloatArray

MORE = 2.0
"""Multiple of good episodes' amount from which an episode does more of something."""
HARDLY = 0.05
"""Part of good episodes' progress that counts as none."""
PLATEAU = 0.25
"""Last part of an episode that must pass without progress."""
PROGRESSED = 0.1
"""Part of good episodes' progress that counts as some."""


@dataclass(frozen=True)
class Symptom:
    """The part of an episode that shows a failure.

    Attributes:
        start: the first step, from 0.
        stop: the step after the last one.
        detail: the evidence in a few words; may be empty.
    """

    start: int
    stop: int
    detail: str = ""


def diverged(one: OneEpisode) -> Symptom | None:
    """The physics failed."""
    failed = one.features.known.evaluated.diverged[one.index]
    return Symptom(one.length - 1, one.length) if failed else None


def fell(one: OneEpisode) -> Symptom | None:
    """It ended early with a loss of height or uprightness."""
    if one.fall is None:
        return None
    start, column = one.fall
    values = one.states[:, column.index]
    detail = f"{column.name} from {prompt_number(values[start])} to {prompt_number(values[-1])}"
    return Symptom(start, one.length, detail)


def ended_early(one: OneEpisode) -> Symptom | None:
    """It ended early, and not by a fall."""
    if not one.features.known.terminated[one.index] or one.fall is not None:
        return None
    outside, detail = farthest_out(one.features.known, one.features.good, one.index), ""
    if outside is not None:
        column, low, high = outside
        last, usual = one.states[-1, column.index], f"{prompt_number(low)} to {prompt_number(high)}"
        detail = f"{column.name} at {prompt_number(last)}, good ones {usual}"
    window = window_of(len(one.features.known.actions))
    return Symptom(max(0, one.length - window), one.length, detail)


def wrong_way(one: OneEpisode) -> Symptom | None:
    """It lost 10 % of good episodes' progress, or half of what is known as the best without any."""
    measure, progress = one.measure, one.progress
    if measure is None or progress is None:
        return None
    gone = float(progress[-1] - progress[0])
    least = 0.1 if one.features.good.any() else 0.5
    if gone > -least * measure.full or _came_near(one) is not None:
        return None
    phases = [phase for phase in one.phases if phase.regime == "retreating"]
    advanced = float(progress.max() - progress[0])
    if not phases or advanced > -gone:
        return None
    what = measure.column.name if measure.kind == "travel" and measure.column else "nearness"
    detail = f"{what} changes by {prompt_number(gone * measure.sign)}"
    return Symptom(phases[0].start, phases[-1].stop, detail)


def spinning(one: OneEpisode) -> Symptom | None:
    """It made more than 1.5 turns one way, steadily, and twice as many as good episodes.

    Steady is a mean rate of at least half of the root mean square.
    """
    most, found = 1.5, None
    for column, paces in one.features.turning.items():
        usual = np.abs(paces[one.features.good]).max(initial=0.0)
        turns = float(paces[one.index]) * one.length
        if abs(turns) <= most or abs(turns) < MORE * usual * one.length:
            continue
        rates = one.states[1:, column.index]
        if abs(rates.mean()) < 0.5 * np.sqrt(np.square(rates).mean()):
            continue
        done = np.abs(np.cumsum(rates)) / abs(rates.sum())
        start, most = int(np.flatnonzero(done <= HARDLY).max(initial=0)), abs(turns)
        found = Symptom(start, one.length, f"{column.name}: {prompt_number(turns)} turns")
    return found


def overshoot(one: OneEpisode) -> Symptom | None:
    """It came near the goal and left it again, to about three times the distance that is near."""
    measure, progress, near = one.measure, one.progress, _came_near(one)
    if measure is None or progress is None or near is None or one.features.known.goals_change:
        return None
    away = np.maximum.accumulate(-progress[::-1])[::-1]  # the largest distance still to come
    limit = min(3.0 * measure.near, max(0.3 * measure.full, 1.5 * measure.near))
    if away[near] <= limit:
        return None
    inside, left = False, 0
    for distance in -progress[near:]:
        left += inside and distance > limit
        inside = distance <= measure.near or (inside and distance <= limit)
    times = f"{left} times" if left != 1 else "once"
    return Symptom(near, one.length, f"near at step {near}, left again {times}")


def sideways(one: OneEpisode) -> Symptom | None:
    """It drifted by a quarter of good episodes' progress and of its own, and more than these."""
    measure, progress, known = one.travel, one.progress, one.features.known
    if measure is None or measure.column is None or progress is None:
        return None
    along = abs(float(progress[-1]))
    for column in sideways_columns(known, measure.column):
        drift = np.abs(known.states[:, :, column.index] - known.states[0, :, column.index])
        usual = known.ends(drift)[one.features.good].max(initial=0.0)
        own = drift[: one.length + 1, one.index]
        if own[-1] > max(0.25 * measure.full, 0.25 * along, MORE * usual):
            start = int(np.flatnonzero(own <= 0.1 * own[-1]).max())
            net = float(one.states[-1, column.index] - one.states[0, column.index])
            return Symptom(start, one.length, f"{column.name} changes by {prompt_number(net)}")
    return None


def stuck(one: OneEpisode) -> Symptom | None:
    """It made some progress, less than 80 % of good episodes', and then none."""
    measure, progress = one.travel, one.progress
    if measure is None or progress is None or one.fall is not None:
        return None
    stop = _plateau(measure, progress)
    short = PROGRESSED * measure.full < progress[stop] and progress[-1] < 0.8 * measure.full
    if not short or one.length - stop < PLATEAU * one.length:
        return None
    detail = f"{prompt_number(progress[stop])} of {prompt_number(measure.full)} by then"
    return Symptom(stop, one.length, detail)


def nowhere(one: OneEpisode) -> Symptom | None:
    """It lived and moved, and made next to no progress."""
    measure, progress = one.travel, one.progress
    if measure is None or progress is None or one.fall is not None:
        return None
    if np.abs(progress - progress[0]).max() > PROGRESSED * measure.full:
        return None
    detail = f"{prompt_number(progress[-1])} of {prompt_number(measure.full)}"
    return Symptom(0, one.length, detail)


def saturated(one: OneEpisode) -> Symptom | None:
    """80 % of its actions stayed at a limit, and 30 % more than good episodes'."""
    at_limit = one.features.at_limit
    held, usual = at_limit[one.index], at_limit[one.features.good].max(initial=0.0)
    if held < 0.8 or held < usual + 0.3:
        return None
    return Symptom(0, one.length, f"{prompt_percent(held)} of the actions at a limit")


def jitter(one: OneEpisode) -> Symptom | None:
    """Its actions or velocities changed sign from step to step.

    By a root mean square change of 0.3 for actions, and of what is usual for velocities.
    """
    good = one.features.good
    actions, velocities = one.features.alternation
    if actions[one.index] > max(0.3, MORE * actions[good].max(initial=0.0)):
        return Symptom(0, one.length, "actions go to and fro")
    # Without good episodes it may be impacts on the ground.
    if good.any() and velocities[one.index] > max(1.0, MORE * velocities[good].max(initial=0.0)):
        return Symptom(0, one.length, "velocities go to and fro")
    return None


def idle(one: OneEpisode) -> Symptom | None:
    """It stood still for 60 % of the time, beginning in the first 40 %, before any advance."""
    phases = one.phases
    begins = first_where(np.array([phase.regime == "still" for phase in phases]))
    still = sum(phase.length for phase in phases if phase.regime == "still") / one.length
    if begins is None or still < 0.6 or phases[begins].start > 0.4 * one.length:
        return None
    if any(phase.regime == "advancing" for phase in phases[:begins]):
        return None
    return Symptom(phases[begins].start, one.length)


def never_reached(one: OneEpisode) -> Symptom | None:
    """It came no nearer to the goal over the last part of the episode, and never reached it."""
    measure, progress = one.measure, one.progress
    if measure is None or measure.kind != "goal" or progress is None:
        return None
    stop = _plateau(measure, progress)
    if _came_near(one) is not None or one.length - stop < PLATEAU * one.length:
        return None
    nearest = prompt_number(-float(progress.max()))
    detail = f"{nearest} away at the nearest, good ones {prompt_number(measure.near)}"
    return Symptom(stop, one.length, detail)


RULES: dict[str, Callable[[OneEpisode], Symptom | None]] = {
    "diverged": diverged,
    "fell": fell,
    "ended early": ended_early,
    "wrong way": wrong_way,
    "spinning": spinning,
    "overshoot": overshoot,
    "sideways": sideways,
    "stuck": stuck,
    "jitter": jitter,
    "saturated": saturated,
    "idle": idle,
    "never reached": never_reached,
    "nowhere": nowhere,
}
"""By the name of the failure, the most informative first."""


def _came_near(one: OneEpisode) -> int | None:
    """The first step after which the goal counts as reached; None if it never does."""
    if one.measure is None or one.measure.kind != "goal" or one.progress is None:
        return None
    return first_where(-one.progress <= one.measure.near)


def _plateau(measure: TaskProgress, progress: FloatArray) -> int:
    """The step after which an episode gets hardly any farther."""
    return int((progress >= progress.max() - HARDLY * measure.full).argmax())
