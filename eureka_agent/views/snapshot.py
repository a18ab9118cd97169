"""What a progress view shows, read from the store at one moment."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from eureka_agent.common.text import count, last_line, thought_line
from eureka_agent.store import (
    CandidateRow,
    EvaluationRow,
    EventRow,
    GenerationRow,
    RunReader,
    RunRow,
    TrainingRow,
)
from eureka_agent.store.baselines import published_baselines
from eureka_agent.store.rows import Role, RunStatus, UsageRow

EVENTS = 10
BASELINES: dict[Role, str] = {"winner": "winner", "human": "human", "fitness": "bare"}


@dataclass(frozen=True)
class Lane:
    """One row of the view: a candidate, or a baseline with all its trainings.

    Attributes:
        label: `#7`, or the baseline's name.
        state: a candidate's or a training's state; `published` where nothing trains here.
        progress: share of the training steps done; None where nothing trains.
        latest: the newest ranking fitness; of several trainings that are over the mean of what
            each ships.
        best: the highest ranking fitness of its trainings so far.
        curve: ranking fitness by evaluation.
        words: the design thought, or what went wrong.
        nearness: the newest value of the environment's dense measure, if it has one.
    """

    label: str
    state: str
    progress: float | None
    latest: float | None
    best: float | None
    curve: tuple[float | None, ...]
    words: str
    nearness: float | None = None


@dataclass(frozen=True)
class Facts:
    """A run as the view shows it.

    Attributes:
        run: the run's own record.
        name: the run's name.
        status: how the run stands.
        lanes: the candidates of the newest generation.
        leader: the best candidate so far, where it is none of these.
        baselines: what is trained beside them, or was published with the environment.
        human: what the human reward reaches, as far as that is known.
        generations: all generations in numbers.
        events: the newest events, oldest first.
        usage: what the language model was used for.
        taken: environment steps of all trainings so far.
        remaining: environment steps that are still to be trained, as far as is known.
        measured: whether there is a fitness to show.
    """

    run: RunRow
    name: str
    status: RunStatus
    lanes: tuple[Lane, ...]
    leader: Lane | None
    baselines: tuple[Lane, ...]
    human: float | None
    generations: tuple[GenerationRow, ...]
    events: tuple[EventRow, ...]
    usage: tuple[UsageRow, ...]
    taken: int
    remaining: int
    measured: bool = True


def read_facts(run: RunReader, yardstick: Lane | None = None) -> Facts:
    """Read the run at one moment; `yardstick` is what `published_human` found."""
    with run.transaction():
        row = run.row()
        generations = run.generations()
        newest = generations[-1].generation if generations else -1
        candidates = run.candidates(newest)
        # Besides the newest generation, earlier candidates that train once more on a second seed.
        training = [t.candidate_id for t in run.trainings("candidate") if t.state == "training"]
        shown = {candidate.id for candidate in candidates}
        again = sorted({number for number in training if number is not None} - shown)
        candidates = [*map(run.candidate, again), *candidates]
        baselines = _baselines(run)
        if yardstick and all(lane.label != yardstick.label for lane in baselines):
            baselines = [yardstick, *baselines]
        return Facts(
            run=row,
            name=run.name,
            status=run.status(),
            lanes=tuple(_candidate(run, candidate, row.goal) for candidate in candidates),
            leader=_leader(run, row, {candidate.id for candidate in candidates}),
            baselines=tuple(baselines),
            human=_human(run, yardstick),
            generations=tuple(generations),
            events=tuple(run.events(last=EVENTS)),
            usage=tuple(run.usage()),
            taken=run.steps_taken(),
            remaining=remaining_steps(run),
            measured=run.measured,
        )


def published_human(run: RunReader) -> Lane | None:
    """The human reward as it was published with the environment; None where it was not.

    Not for every look at the run: it reads the environment's files.
    """
    published = published_baselines(run) or {}
    entry = published.get("human")
    if not entry or entry.get("mean") is None:
        return None
    mean, steps = entry["mean"], published.get("steps")
    words = f"published, after {count(steps)} steps" if steps else "published"
    return Lane("human", "published", None, None, mean, (mean,), words)


def _baselines(run: RunReader) -> list[Lane]:
    """What trains beside the candidates, once it has begun."""
    beside: dict[Role, list[TrainingRow]] = {role: run.trainings(role) for role in BASELINES}
    return [
        _lane(run, BASELINES[role], "", rows)
        for role, rows in beside.items()
        if any(training.state != "waiting" for training in rows)
    ]


def _human(run: RunReader, yardstick: Lane | None) -> float | None:
    """What the human reward reaches: in this run's own trainings, else as published."""
    own = [t.ranking_fitness for t in run.trainings("human") if t.ranking_fitness is not None]
    return fmean(own) if own else yardstick.best if yardstick else None


