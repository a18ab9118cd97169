"""The curves of a training run over its evaluations, and remarks on them.

The rules are silent rather than wrong: each asks for more than noise, and most of those about
components for every point.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from eureka_agent.common.text import prompt_line, prompt_number, prompt_percent, steps
from eureka_agent.reward import read_program
from eureka_agent.store import EvaluationRow

Curve = tuple[float | None, ...]

FEWEST_POINTS = 6
"""A trend compares the first third of the points with the last, and one point is no third."""
LEARNED = 0.2
"""Part of its size by which a curve must rise before the policy has learned."""
SAME = 1e-6
"""Relative difference that float32 leaves between equal numbers."""


@dataclass(frozen=True)
class Component:
    """A component of a reward over a training run; values are weighted and per step.

    Attributes:
        name: as the program calls it.
        weight: factor of its values; None if the program does not say.
        means: mean value in the stretch of training before each point.
        shares: its part of the sum of all components' absolute means, 0 to 1.
        low: the lowest value at any step; None without any.
        high: the highest value at any step; None without any.
    """

    name: str
    weight: float | None
    means: Curve
    shares: Curve
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Course:
    """A training run point by point: every curve has one entry for each of `steps`.

    Attributes:
        steps: environment steps trained, growing.
        fitness: mean over the ranking episodes.
        own_return: return of the reward itself per episode.
        length: mean length of the episodes, in control steps.
        ended_early: fraction of the episodes that ended before the time limit.
        components: in the order of the program.
        diagnostics: of the trainer, by name.
    """

    steps: tuple[int, ...]
    fitness: Curve
    own_return: Curve
    length: Curve
    ended_early: Curve
    components: tuple[Component, ...]
    diagnostics: Mapping[str, Curve]


@dataclass(frozen=True)
class Trend:
    """The move of a curve between the first and the last third of its points.

    Attributes:
        early: mean of the first third.
        late: mean of the last third.
        direction: 1 if it rose, -1 if it fell, 0 if neither is clear.
    """

    early: float
    late: float
    direction: int


def read_course(text: str, evaluations: Sequence[EvaluationRow]) -> Course:
    """The curves of one training run.

    Args:
        text: the reward program, from which the weights come; nothing of it is executed.
        evaluations: at least one, in any order. Of two at the same step the later one counts.
    """
    by_step = {row.step: row for row in sorted(evaluations, key=lambda row: row.id)}
    rows = [by_step[step] for step in sorted(by_step)]
    weights = read_program(text, ()).weights
    measured = dict.fromkeys(name for row in rows for name in row.components)
    names = [name for name in {**weights, **measured} if name in measured]
    diagnostics = sorted({name for row in rows for name in row.diagnostics})
    return Course(
        steps=tuple(row.step for row in rows),
        fitness=_curve([row.fitness for row in rows]),
        own_return=_curve([row.own_return for row in rows]),
        length=_curve([row.episode_length for row in rows]),
        ended_early=_curve([row.ended_early for row in rows]),
        components=tuple(_component(name, weights.get(name), rows) for name in names),
        diagnostics={
            name: _curve([row.diagnostics.get(name) for row in rows]) for name in diagnostics
        },
    )


def _component(name: str, weight: float | None, rows: Sequence[EvaluationRow]) -> Component:
    def curve(key: str) -> Curve:
        return _curve([row.components.get(name, {}).get(key) for row in rows])

    low = min(known(curve("min")), default=None)
    high = max(known(curve("max")), default=None)
    return Component(name, weight, curve("mean"), curve("share"), low, high)


def _curve(values: Sequence[float | None]) -> Curve:
    return tuple(
        None if value is None or not math.isfinite(value) else float(value) for value in values
    )


def known(curve: Curve) -> list[float]:
    """The values of a curve that are there."""
    return [value for value in curve if value is not None]


def size(curve: Curve) -> float:
    """The largest absolute value of a curve; 0 without any."""
    return max(map(abs, known(curve)), default=0.0)


def thirds(curve: Curve) -> tuple[list[float], list[float]] | None:
    """The first and the last third of a curve's values; None with fewer than `FEWEST_POINTS`."""
    values = known(curve)
    if len(values) < FEWEST_POINTS:
        return None
    part = len(values) // 3
    return values[:part], values[-part:]


