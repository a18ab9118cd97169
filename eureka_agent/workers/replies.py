"""What children say, read as claims: a worker runs the code of strangers, so any word may be false.

Every function returns what a reply says in the parent's own types, or raises `Garbled`. That what
is said is well formed does not make it true: what a policy is worth, only the judge says.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.text import clean_text
from eureka_agent.environment import Environment, Episodes, make_worlds
from eureka_agent.reward.language import NAME_PATTERN
from eureka_agent.training.networks import fresh_weights
from eureka_agent.workers.protocol import Garbled, Message

Weights = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

REASON_LIMIT = 1000
"""Characters of the reason for which a lane was evicted."""
MOST_LINES = 100_000
MOST_DIAGNOSTICS = 32
_STATISTICS = {"mean": "mean", "minimum": "min", "maximum": "max", "share": "share"}


@dataclass(frozen=True)
class Expected:
    """What a lane may report of an advance.

    Attributes:
        components: names of the components of what it trains on.
        before: its environment steps before the advance.
        after: its environment steps after it, if it was not evicted.
    """

    components: Collection[str]
    before: int
    after: int


@dataclass(frozen=True)
class Report:
    """What happened to a lane during an advance.

    Attributes:
        steps: environment steps since it was loaded.
        evicted: why the lane stopped, printable; None while it trains.
        line: line of the program that failed, 0 if unknown.
        diagnostics: of the trainer by name; NaN stands for all that is not finite.
        components: by name `mean`, `min`, `max` and `share`; NaN as above.
    """

    steps: int
    evicted: str | None
    line: int
    diagnostics: dict[str, float]
    components: dict[str, dict[str, float]]


def read_reports(reply: Message, expected: Mapping[int, Expected]) -> dict[int, Report]:
    """The reports of an advance by lane: one of each lane in `expected`, and no other."""
    reports: dict[int, Report] = {}
    for entry in _items(reply.fields.get("reports"), "reports", len(expected)):
        said = _object(entry, "a report", 6)
        lane = _integer(said.get("lane"), "a lane", 0, max(expected, default=0))
        if lane not in expected or lane in reports:
            raise Garbled(f"The worker reported of lane {lane}, which it was not asked about.")
        reports[lane] = _report(said, expected[lane])
    if reports.keys() != expected.keys():
        raise Garbled(f"The worker reported of {len(reports)} of {len(expected)} lanes.")
    return reports


def read_overflow(reply: Message) -> str | None:
    """What the physics of an advance had no room for, if anything."""
    said = reply.fields.get("overflow")
    if said is None:
        return None
    if not isinstance(said, str):
        raise Garbled("The worker said of an overflow what is no text.")
    return clean_text(said, REASON_LIMIT)


def read_progress(fields: Mapping[str, Any], most: int) -> int:
    """Steps done in an advance, from a heartbeat; at most `most`."""
    return _integer(fields.get("done"), "the progress", 0, most)


def read_weights(reply: Message, lanes: Collection[int], shapes: Shapes) -> dict[int, Weights]:
    """Policies by lane, all of their entries of the expected shapes and finite."""
    wanted = {f"{lane}/{name}": shape for lane in lanes for name, shape in shapes.items()}
    if reply.arrays.keys() != wanted.keys():
        raise Garbled("The worker sent other weights than those of the lanes it was asked for.")
    for name, shape in wanted.items():
        _array(reply, name, shape, np.float32)
        if not np.isfinite(reply.arrays[name]).all():
            raise Garbled(f"The worker sent weights that are not finite: {name}.")
    return {
        lane: {name: torch.from_numpy(reply.arrays[f"{lane}/{name}"]) for name in shapes}
        for lane in lanes
    }


def read_returns(reply: Message, episodes: int) -> np.ndarray:
    """Returns of scored episodes `[E]` float64, finite or not."""
    return _array(reply, "returns", (episodes,), np.float64)


@dataclass
class Judgement:
    """What the judge says of one policy.

    Attributes:
        fitness: per episode `[E]` float64, finite; NaN where nothing measures the task.
        diverged: whether the episode ended because the physics failed `[E]` bool.
        episodes: as they went.
        progress: per episode by the environment's dense measure `[E]` float64, NaN where it says
            nothing; None without such a measure.
    """

    fitness: np.ndarray
    diverged: np.ndarray
    episodes: Episodes
    progress: np.ndarray | None = None

    @property
    def nearness(self) -> float | None:
        """Mean progress over the episodes that have one; None where none has."""
        known = np.array([]) if self.progress is None else self.progress[np.isfinite(self.progress)]
        return float(known.mean()) if len(known) else None

    @property
    def mean_fitness(self) -> float | None:
        """Over the episodes; None where nothing measures the task."""
        mean = float(self.fitness.mean())
        return mean if math.isfinite(mean) else None


def read_judgements(
    reply: Message,
    policies: int,
    episodes: int,
    environment: Environment,
    measured: bool = True,
) -> list[Judgement]:
    """What the judge says of each policy; without a fitness if nothing measured it."""
    if measured:
        fitness = _array(reply, "fitness", (policies, episodes), np.float64)
        if not np.isfinite(fitness).all():
            raise Garbled("The judge sent a fitness that is not finite.")
    else:
        fitness = np.full((policies, episodes), np.nan)
    diverged = _array(reply, "diverged", (policies, episodes), np.bool_)
    progress = None
    if "progress" in reply.arrays:
        progress = _array(reply, "progress", (policies, episodes), np.float64)
    limit, width = environment.episode_steps, environment.layout.width
    found = []
    for p in range(policies):
        recorded = {
            "states": _array(reply, f"{p}/states", (limit + 1, episodes, width), np.float32),
            "actions": _array(
                reply, f"{p}/actions", (limit, episodes, environment.action_size), np.float32
            ),
            "lengths": _array(reply, f"{p}/lengths", (episodes,), np.int64),
            "terminated": _array(reply, f"{p}/terminated", (episodes,), np.bool_),
        }
        if environment.task_state:
            recorded["before"] = _array(reply, f"{p}/before", (limit, episodes, width), np.float32)
        lengths = recorded["lengths"]
        if not ((lengths >= 1) & (lengths <= limit)).all():
            raise Garbled(f"The judge sent episodes that are not 1 to {limit} steps long.")
        nearer = None if progress is None else progress[p]
        found.append(Judgement(fitness[p], diverged[p], Episodes.from_arrays(recorded), nearer))
    return found


def read_steps(reply: Message, shape: tuple[int, ...]) -> np.ndarray:
    """The fitness of each step of recorded episodes `[L, E]` float64."""
    return _array(reply, "steps", shape, np.float64)


@dataclass(frozen=True)
class Score:
    """What a program pays for the steps of E recorded episodes, finite or not; all float32.

    Of a sweep's M rows it is the same with `[M]` in place of `[L, E]`.

    Attributes:
        total: reward `[L, E]`; rows beyond an end repeat the last step.
        components: without their weights `[C, L, E]`.
        here: likewise, standing still in the state ahead of each step; of no component if that
            was not asked for.
        there: standing still in the state after it.
    """

    total: np.ndarray
    components: np.ndarray
    here: np.ndarray
    there: np.ndarray

    @property
    def finite(self) -> bool:
        """Whether all that was paid is a number."""
        return bool(np.isfinite(self.total).all() and np.isfinite(self.components).all())


def read_scores(
    reply: Message, components: Sequence[int], steps: tuple[int, ...], still: bool
) -> list[Score | str]:
    """What programs pay for episodes, or in words why they do not say.

    Args:
        reply: to a request to score.
        components: how many each of the programs has.
        steps: L and E; of a sweep its rows.
        still: whether standing still was asked for.
    """
    failures = _object(reply.fields.get("failures"), "failures", len(components))
    if not failures.keys() <= set(map(str, range(len(components)))):
        raise Garbled("The prober reported of programs that it was not given.")
    found: list[Score | str] = []
    for k, count in enumerate(components):
        reason = failures.get(str(k))
        if isinstance(reason, str):
            found.append(clean_text(reason, REASON_LIMIT))
            continue
        arrays = {"total": _array(reply, f"{k}/total", steps, np.float32)}
        for name in ("components", "here", "there"):
            if name == "components" or still:
                arrays[name] = _array(reply, f"{k}/{name}", (count, *steps), np.float32)
            else:
                arrays[name] = np.zeros((0, *steps), np.float32)
        found.append(Score(**arrays))
    return found


def policy_shapes(environment: Environment) -> Shapes:
    """Names and shapes of the entries of a policy's state dict."""
    worlds = make_worlds(environment, 1, threads=1)
    size = worlds.observation.shape[1]
    template = fresh_weights(size, worlds.action_size, environment.training, seed=0)
    return {name: tuple(value.shape) for name, value in template.items()}


