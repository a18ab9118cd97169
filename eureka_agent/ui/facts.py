"""What a progress view shows, read from the store at one moment."""

from collections import deque
from dataclasses import dataclass

from eureka_agent.store import (
    CandidateRow,
    EvaluationRow,
    EventRow,
    GenerationRow,
    RunReader,
    RunRow,
    TrainingRow,
)
from eureka_agent.store.rows import Role, RunStatus
from eureka_agent.ui.format import last_line, one_line

EVENTS = 10
BASELINES: dict[Role, str] = {"winner": "winner", "human": "human", "fitness": "bare"}


@dataclass(frozen=True)
class Lane:
    """One row of the view: a candidate, or a baseline with all its trainings.

    Attributes:
        label: `#7`, or the baseline's name.
        state: a candidate's or a training's state.
        progress: share of the training steps done; None where nothing trains.
        latest: the newest ranking fitness.
        best: the highest ranking fitness of this training so far.
        curve: ranking fitness by evaluation.
        words: the design thought, or what went wrong.
    """

    label: str
    state: str
    progress: float | None
    latest: float | None
    best: float | None
    curve: tuple[float | None, ...]
    words: str


@dataclass(frozen=True)
class Facts:
    """A run as the view shows it.

    Attributes:
        run: the run's own record.
        name: the run's name.
        status: how the run stands.
        lanes: the candidates of the newest generation.
        baselines: what is trained beside them.
        generations: all generations in numbers.
        events: the newest events, oldest first.
        taken: environment steps of all trainings so far.
        remaining: environment steps that are still to be trained, as far as is known.
    """

    run: RunRow
    name: str
    status: RunStatus
    lanes: tuple[Lane, ...]
    baselines: tuple[Lane, ...]
    generations: tuple[GenerationRow, ...]
    events: tuple[EventRow, ...]
    taken: int
    remaining: int


def read_facts(run: RunReader) -> Facts:
    """Read the run at one moment."""
    with run.transaction():
        row = run.row()
        generations = run.generations()
        newest = generations[-1].generation if generations else -1
        # Besides the newest generation, earlier candidates that train once more on a second seed.
        again = {t.candidate_id for t in run.trainings("candidate") if t.state == "training"}
        candidates = [c for c in run.candidates() if c.generation == newest or c.id in again]
        training = {candidate.id: run.trainings(candidate=candidate.id) for candidate in candidates}
        beside: dict[Role, list[TrainingRow]] = {role: run.trainings(role) for role in BASELINES}
        lanes = [_candidate(run, c, _in_search(training[c.id])) for c in candidates]
        baselines = [
            _lane(run, BASELINES[role], "", rows)
            for role, rows in beside.items()
            if any(training.state != "waiting" for training in rows)
        ]
        return Facts(
            run=row,
            name=run.name,
            status=run.status(),
            lanes=tuple(lanes),
            baselines=tuple(baselines),
            generations=tuple(generations),
            events=tuple(run.events(last=EVENTS)),
            taken=run.steps_taken(),
            remaining=remaining_steps(run),
        )


def _in_search(trainings: list[TrainingRow]) -> list[TrainingRow]:
    return [training for training in trainings if training.role == "candidate"]


def _candidate(run: RunReader, candidate: CandidateRow, trainings: list[TrainingRow]) -> Lane:
    words = last_line(candidate.failure or "") or one_line(candidate.thought)
    lane = _lane(run, f"#{candidate.id}", words, trainings)
    latest = lane.latest if candidate.fitness is None else candidate.fitness
    # What broke on the way has no fitness, however well it began.
    failed = candidate.state == "failed"
    latest, best = (None, None) if failed else (latest, lane.best)
    return Lane(lane.label, candidate.state, lane.progress, latest, best, lane.curve, words)


def _lane(run: RunReader, label: str, words: str, trainings: list[TrainingRow]) -> Lane:
    """Several trainings in one row: their joint progress, and the curve of the one that is on."""
    if not trainings:
        return Lane(label, "proposed", None, None, None, (), words)
    done = sum(training.steps_done for training in trainings)
    total = sum(training.steps_total for training in trainings)
    states = [training.state for training in trainings]
    state = next((s for s in ("training", "waiting", "finished") if s in states), "failed")
    current = [training for training in trainings if training.state == state][-1]
    curve = _curve(run.evaluations(current.id))
    known = [value for value in curve if value is not None]
    if len(trainings) > 1:
        words = f"{states.count('finished')} of {len(states)} trained"
    return Lane(
        label=label,
        state=state,
        progress=done / total if total else None,
        latest=known[-1] if known else None,
        best=max(known, default=None),
        curve=curve,
        words=words,
    )


def _curve(evaluations: list[EvaluationRow]) -> tuple[float | None, ...]:
    return tuple(evaluation.fitness for evaluation in evaluations)


def remaining_steps(run: RunReader) -> int:
    """Environment steps left in the trainings entered so far and the generations to come."""
    row, generations = run.row(), run.generations()
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