def trend(curve: Curve) -> Trend | None:
    """The move of a curve; None with fewer than `FEWEST_POINTS` values.

    A move is clear if it is larger than two standard errors and 5 % of the curve's size.
    """
    parts = thirds(curve)
    if parts is None:
        return None
    early, late = map(fmean, parts)
    error = math.sqrt(sum(variance(part) / len(part) for part in parts))
    clear = abs(late - early) > max(2.0 * error, 0.05 * size(curve))
    return Trend(early, late, (1 if late > early else -1) if clear else 0)


def course_remarks(course: Course, episode_steps: int) -> list[str]:
    """Sentences about the training run as a whole, the most important first.

    Args:
        course: the run.
        episode_steps: control steps until an episode's time limit.
    """
    found = [
        _not_computable(course),
        _misleading(course),
        _unlearned(course),
        _past_best(course),
        _still_rising(course),
        _ended_early(course, episode_steps),
        _diverged(course),
        _unpredictable(course),
        _action_std(course),
        _updates(course),
    ]
    return [remark for remark in found if remark]


def _not_computable(course: Course) -> str | None:
    missing = sum(value is None for value in course.own_return)
    if not missing:
        return None
    return (
        f"The own return was not a finite number at {missing} of {len(course.steps)} points: "
        "the program breaks on some states; guard its divisions, roots and logarithms."
    )


def _misleading(course: Course) -> str | None:
    """The own return was learned, while the fitness fell or rose by no more than 10 %."""
    own, fitness = trend(course.own_return), trend(course.fitness)
    if own is None or fitness is None:
        return None
    if own.direction <= 0 or own.late - own.early <= LEARNED * size(course.own_return):
        return None
    rose = f"Own return rose {_ends(own)} while fitness"
    if fitness.direction < 0:
        return (
            f"{rose} fell {_ends(fitness)}: the reward misleads; what it pays for is not the task."
        )
    late = known(course.fitness)[-2:]  # a task may be solved all at once, at the very end
    if max(fitness.late, *late) - fitness.early > 0.1 * size(course.fitness):
        return None
    return f"{rose} stayed ({_ends(fitness)}): what was learned last did not help the task."


def _ends(moved: Trend) -> str:
    return f"from {prompt_number(moved.early)} to {prompt_number(moved.late)}"


def _unlearned(course: Course) -> str | None:
    own, least = trend(course.own_return), LEARNED * size(course.own_return)
    if own is None or own.direction > 0 or own.late - own.early > least:
        return None
    late = prompt_number(own.late)
    ends = f"from {prompt_number(own.early)} in the first third to {late} in the last"
    if own.direction < 0 and own.early - own.late > least:
        return f"Own return fell ({ends}): training failed on this reward."
    if max(known(course.own_return)) - own.early > least:
        return None  # it went up and down: noise, or learned and lost
    return (
        f"Own return did not rise ({ends}): after the first points nothing more was learned "
        "from this reward."
    )


def _past_best(course: Course) -> str | None:
    """The last third is 30 % below the best third of neighbouring points before it."""
    parts, values = thirds(course.fitness), known(course.fitness)
    if parts is None:
        return None
    last = parts[1]
    count = len(last)
    stretches = [values[i : i + count] for i in range(len(values) - 2 * count + 1)]
    best = max(stretches, key=fmean)
    lost = fmean(best) - fmean(last)
    if min(best) <= max(last) or lost <= 0.3 * abs(fmean(best)):
        return None
    peak = max(best)
    when = steps(course.steps[course.fitness.index(peak)])
    return (
        f"Fitness was best well before the end ({prompt_number(peak)} at {when} steps, "
        f"{prompt_number(fmean(last))} over the last third): later training earned the reward in "
        "another way."
    )


