"""Symptoms: one rule for each way in which an episode can fail, generic over environments.

Each rule says where in the episode it shows, or nothing. They compare with good episodes where
there are some, so that what good ones do as well is never called a failure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from eureka_agent.analysis.arrays import FloatArray
from eureka_agent.analysis.trajectories.features import (
    EpisodeFeatures,
    TaskProgress,
    farthest_out,
    first_where,
    share_of,
    sideways_columns,
    window_of,
)
from eureka_agent.common.text import prompt_number, prompt_percent

MOSTLY = 0.6
"""Share of an episode that counts as most of it."""
BACKWARD, AS_FAR = 0.1, 0.5
"""Part of what good episodes progress that must be lost to have gone the wrong way; likewise where
the best that is known is not good."""
PROGRESSED, STOPPED, FULL = 0.1, 0.25, 0.8
"""Stuck: after the first part of good episodes' way, without progress for the second part of the
time, and short of the third part of the way."""
TURNS, STEADY, MORE = 1.5, 0.5, 2.0
"""Spinning: turns one way, rate in parts of its root mean square, multiple of good episodes'."""
LEFT_AGAIN = 3.0
"""Multiple of the distance that counts as near at which a goal has been left again."""
ASIDE = 0.25
"""Part of what good episodes progress that must be covered sideways, likewise of one's own."""
HARDLY = 0.05
"""Part of good episodes' way that counts as no progress."""
SHAKING, SHAKEN = 0.3, 1.0
"""Jitter: root mean square change from step to step of actions, and of velocities in parts of what
is usual."""
SATURATED, OFTENER = 0.8, 0.3
"""Saturated: share of actions that stay at a limit, and how much more that is than of good ones."""


@dataclass(frozen=True)
class Symptom:
    """Where in an episode something shows.

    Attributes:
        start: the first step, from 0.
        stop: the step after the last one.
        detail: what shows it, in a few words; may be empty.
    """

    start: int
    stop: int
    detail: str = ""