def _leader(run: RunReader, row: RunRow, shown: Collection[int]) -> Lane | None:
    """The best candidate of an earlier generation, under a name of its own."""
    best = row.best_candidate
    if best is None or best in shown:
        return None
    lane = _candidate(run, run.candidate(best), row.goal)
    return replace(lane, label="best", words=f"{lane.label}: {lane.words}")


def _candidate(run: RunReader, candidate: CandidateRow, goal: str) -> Lane:
    trainings = run.trainings("candidate", candidate.id)
    words = last_line(candidate.failure or "") or thought_line(candidate.thought, goal)
    lane = _lane(run, f"#{candidate.id}", words, trainings)
    latest = lane.latest if candidate.fitness is None else candidate.fitness
    # What broke on the way has no fitness, however well it began.
    failed = candidate.state == "failed"
    latest, best = (None, None) if failed else (latest, lane.best)
    # What trained once may train again, on another seed.
    state = "training" if lane.state == "training" else candidate.state
    nearness = lane.nearness if candidate.progress is None else candidate.progress
    return replace(lane, state=state, latest=latest, best=best, words=words, nearness=nearness)


def _lane(run: RunReader, label: str, words: str, trainings: list[TrainingRow]) -> Lane:
    """Several trainings in one row: their joint progress, and the curve of the one that is on."""
    if not trainings:
        return Lane(label, "proposed", None, None, None, (), words)
    done = sum(training.steps_done for training in trainings)
    total = sum(training.steps_total for training in trainings)
    states = [training.state for training in trainings]
    state = next((s for s in ("training", "waiting", "finished") if s in states), "failed")
    current = [training for training in trainings if training.state == state][-1]
    seen = {training.id: run.evaluations(training.id) for training in trainings}
    curves = {number: _curve(evaluations) for number, evaluations in seen.items()}
    nearer = [e.progress for e in seen[current.id] if e.progress is not None]
    # One that has just begun has nothing to show yet, but those before it may.
    curve = next(filter(None, (curves[current.id], *reversed(curves.values()))), ())
    known = [value for value in curve if value is not None]
    latest = known[-1] if known else None
    if len(trainings) > 1:
        words = f"{states.count('finished')} of {len(states)} trained"
        shipped = [t.ranking_fitness for t in trainings if t.ranking_fitness is not None]
        if state == "finished" and shipped:
            latest, words = fmean(shipped), f"mean of {len(shipped)} trained"
    return Lane(
        label=label,
        state=state,
        # The last rollout may go beyond the steps that were asked for.
        progress=min(done / total, 1.0) if total else None,
        latest=latest,
        best=max((v for values in curves.values() for v in values if v is not None), default=None),
        curve=curve,
        words=words,
        nearness=nearer[-1] if nearer else None,
    )


def _curve(evaluations: list[EvaluationRow]) -> tuple[float | None, ...]:
    return tuple(evaluation.fitness for evaluation in evaluations)


def remaining_steps(run: RunReader) -> int:
    """Environment steps left in the trainings entered so far and the generations to come."""
    row, generations = run.row(), run.generations()
    if row.status == "finished":
        return 0
    # A configuration that does not say how much is planned leaves the forecast at what is entered.
    planned, candidates, steps = (
        int(row.config.get(key) or 0) for key in ("generations", "candidates", "steps")
    )
    return run.steps_left() + max(0, planned - len(generations)) * candidates * steps


class Pace:
    """How fast a count grows, from what it was at earlier looks."""

    def __init__(self, window: float = 15.0) -> None:
        self._window = window
        self._looks: deque[tuple[float, int]] = deque()
        self._first: tuple[float, int] | None = None

    def look(self, now: float, value: int) -> None:
        """Note the count at a time in seconds."""
        self._first = self._first or (now, value)
        self._looks.append((now, value))
        while now - self._looks[0][0] > self._window:
            self._looks.popleft()

    def recent(self) -> float:
        """Per second over the last window; 0 before there are two looks."""
        return self._between(self._looks[0]) if self._looks else 0.0

    def overall(self) -> float:
        """Per second since the first look."""
        return self._between(self._first) if self._first else 0.0

    def _between(self, start: tuple[float, int]) -> float:
        (then, before), (now, after) = start, self._looks[-1]
        # A training that begins again takes its steps back.
        return max(after - before, 0) / (now - then) if now > then else 0.0


Document = dict[str, Any]


REWARDS = {"winner": "winner", "human": "human reward", "fitness_only": "bare fitness"}
"""What people call the entries of `baselines`."""


PUBLISHED = {"human": "human reward", "bare": "bare fitness", "random": "random actions"}
"""Likewise of `published_baselines`."""


UNMEASURED = "Nothing measured whether the goal is met: this search had no fitness."
"""What stands in the place of results of a search without a fitness."""
