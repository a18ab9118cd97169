"""Failure rules: one rule for each way in which an episode can fail, generic over environments.

Each rule says where in the episode the failure shows, or nothing. Rules compare with good episodes
where there are some, so that nothing counts as a failure that good ones do as well.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eureka_agent.analysis.trajectories.features import (
    EpisodeFeatures,
    TaskProgress,
    farthest_out,
    first_where,
    fraction_of,
    sideways_columns,
    window_of,
)
from eureka_agent.common.text import prompt_number, prompt_percent
from eureka_agent.environment.episodes import FloatArray

MOSTLY = 0.6
"""Fraction of an episode that counts as most of it."""
BACKWARD, AS_FAR = 0.1, 0.5
"""Part of good episodes' progress that must be lost to have gone the wrong way: the first where
good episodes are known, the second where not."""
PROGRESSED, STOPPED, FULL = 0.1, 0.25, 0.8
"""Stuck: after the first part of good episodes' way, without progress for the second part of the
time, and short of the third part of the way."""
TURNS, STEADY, MORE = 1.5, 0.5, 2.0
"""Spinning: turns one way, rate in parts of its root mean square, multiple of good episodes'."""
LEFT_AGAIN = 3.0
"""Multiple of the distance that counts as near at which a goal has been left again."""
ASIDE = 0.25
"""Part of good episodes' progress, and of the episode's own, that must be covered sideways."""
HARDLY = 0.05
"""Part of good episodes' progress that counts as none."""
SHAKING, SHAKEN = 0.3, 1.0
"""Jitter: root mean square change from step to step of actions, and of velocities in parts of what
is usual."""
SATURATED, OFTENER = 0.8, 0.3
"""Saturated: fraction of actions that stay at a limit, and by how much more than good ones."""


@dataclass(frozen=True)
class Symptom:
    """Where in an episode something shows.

    Attributes:
        start: the first step, from 0.
        stop: the step after the last one.
        detail: the evidence in a few words; may be empty.
    """

    start: int
    stop: int
    detail: str = ""