def diverged(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """The physics failed."""
    if scene.recordings.diverged is None or not scene.recordings.diverged[episode]:
        return None
    return Symptom(scene.length(episode) - 1, scene.length(episode))


def fell(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """It ended early with a loss of height or uprightness."""
    if episode not in scene.falls:
        return None
    start, column = scene.falls[episode]
    course = scene.recordings.states[: scene.length(episode) + 1, episode, column.index]
    detail = f"{column.name} from {prompt_number(course[start])} to {prompt_number(course[-1])}"
    return Symptom(start, scene.length(episode), detail)


def ended_early(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """It ended early, and not by a fall."""
    if not scene.recordings.terminated[episode] or episode in scene.falls:
        return None
    length, detail = scene.length(episode), ""
    outside = farthest_out(scene.recordings, scene.good, episode)
    if outside is not None:
        column, low, high = outside
        last = scene.recordings.states[length, episode, column.index]
        detail = f"{column.name} at {prompt_number(last)}, good ones {prompt_number(low)} to {prompt_number(high)}"
    return Symptom(max(0, length - window_of(len(scene.recordings.actions))), length, detail)


def wrong_way(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """It went away from where good episodes go."""
    measure, progress = scene.measure, scene.progress(episode)
    if measure is None or progress is None:
        return None
    gone = float(progress[-1] - progress[0])
    least = BACKWARD if scene.good.any() else AS_FAR
    if gone > -least * measure.full or _came_near(scene, episode) is not None:
        return None
    phases = [phase for phase in scene.phases(episode) if phase.regime == "retreating"]
    advanced = float(progress.max() - progress[0])
    if not phases or advanced > -gone:
        return None
    what = measure.column.name if measure.kind == "travel" and measure.column else "nearness"
    detail = f"{what} changes by {prompt_number(gone * measure.sign)}"
    return Symptom(phases[0].start, phases[-1].stop, detail)


def spinning(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """It kept turning one way, by more than good episodes do."""
    length, most, found = scene.length(episode), TURNS, None
    for column, paces in scene.turning.items():
        usual = np.abs(paces[scene.good]).max(initial=0.0)
        turns = float(paces[episode]) * length
        if abs(turns) <= most or abs(turns) < MORE * usual * length:
            continue
        rates = scene.recordings.states[1 : length + 1, episode, column.index]
        if abs(rates.mean()) < STEADY * np.sqrt(np.square(rates).mean()):
            continue
        share = np.abs(np.cumsum(rates)) / abs(rates.sum())
        start, most = int(np.flatnonzero(share <= HARDLY).max(initial=0)), abs(turns)
        found = Symptom(start, length, f"{column.name}: {prompt_number(turns)} turns")
    return found


def overshoot(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """It came near the goal and left it again."""
    measure, near = scene.measure, _came_near(scene, episode)
    progress = scene.progress(episode)
    if measure is None or progress is None or near is None or scene.recordings.goals_change:
        return None
    away = np.maximum.accumulate(-progress[::-1])[::-1]  # the largest distance that still comes
    limit = min(LEFT_AGAIN * measure.near, max(0.3 * measure.full, 1.5 * measure.near))
    if away[near] <= limit:
        return None
    inside, left = False, 0
    for distance in -progress[near:]:
        left += inside and distance > limit
        inside = distance <= measure.near or (inside and distance <= limit)
    times = f"{left} times" if left != 1 else "once"
    return Symptom(near, scene.length(episode), f"near at step {near}, left again {times}")


def sideways(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """It travelled sideways."""
    measure = scene.measure
    if measure is None or measure.kind != "travel" or not measure.column or not scene.good.any():
        return None
    along = abs(float(measure.progress[scene.length(episode), episode]))
    for column in sideways_columns(scene.recordings, measure.column):
        course = scene.recordings.states[:, :, column.index]
        drift = np.abs(course - course[0])
        usual = scene.recordings.ends(drift)[scene.good].max(initial=0.0)
        own = drift[: scene.length(episode) + 1, episode]
        if own[-1] > max(ASIDE * measure.full, ASIDE * along, MORE * usual):
            start = int(np.flatnonzero(own <= 0.1 * own[-1]).max())
            net = float(course[scene.length(episode), episode] - course[0, episode])
            return Symptom(
                start, scene.length(episode), f"{column.name} changes by {prompt_number(net)}"
            )
    return None


def stuck(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """It made progress on its way, and then none."""
    measure, progress = scene.measure, scene.progress(episode)
    if measure is None or measure.kind != "travel" or progress is None or not scene.good.any():
        return None
    stop, length = _plateau(measure, progress), scene.length(episode)
    short = PROGRESSED * measure.full < progress[stop] and progress[-1] < FULL * measure.full
    if not short or length - stop < STOPPED * length or episode in scene.falls:
        return None
    return Symptom(
        stop, length, f"{prompt_number(progress[stop])} of {prompt_number(measure.full)} by then"
    )


def nowhere(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """It lived, moved, and covered no way to speak of."""
    measure, progress = scene.measure, scene.progress(episode)
    if measure is None or measure.kind != "travel" or progress is None or not scene.good.any():
        return None
    if episode in scene.falls or np.abs(progress - progress[0]).max() > PROGRESSED * measure.full:
        return None
    return Symptom(
        0, scene.length(episode), f"{prompt_number(progress[-1])} of {prompt_number(measure.full)}"
    )


def saturated(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """Its actions were at their limits nearly all the time."""
    share, usual = scene.at_limit[episode], scene.at_limit[scene.good].max(initial=0.0)
    if share < SATURATED or share < usual + OFTENER:
        return None
    return Symptom(0, scene.length(episode), f"{prompt_percent(share)} of the actions at a limit")


def jitter(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """Its actions or velocities changed sign from step to step."""
    for what, values, limit in zip(
        ("actions", "velocities"), scene.alternation, (SHAKING, SHAKEN), strict=True
    ):
        if what == "velocities" and not scene.good.any():
            continue  # impacts on the ground do that too
        usual = values[scene.good].max(initial=0.0)
        if values[episode] > max(limit, MORE * usual):
            return Symptom(0, scene.length(episode), f"{what} go to and fro")
    return None


def idle(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """It stood still for most of the time, from the start."""
    phases = scene.phases(episode)
    begins = first_where(np.array([phase.regime == "still" for phase in phases]))
    still = share_of(phases, "still")
    if still < MOSTLY or begins is None or phases[begins].start > (1 - MOSTLY) * phases[-1].stop:
        return None
    if begins and any(phase.regime == "advancing" for phase in phases[:begins]):
        return None
    return Symptom(phases[begins].start, scene.length(episode))


def never_reached(scene: EpisodeFeatures, episode: int) -> Symptom | None:
    """It came no nearer to the goal for the last part of the episode, and was not there."""
    measure, progress = scene.measure, scene.progress(episode)
    if measure is None or measure.kind != "goal" or progress is None:
        return None
    stop, length = _plateau(measure, progress), scene.length(episode)
    if _came_near(scene, episode) is not None or length - stop < STOPPED * length:
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
"""By the name of the failure; the first ones tell most where several apply."""


def _came_near(scene: EpisodeFeatures, episode: int) -> int | None:
    """The first step after which the goal counts as reached; None if it never does."""
    progress = scene.progress(episode)
    if scene.measure is None or scene.measure.kind != "goal" or progress is None:
        return None
    return first_where(-progress <= scene.measure.near)


def _plateau(measure: TaskProgress, progress: FloatArray) -> int:
    """The step from which an episode gets hardly any farther than it has been."""
    return int((progress >= progress.max() - HARDLY * measure.full).argmax())
