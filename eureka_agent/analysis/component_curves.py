"""What a training says about the components of its reward, at most one sentence on each.

The rules are silent rather than wrong: each asks for more than noise, and most for every point.
"""

from dataclasses import dataclass
from statistics import fmean

from eureka_agent.analysis.training_curves import Course, known, size
from eureka_agent.common.plain_text import number, percent, plain

FEWEST_POINTS = 6
"""Points without which "all through training" would be too much to say."""
DOMINATING = 0.8
"""Share from which all other components together are a correction."""
NEGLIGIBLE = 0.01
"""Share below which a component is lost in the others' noise."""
SMALL_STEP = 0.05
"""A negligible component must not be worth more at any one step, in parts of the mean reward."""
SATURATED = 0.05
"""Part of the maximum that may be missing where nothing is left to gain."""
MOST_POINTS = 0.7
"""Part of the points that counts as most of training."""
BOTTOM = 0.02
"""Part of a component's range that counts as its lower end."""
NARROW_KERNEL = 0.05
"""A kernel reaches 1 at its goal; one that never passes this has not seen the goal from near."""
FLAT_RANGE, FLAT_SIZE = 0.03, 0.05
"""A flat mean moves by less than these parts of the component's range and of its own size."""
GIVEN, GIVEN_SHARE = 0.75, 0.6
"""Part of its maximum, and share of the reward, from which early on doing nothing pays well."""
STUCK_MOVE, STUCK_LOW, STUCK_HIGH, STUCK_SHARE = 0.1, 0.1, 0.75, 0.3
"""A component is stuck if over the second half of training its mean moves by no more than the
first part of its maximum and lies between the second and the third, at a share of the fourth."""
SAME = 1e-6
"""Relative difference that float32 leaves between equal numbers."""


@dataclass(frozen=True)
class Measured:
    """A component of which enough is known to judge it; values are weighted and per step.

    Attributes:
        name: safe to print.
        weight: None if the program does not tell.
        means: at the points that have one, at least `FEWEST_POINTS`.
        shares: likewise.
        low: the lowest value at any step.
        high: the highest.
        reward: the sum of all components' absolute means, averaged over training.
        swing: the largest absolute value of any other component at any step; None without others.
        ends: whether episodes can end early.
    """

    name: str
    weight: float | None
    means: list[float]
    shares: list[float]
    low: float
    high: float
    reward: float
    swing: float | None
    ends: bool


def component_remarks(course: Course) -> list[str]:
    """A sentence on each component that something is the matter with."""
    remarks = []
    for component in _measured(course):
        found = (rule(component) for rule in RULES)
        remarks.append(next((remark for remark in found if remark), None))
    return [remark for remark in remarks if remark]


def _measured(course: Course) -> list[Measured]:
    sizes = [list(map(abs, known(component.means))) for component in course.components]
    reward = sum(fmean(values) for values in sizes if values)
    found = []
    for component in course.components:
        means, shares = known(component.means), known(component.shares)
        low, high = component.low, component.high
        if low is None or high is None or min(len(means), len(shares)) < FEWEST_POINTS:
            continue
        others = [other for other in course.components if other is not component]
        swings = [max(abs(other.low or 0.0), abs(other.high or 0.0)) for other in others]
        swing = max(swings, default=None)
        name, ends = plain(component.name), size(course.ended_early) > 0
        found.append(
            Measured(name, component.weight, means, shares, low, high, reward, swing, ends)
        )
    return found


def _unpaid(component: Measured) -> str | None:
    if component.weight != 0:
        return None
    return f"{component.name} has weight 0: it is shown, not paid."


def _constant(component: Measured) -> str | None:
    most = max(abs(component.low), abs(component.high))
    if component.high - component.low > SAME * most:
        return None
    if most == 0:
        return f"{component.name} was 0 at every step: nothing the policy did earned or cost it."
    if component.ends:
        return None  # what every step pays rewards staying alive
    value = number(component.high)
    return f"{component.name} was {value} at every step: a constant teaches nothing; drop it."