def diverged(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """The physics failed."""
    if not features.known.evaluated.diverged[episode]:
        return None
    return Symptom(features.length(episode) - 1, features.length(episode))


def fell(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """It ended early with a loss of height or uprightness."""
    if episode not in features.falls:
        return None
    start, column = features.falls[episode]
    course = features.known.states[: features.length(episode) + 1, episode, column.index]
    detail = f"{column.name} from {prompt_number(course[start])} to {prompt_number(course[-1])}"
    return Symptom(start, features.length(episode), detail)


def ended_early(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """It ended early, and not by a fall."""
    if not features.known.terminated[episode] or episode in features.falls:
        return None
    length, detail = features.length(episode), ""
    outside = farthest_out(features.known, features.good, episode)
    if outside is not None:
        column, low, high = outside
        last = features.known.states[length, episode, column.index]
        usual = f"{prompt_number(low)} to {prompt_number(high)}"
        detail = f"{column.name} at {prompt_number(last)}, good ones {usual}"
    return Symptom(max(0, length - window_of(len(features.known.actions))), length, detail)


def wrong_way(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """It went away from where good episodes go."""
    measure, progress = features.measure, features.progress(episode)
    if measure is None or progress is None:
        return None
    gone = float(progress[-1] - progress[0])
    least = BACKWARD if features.good.any() else AS_FAR
    if gone > -least * measure.full or _came_near(features, episode) is not None:
        return None
    phases = [phase for phase in features.phases(episode) if phase.regime == "retreating"]
    advanced = float(progress.max() - progress[0])
    if not phases or advanced > -gone:
        return None
    what = measure.column.name if measure.kind == "travel" and measure.column else "nearness"
    detail = f"{what} changes by {prompt_number(gone * measure.sign)}"
    return Symptom(phases[0].start, phases[-1].stop, detail)


def spinning(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """It kept turning one way, by more than good episodes do."""
    length, most, found = features.length(episode), TURNS, None
    for column, paces in features.turning.items():
        usual = np.abs(paces[features.good]).max(initial=0.0)
        turns = float(paces[episode]) * length
        if abs(turns) <= most or abs(turns) < MORE * usual * length:
            continue
        rates = features.known.states[1 : length + 1, episode, column.index]
        if abs(rates.mean()) < STEADY * np.sqrt(np.square(rates).mean()):
            continue
        share = np.abs(np.cumsum(rates)) / abs(rates.sum())
        start, most = int(np.flatnonzero(share <= HARDLY).max(initial=0)), abs(turns)
        found = Symptom(start, length, f"{column.name}: {prompt_number(turns)} turns")
    return found


def overshoot(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """It came near the goal and left it again."""
    measure, near = features.measure, _came_near(features, episode)
    progress = features.progress(episode)
    if measure is None or progress is None or near is None or features.known.goals_change:
        return None
    away = np.maximum.accumulate(-progress[::-1])[::-1]  # the largest distance still to come
    limit = min(LEFT_AGAIN * measure.near, max(0.3 * measure.full, 1.5 * measure.near))
    if away[near] <= limit:
        return None
    inside, left = False, 0
    for distance in -progress[near:]:
        left += inside and distance > limit
        inside = distance <= measure.near or (inside and distance <= limit)
    times = f"{left} times" if left != 1 else "once"
    return Symptom(near, features.length(episode), f"near at step {near}, left again {times}")


def sideways(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """It travelled sideways."""
    measure = features.measure
    if measure is None or measure.kind != "travel" or not measure.column or not features.good.any():
        return None
    along = abs(float(measure.progress[features.length(episode), episode]))
    for column in sideways_columns(features.known, measure.column):
        course = features.known.states[:, :, column.index]
        drift = np.abs(course - course[0])
        usual = features.known.ends(drift)[features.good].max(initial=0.0)
        own = drift[: features.length(episode) + 1, episode]
        if own[-1] > max(ASIDE * measure.full, ASIDE * along, MORE * usual):
            start = int(np.flatnonzero(own <= 0.1 * own[-1]).max())
            net = float(course[features.length(episode), episode] - course[0, episode])
            return Symptom(
                start, features.length(episode), f"{column.name} changes by {prompt_number(net)}"
            )
    return None


def stuck(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """It made progress on its way, and then none."""
    measure, progress = features.measure, features.progress(episode)
    if measure is None or measure.kind != "travel" or progress is None or not features.good.any():
        return None
    stop, length = _plateau(measure, progress), features.length(episode)
    short = PROGRESSED * measure.full < progress[stop] and progress[-1] < FULL * measure.full
    if not short or length - stop < STOPPED * length or episode in features.falls:
        return None
    return Symptom(
        stop, length, f"{prompt_number(progress[stop])} of {prompt_number(measure.full)} by then"
    )


def nowhere(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """It lived and moved, and made next to no progress."""
    measure, progress = features.measure, features.progress(episode)
    if measure is None or measure.kind != "travel" or progress is None or not features.good.any():
        return None
    if (
        episode in features.falls
        or np.abs(progress - progress[0]).max() > PROGRESSED * measure.full
    ):
        return None
    return Symptom(
        0,
        features.length(episode),
        f"{prompt_number(progress[-1])} of {prompt_number(measure.full)}",
    )


def saturated(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """Its actions were at their limits nearly all the time."""
    share, usual = features.at_limit[episode], features.at_limit[features.good].max(initial=0.0)
    if share < SATURATED or share < usual + OFTENER:
        return None
    return Symptom(
        0, features.length(episode), f"{prompt_percent(share)} of the actions at a limit"
    )


def jitter(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """Its actions or velocities changed sign from step to step."""
    for what, values, limit in zip(
        ("actions", "velocities"), features.alternation, (SHAKING, SHAKEN), strict=True
    ):
        if what == "velocities" and not features.good.any():
            continue  # impacts on the ground do the same
        usual = values[features.good].max(initial=0.0)
        if values[episode] > max(limit, MORE * usual):
            return Symptom(0, features.length(episode), f"{what} go to and fro")
    return None


def idle(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """It stood still for most of the time, from the start."""
    phases = features.phases(episode)
    begins = first_where(np.array([phase.regime == "still" for phase in phases]))
    still = fraction_of(phases, "still")
    if still < MOSTLY or begins is None or phases[begins].start > (1 - MOSTLY) * phases[-1].stop:
        return None
    if begins and any(phase.regime == "advancing" for phase in phases[:begins]):
        return None
    return Symptom(phases[begins].start, features.length(episode))


def never_reached(features: EpisodeFeatures, episode: int) -> Symptom | None:
    """It came no nearer to the goal over the last part of the episode, and never reached it."""
    measure, progress = features.measure, features.progress(episode)
    if measure is None or measure.kind != "goal" or progress is None:
        return None
    stop, length = _plateau(measure, progress), features.length(episode)
    if _came_near(features, episode) is not None or length - stop < STOPPED * length:
        return None
    nearest = prompt_number(-float(progress.max()))
    return Symptom(
        stop, length, f"{nearest} away at the nearest, good ones {prompt_number(measure.near)}"
    )


RULES: dict[str, Callable[[EpisodeFeatures, int], Symptom | None]] = {
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
"""By the name of the failure, the most telling first."""


def _came_near(features: EpisodeFeatures, episode: int) -> int | None:
    """The first step after which the goal counts as reached; None if it never does."""
    progress = features.progress(episode)
    if features.measure is None or features.measure.kind != "goal" or progress is None:
        return None
    return first_where(-progress <= features.measure.near)


def _plateau(measure: TaskProgress, progress: FloatArray) -> int:
    """The step after which an episode gets hardly any farther."""
    return int((progress >= progress.max() - HARDLY * measure.full).argmax())