def _report(said: Mapping[str, Any], expected: Expected) -> Report:
    evicted = said.get("evicted")
    if evicted is not None and not isinstance(evicted, str):
        raise Garbled(f"The worker gave {_shown(evicted)} as a reason.")
    least = expected.after if evicted is None else expected.before
    components = _object(said.get("components"), "components", len(expected.components))
    if not components.keys() <= set(expected.components):
        raise Garbled("The worker reported of components that the program does not have.")
    diagnostics = _object(said.get("diagnostics"), "diagnostics", MOST_DIAGNOSTICS)
    if not all(re.fullmatch(NAME_PATTERN, name) for name in diagnostics):
        raise Garbled("The worker named a diagnostic in a way that is no name.")
    return Report(
        steps=_integer(said.get("steps"), "the steps", least, expected.after),
        evicted=None if evicted is None else clean_text(evicted, REASON_LIMIT, newlines=True),
        line=_integer(said.get("line"), "a line", 0, MOST_LINES),
        diagnostics={name: _number(value) for name, value in diagnostics.items()},
        components={name: _statistics(value) for name, value in components.items()},
    )


def _statistics(said: object) -> dict[str, float]:
    values = _object(said, "a component", len(_STATISTICS))
    if values.keys() != _STATISTICS.keys():
        raise Garbled("The worker reported other statistics of a component than it should.")
    return {_STATISTICS[name]: _number(value) for name, value in values.items()}