def _narrow(component: Measured) -> str | None:
    if component.low < 0 or not component.weight:
        return None
    raw = component.high / abs(component.weight)
    if raw >= NARROW_KERNEL:
        return None
    return (
        f"{component.name} never passed {number(raw)} before its weight: "
        "if it is a kernel that should reach 1, it needs a larger width."
    )


def _never_reached(component: Measured) -> str | None:
    """What stayed at the lower end of its range; what pays both ways has no such end."""
    low, high, best = component.low, component.high, max(component.means)
    constant = high - low <= SAME * max(abs(low), abs(high))
    if constant or low < 0 < high or best > low + BOTTOM * (high - low):
        return None
    if high <= 0:
        return (
            f"{component.name} stayed at its worst (mean at best {number(best)}, range "
            f"{number(low)} to {number(high)}): nothing the policy found lowers this cost; "
            "reshape it."
        )
    return (
        f"{component.name} was hardly ever earned (mean at most {number(best)}, maximum "
        f"{number(high)}): grade it, so that coming nearer already pays."
    )


def _negligible(component: Measured) -> str | None:
    most, share = max(abs(component.low), abs(component.high)), max(component.shares)
    if component.swing is None or share >= NEGLIGIBLE or most > SMALL_STEP * component.reward:
        return None
    return (
        f"{component.name} is negligible (share at most {100 * share:.2g}%, never beyond "
        f"{number(most)} per step): it decides nothing."
    )


def _given(component: Measured) -> str | None:
    """What pays nearly all from the start, for doing nothing, and drowns the rest."""
    high, early = component.high, len(component.means) // 3
    if component.low < 0 or component.swing is None:
        return None
    if min(component.means[:early]) < GIVEN * high:
        return None
    if min(component.shares[:early]) < GIVEN_SHARE:
        return None
    return (
        f"{component.name} paid {percent(component.means[0] / high)} of its maximum from the first "
        f"point, {percent(component.shares[0])} of the reward: doing little earns it."
    )


def _stuck(component: Measured) -> str | None:
    """What has stood still half way, as where a cheap behaviour earns a part."""
    high, half = component.high, len(component.means) // 2
    late = component.means[half:]
    if component.low < 0 or max(late) - min(late) > STUCK_MOVE * high:
        return None
    if min(component.shares[half:], default=0.0) < STUCK_SHARE:
        return None
    if min(late) < STUCK_LOW * high or max(late) > STUCK_HIGH * high:
        return None
    return (
        f"{component.name} is stuck at {number(fmean(late))} of {number(high)} over the second "
        "half: if some cheap behaviour earns that part, make it steeper towards its maximum, or "
        "charge for that behaviour."
    )


def _saturated(component: Measured) -> str | None:
    high, means = component.high, component.means
    full = [mean >= (1 - SATURATED) * high for mean in means]
    if high <= 0 or not full[-1] or sum(full) < MOST_POINTS * len(full):
        return None
    return (
        f"{component.name} is saturated (mean {number(means[-1])} of at most {number(high)} for "
        "most of training): it holds what was reached, and leads no further."
    )


def _flat(component: Measured) -> str | None:
    low, high = min(component.means), max(component.means)
    extent, largest = component.high - component.low, max(abs(low), abs(high))
    if high - low > min(FLAT_RANGE * extent, FLAT_SIZE * largest):
        return None
    return (
        f"{component.name} is flat (mean {number(low)} to {number(high)} all through training): "
        "learning does not move it; change its scale or drop it."
    )


def _dominating(component: Measured) -> str | None:
    low, high = min(component.shares), max(component.shares)
    if component.swing is None or low < DOMINATING:
        return None
    # A small mean may hide large swings, which steer: then the share does not tell who does.
    if component.swing > fmean(map(abs, component.means)):
        return None
    return (
        f"{component.name} dominates with {percent(low)} to {percent(high)} of the reward at every "
        "point: the rest hardly steers."
    )


RULES = (
    _unpaid,
    _constant,
    _narrow,
    _never_reached,
    _negligible,
    _given,
    _stuck,
    _saturated,
    _flat,
    _dominating,
)