def _still_rising(course: Course) -> str | None:
    """The last third still brought a quarter of the whole rise."""
    values, moved = known(course.fitness), trend(course.fitness)
    if moved is None or values[-1] < max(values) or moved.direction < 0:
        return None
    rise, before = values[-1] - min(values), values[: -max(len(values) // 3, 1)]
    if rise <= LEARNED * size(course.fitness) or values[-1] - max(before) < 0.25 * rise:
        return None
    return (
        f"Fitness was still rising at the end ({prompt_number(max(before))} was the best before "
        f"the last third, {prompt_number(values[-1])} at the end): it was still learning."
    )


def _ended_early(course: Course, episode_steps: int) -> str | None:
    """At least half of the episodes end early: staying alive is the first problem."""
    ended, length = course.ended_early[-1], course.length[-1]
    if ended is None or length is None or ended < 0.5:
        return None
    return (
        f"At the end {prompt_percent(ended)} of the episodes still ended early, after "
        f"{prompt_number(length)} of {episode_steps} steps on average."
    )


def _diverged(course: Course) -> str | None:
    most = size(course.diagnostics.get("diverged", ()))
    if most == 0:
        return None
    return (
        f"The physics diverged in up to {100 * most:.2g}% of the steps: "
        "the policy found violent motions; charge for speed or effort."
    )


def _unpredictable(course: Course) -> str | None:
    """An explained variance below 0.3 is of little use; healthy runs pass 0.8."""
    late = _late(course, "explained_variance")
    varies = any(c.low != c.high for c in course.components)
    if late is None or late >= 0.3 or not varies:
        return None
    return (
        f"The value network explains only {prompt_number(late)} of the returns' variance (1 is "
        "all): it cannot predict this reward, which may be too rare, too noisy or jump."
    )


def _action_std(course: Course) -> str | None:
    """A standard deviation below 0.1 hardly explores; above 1.5 (it begins at 1) noise is free."""
    curve = known(course.diagnostics.get("action_spread", ()))
    if len(curve) < 2:
        return None
    middle, end = curve[(len(curve) - 1) // 2], curve[-1]
    if middle < 0.1:
        return (
            f"The action spread had shrunk to {prompt_number(middle)} by half of the training: "
            "exploration ended early; an early, easy gain may hide a better one."
        )
    if end > 1.5 and end == max(curve):
        return (
            f"The action spread grew to {prompt_number(end)}: noise costs this reward nothing; "
            "it hardly tells actions apart, or charges too little for them."
        )
    return None


def _updates(course: Course) -> str | None:
    """A KL divergence per update far from the usual targets of 0.01 to 0.05."""
    kl = _late(course, "kl")
    if kl is None or 1e-4 <= kl <= 0.1:
        return None
    if kl > 0.1:
        return (
            f"Updates were far too large (KL {prompt_number(kl)}): training itself was unstable; "
            "smaller or smoother rewards may help."
        )
    return f"The policy hardly moved (KL {prompt_number(kl)}): the reward gives it no direction."


def _late(course: Course, name: str) -> float | None:
    """A diagnostic's mean over the last third of training."""
    parts = thirds(course.diagnostics.get(name, ()))
    return None if parts is None else fmean(parts[1])


@dataclass(frozen=True)
class Measured:
    """A component with enough points to judge it; values are weighted and per step.

    Attributes:
        weight: None if the program does not say.
        means: at the points that have one, at least `FEWEST_POINTS`.
        shares: at the points that have one, too.
        low: the lowest value at any step.
        high: the highest.
        reward: the sum of all components' absolute means, averaged over training.
        swing: the largest absolute value of any other component at any step; None without others.
        ends: whether episodes can end early.
    """

    weight: float | None
    means: list[float]
    shares: list[float]
    low: float
    high: float
    reward: float
    swing: float | None
    ends: bool

    @property
    def size(self) -> float:
        """The largest absolute value at any step."""
        return max(abs(self.low), abs(self.high))

    @property
    def constant(self) -> bool:
        """Whether it was the same at every step."""
        return self.high - self.low <= SAME * self.size


def component_remarks(course: Course) -> list[str]:
    """At most one sentence on each component: that of the first rule that applies."""
    reward = sum(fmean(map(abs, means)) for c in course.components if (means := known(c.means)))
    sizes = {c.name: max(abs(c.low or 0.0), abs(c.high or 0.0)) for c in course.components}
    ends = size(course.ended_early) > 0
    remarks = []
    for c in course.components:
        means, shares = known(c.means), known(c.shares)
        if c.low is None or c.high is None or min(len(means), len(shares)) < FEWEST_POINTS:
            continue
        swing = max((most for name, most in sizes.items() if name != c.name), default=None)
        name = prompt_line(c.name)
        measured = Measured(c.weight, means, shares, c.low, c.high, reward, swing, ends)
        said = (remark for rule in RULES if (remark := rule(measured)))
        remarks += [f"{name} {remark}" for remark in [next(said, None)] if remark]
    return remarks


def _unpaid(component: Measured) -> str | None:
    return "has weight 0: it is shown, not paid." if component.weight == 0 else None


def _constant(component: Measured) -> str | None:
    if not component.constant:
        return None
    if component.size == 0:
        return "was 0 at every step: nothing the policy did earned or cost it."
    if component.ends:
        return None  # what every step pays rewards staying alive
    return (
        f"was {prompt_number(component.high)} at every step: a constant teaches nothing; drop it."
    )


def _narrow(component: Measured) -> str | None:
    """A kernel reaches 1 at its goal; below 0.05 it has not seen the goal from near."""
    if component.low < 0 or not component.weight or component.high / abs(component.weight) >= 0.05:
        return None
    return (
        f"never passed {prompt_number(component.high / abs(component.weight))} before its weight: "
        "if it is a kernel that should reach 1, it needs a larger width."
    )


def _never_reached(component: Measured) -> str | None:
    """It stayed within 2 % of its range at the lower end; what pays both ways has no such end."""
    low, high, best = component.low, component.high, max(component.means)
    if component.constant or low < 0 < high or best > low + 0.02 * (high - low):
        return None
    if high <= 0:
        return (
            f"stayed at its worst (mean at best {prompt_number(best)}, range {prompt_number(low)} "
            f"to {prompt_number(high)}): nothing the policy found lowers this cost; reshape it."
        )
    return (
        f"was hardly ever earned (mean at most {prompt_number(best)}, maximum "
        f"{prompt_number(high)}): grade it, so that coming nearer already pays."
    )


def _negligible(component: Measured) -> str | None:
    """Below 1 % of the reward, and never worth more at one step than 5 % of the mean reward."""
    share = max(component.shares)
    if component.swing is None or share >= 0.01 or component.size > 0.05 * component.reward:
        return None
    return (
        f"is negligible (share at most {100 * share:.2g}%, never beyond "
        f"{prompt_number(component.size)} per step): it decides nothing."
    )


def _given(component: Measured) -> str | None:
    """75 % of its maximum and 60 % of the reward from the start: doing nothing pays well."""
    early = len(component.means) // 3
    if component.low < 0 or component.swing is None:
        return None
    if min(component.means[:early]) < 0.75 * component.high or min(component.shares[:early]) < 0.6:
        return None
    paid = prompt_percent(component.means[0] / component.high)
    share = prompt_percent(component.shares[0])
    return (
        f"paid {paid} of its maximum from the first point, {share} of the reward: "
        "doing little earns it."
    )


def _stuck(component: Measured) -> str | None:
    """Over the second half its mean stays within 10 % of its maximum, at 10 to 75 % of that.

    It must be 30 % of the reward at least, as where a cheap behaviour earns a part.
    """
    high, half = component.high, len(component.means) // 2
    late, share = component.means[half:], min(component.shares[half:], default=0.0)
    if component.low < 0 or max(late) - min(late) > 0.1 * high or share < 0.3:
        return None
    if min(late) < 0.1 * high or max(late) > 0.75 * high:
        return None
    return (
        f"is stuck at {prompt_number(fmean(late))} of {prompt_number(high)} over the second half: "
        "if some cheap behaviour earns that part, make it steeper towards its maximum, or charge "
        "for that behaviour."
    )


def _saturated(component: Measured) -> str | None:
    """Within 5 % of its maximum at 70 % of the points, the last one among them."""
    full = [mean >= 0.95 * component.high for mean in component.means]
    if component.high <= 0 or not full[-1] or sum(full) < 0.7 * len(full):
        return None
    return (
        f"is saturated (mean {prompt_number(component.means[-1])} of at most "
        f"{prompt_number(component.high)} for most of training): it holds what was reached, and "
        "leads no further."
    )


def _flat(component: Measured) -> str | None:
    """Its mean moves by less than 3 % of its range and 5 % of its own size."""
    low, high = min(component.means), max(component.means)
    if high - low > min(0.03 * (component.high - component.low), 0.05 * max(abs(low), abs(high))):
        return None
    return (
        f"is flat (mean {prompt_number(low)} to {prompt_number(high)} all through training): "
        "learning does not move it; change its scale or drop it."
    )


def _dominating(component: Measured) -> str | None:
    """80 % of the reward at every point; unless others swing more, which steers."""
    low, high = min(component.shares), max(component.shares)
    if component.swing is None or low < 0.8 or component.swing > fmean(map(abs, component.means)):
        return None
    return (
        f"dominates with {prompt_percent(low)} to {prompt_percent(high)} of the reward at every "
        "point: the rest hardly steers."
    )


RULES: tuple[Callable[[Measured], str | None], ...] = (
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