def _array(reply: Message, name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
    array = reply.arrays.get(name)
    if array is None or array.shape != shape or array.dtype != dtype:
        said = "nothing" if array is None else f"{array.dtype} {array.shape}"
        raise Garbled(f"A child sent {said} for the array {name}, not {dtype.__name__} {shape}.")
    return array


def _items(value: object, what: str, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise Garbled(f"The worker sent {_shown(value)} for {what}, not a list of at most {most}.")
    return value


def _object(value: object, what: str, most: int) -> dict[str, Any]:
    if not isinstance(value, dict) or len(value) > most:
        raise Garbled(f"The worker sent {_shown(value)} for {what}, not at most {most} named ones.")
    return value


def _integer(value: object, what: str, least: int, most: int) -> int:
    # Not isinstance: JSON's true would pass for 1.
    if type(value) is not int or not least <= value <= most:
        raise Garbled(f"The worker sent {_shown(value)} for {what}, not {least} to {most}.")
    return value


def _number(value: object) -> float:
    """A finite number, or NaN for what is not finite."""
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Garbled(f"The worker sent {_shown(value)} for a number.")
    try:
        number = float(value)
    except OverflowError:  # JSON has integers of any length
        return math.nan
    return number if math.isfinite(number) else math.nan


def _shown(value: object) -> str:
    return clean_text(repr(value), 60)
