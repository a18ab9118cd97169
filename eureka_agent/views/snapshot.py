"""A run at one moment: what the terminal, live view, dashboard, report and `--json` all read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Self, TypeVar

from eureka_agent.common.environments import GYMNASIUM
from eureka_agent.common.statistics import (
    UNBOUNDED,
    Bounds,
    Estimate,
    Score,
    estimate,
    human_normalised,
    within,
)
from eureka_agent.common.text import count, last_line, thought_line
from eureka_agent.store import (
    AnalysisRow,
    CandidateRow,
    DraftRow,
    EvaluationRow,
    ExchangeRow,
    RankedCandidate,
    RunReader,
    TrainingRow,
    ranking,
    solved,
)
from eureka_agent.store.baselines import published_baselines
from eureka_agent.store.folder import videos
from eureka_agent.store.rows import Role

Document = dict[str, Any]
"""What `--json` prints."""

Part = TypeVar("Part")

EVENTS = 10
BASELINES: dict[Role, str] = {"winner": "winner", "human": "human", "fitness": "bare"}
"""Names in the live view of the rewards that train beside the candidates."""
REWARDS: dict[Role, str] = {"winner": "winner", "human": "human reward", "fitness": "bare fitness"}
"""Names of the rewards that are compared on fresh seeds, by the role of their training runs."""
PUBLISHED = {"human": "human reward", "bare": "bare fitness", "random": "random actions"}
"""Names of the entries of `RunSnapshot.published`."""
UNMEASURED = "Nothing measured whether the goal is met: this search had no fitness."
"""Shown instead of results if a search had no fitness."""


@dataclass(frozen=True)
class Lane:
    """One row of the live view: a candidate, or a baseline with all its training runs.

    Attributes:
        label: `#7`, or the baseline's name.
        state: that of a candidate or a training run; `published` if nothing trains here.
        progress: fraction of the training steps done; None if nothing trains.
        latest: the newest ranking fitness; of several finished training runs the mean of their
            selected checkpoints.
        best: the highest ranking fitness of its training runs so far.
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


def _part(read: Callable[[RunReader], Part]) -> cached_property[Part]:
    """A part of a run that one method of its reader reads."""
    return cached_property(lambda snapshot: read(snapshot.run))


class RunSnapshot:
    """A run at one moment.

    Each part is read when it is first used and then kept, so that a view pays only for what it
    shows. Parts are of one moment if they are all read within one `RunReader.transaction`.

    Args:
        run: the run.
        yardstick: the human reward that was published with the environment, for the live view.

    Attributes:
        row: the run's own record.
        status: the status as it is now.
        generations: all generations in numbers.
        candidates: all candidates in the order of proposal.
        ranked: the candidates with a result, the best first.
        trainings: all training runs in the order of entry.
        reward_comparison: what programs and policies say about each other; None before.
        usage: what the language model was used for, by role.
        events: the newest events, oldest first.
        published: what was published with the environment, as `published_baselines`.
        steps_taken: environment steps of all training runs so far.
    """

    row = _part(RunReader.row)
    status = _part(RunReader.status)
    generations = _part(RunReader.generations)
    candidates = _part(RunReader.candidates)
    ranked = _part(ranking)
    trainings = _part(RunReader.trainings)
    reward_comparison = _part(RunReader.reward_comparison)
    usage = _part(RunReader.usage)
    events = _part(lambda run: run.events(last=EVENTS))
    published = _part(published_baselines)
    steps_taken = _part(RunReader.steps_taken)

    def __init__(self, run: RunReader, yardstick: Lane | None = None) -> None:
        self.run, self.yardstick = run, yardstick
        self.name, self.path, self.measured = run.name, run.path, run.measured

    def read(self, *parts: str) -> Self:
        """Read the named parts now, to be shown later."""
        for part in parts:
            getattr(self, part)
        return self

    @cached_property
    def ranks(self) -> dict[int, RankedCandidate]:
        """`ranked` by the candidate's number."""
        return {candidate.row.id: candidate for candidate in self.ranked}

    @cached_property
    def best_first(self) -> list[CandidateRow]:
        """All candidates, the best first; then those without a result in their order."""
        rest = [row for row in self.candidates if row.id not in self.ranks]
        return [candidate.row for candidate in self.ranked] + rest

    @cached_property
    def training_progress(self) -> dict[int, float]:
        """For candidates in training, the fraction of their steps that is done."""
        return {
            row.candidate_id: row.steps_done / row.steps_total
            for row in self._of("candidate")
            if row.state == "training" and row.candidate_id is not None and row.steps_total
        }

    @cached_property
    def human_curves(self) -> list[list[EvaluationRow]]:
        """The evaluations of each training run of the human reward."""
        return [self.run.evaluations(row.id) for row in self._of("human")]

    @cached_property
    def published_estimates(self) -> list[tuple[str, Estimate]]:
        """What was published, by name, in the form of this run's own estimates."""
        found = []
        for key, name in PUBLISHED.items():
            if entry := (self.published or {}).get(key):
                low, high = entry["low"], entry["high"]
                interval = None if low is None or high is None else (low, high)
                found.append((name, Estimate(tuple(entry["values"]), entry["mean"], interval, 0)))
        return found

    # Results

    @cached_property
    def best(self) -> CandidateRow | None:
        """The winner so far."""
        number = self.row.best_candidate
        return None if number is None else self.run.candidate(number)

    @property
    def untrained(self) -> float | None:
        """The most that a policy without training gets; None where that is not known."""
        return self.row.measure.get("untrained")

    @property
    def one_function(self) -> bool:
        """Whether the human reward and the bare fitness are the same."""
        return bool(self.row.measure.get("one_function"))

    @property
    def dense(self) -> bool:
        """Whether the environment has a dense measure of its task, or has no file for one."""
        is_gymnasium = self.row.environment_source.startswith(GYMNASIUM)
        return self.row.measure.get("progress") is not None or is_gymnasium

    @property
    def given(self) -> bool:
        """Whether one given reward was trained, and nothing searched."""
        return self.row.config.get("designer") == "given"

    @cached_property
    def solved_in_search(self) -> bool | None:
        """Whether a candidate did better than untrained policies; None if that is not known."""
        return solved(self.run, self.ranked)

    @cached_property
    def estimates(self) -> dict[Role, Estimate]:
        """What the winner, the human reward and the bare fitness reach on the reporting pool."""
        human, bare = self._estimate(self._of("human")), self._estimate(self._of("fitness"))
        return {"winner": self._winner[0], "human": human, "fitness": bare}

    @property
    def winner(self) -> Estimate:
        """What the winner reaches: see `fresh`."""
        return self.estimates["winner"]

    @property
    def expected(self) -> float | None:
        """What the winner is expected to reach on a fresh seed; None before it trained on one."""
        return self.winner.mean if self.fresh else None

    @property
    def fresh(self) -> bool:
        """Whether the winner's result is of training runs on fresh seeds."""
        return self._winner[1]

    @cached_property
    def reproduced(self) -> bool | None:
        """Whether training the winner again gave the same result; None where it was not tried."""
        again = [training.reproduced for training in self._of("winner", self.row.best_candidate)]
        return next((same for same in again if same is not None), None)

    @property
    def policy(self) -> Path | None:
        """The winner's policy; None before it is written."""
        path = self.path / "best" / "policy.zip"
        return path if path.is_file() else None

    @cached_property
    def policy_fitness(self) -> float | None:
        """What the policy in `best/` reaches on the reporting pool."""
        return self._estimate(self._of("candidate", self.row.best_candidate)).mean

    @property
    def ranking_mean(self) -> float | None:
        """What the winner ranks by."""
        ranked = self.ranks.get(self.row.best_candidate or 0)
        return ranked.value if ranked else None

    @property
    def steps_per_second(self) -> float:
        """Environment steps per second of training; 0 before any."""
        return self.row.env_steps / self.row.train_seconds if self.row.train_seconds else 0.0

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all questions to the language model."""
        return sum(role.prompt_tokens for role in self.usage)

    @property
    def completion_tokens(self) -> int:
        """Tokens of all its answers."""
        return sum(role.completion_tokens for role in self.usage)

    @property
    def cost(self) -> float | None:
        """US dollars that the language model took; None if a part of them is unknown."""
        costs = [role.cost for role in self.usage]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    @cached_property
    def score(self) -> Score:
        """The human-normalised score, or why there is none."""
        if self._of("fitness") and not self._of("human"):
            return Score(None, None, "this goal has no human reward")
        if self.one_function:
            return Score(None, None, "the human reward is the bare fitness")
        return human_normalised(*self.estimates.values())

    @cached_property
    def _winner(self) -> tuple[Estimate, bool]:
        """The winner's result, and whether it is of training runs on fresh seeds.

        Once it was trained again on fresh seeds, those alone count: the training run that it was
        chosen by is the luckiest of many.
        """
        best = self.row.best_candidate
        if best is None:
            return self._estimate([]), False
        again = self._of("winner", best)
        fresh = self._estimate([training for training in again if training.reproduced is None])
        if fresh.values:
            return fresh, True
        same = self._estimate(again)
        return (same if same.values else self._estimate(self._of("candidate", best))), False

    def _of(self, role: Role, candidate: int | None = None) -> list[TrainingRow]:
        """The training runs of a role, of all candidates or one."""
        return [
            training
            for training in self.trainings
            if training.role == role and candidate in (None, training.candidate_id)
        ]

    def _estimate(self, trainings: Sequence[TrainingRow]) -> Estimate:
        """The expected result of a reward on a fresh seed, from all its training runs."""
        values = [training.reporting_fitness for training in trainings]
        failed = sum(training.state == "failed" for training in trainings)
        return estimate([value for value in values if value is not None], failed, self._bounds)

    @cached_property
    def _bounds(self) -> Bounds:
        """The declared range of the fitness, unless a result shows that it is wrong."""
        low, high = self.row.measure.get("range") or UNBOUNDED
        values = [row.reporting_fitness for role in REWARDS for row in self._of(role)]
        inside = all(within(value, (low, high)) for value in values if value is not None)
        return (low, high) if inside else UNBOUNDED

    # The live view

    @cached_property
    def lanes(self) -> list[Lane]:
        """The newest generation, after earlier candidates that train again on a second seed."""
        return [_candidate_lane(self.run, row, self.row.goal) for row in self._current]

    @cached_property
    def leader(self) -> Lane | None:
        """The best candidate, under a name of its own; None if it is among `lanes`."""
        if self.best is None or self.best.id in {row.id for row in self._current}:
            return None
        lane = _candidate_lane(self.run, self.best, self.row.goal)
        return replace(lane, label="best", words=f"{lane.label}: {lane.words}")

    @cached_property
    def beside(self) -> list[Lane]:
        """The baselines that train, and the published one in place of a human reward."""
        trainings: dict[Role, list[TrainingRow]] = {role: self._of(role) for role in BASELINES}
        lanes = [
            _lane(self.run, BASELINES[role], "", rows)
            for role, rows in trainings.items()
            if any(row.state != "waiting" for row in rows)
        ]
        if self.yardstick and all(lane.label != self.yardstick.label for lane in lanes):
            return [self.yardstick, *lanes]
        return lanes

    @cached_property
    def human_fitness(self) -> float | None:
        """What the human reward reaches: in this run's own training runs, else as published."""
        trainings = self._of("human")
        own = [row.ranking_fitness for row in trainings if row.ranking_fitness is not None]
        return fmean(own) if own else self.yardstick.best if self.yardstick else None

    @cached_property
    def steps_remaining(self) -> int:
        """Environment steps left in the training runs entered and the generations to come."""
        if self.row.status == "finished":
            return 0
        # Without a configured plan the forecast covers only what is entered.
        planned, candidates, steps = (
            int(self.row.config.get(key) or 0) for key in ("generations", "candidates", "steps")
        )
        later = max(0, planned - len(self.generations))
        return self.run.steps_left() + later * candidates * steps

    @cached_property
    def _current(self) -> list[CandidateRow]:
        newest = self.run.candidates(self.generations[-1].generation if self.generations else -1)
        training = {row.candidate_id for row in self._of("candidate") if row.state == "training"}
        again = sorted(training - {None} - {row.id for row in newest}, key=lambda n: n or 0)
        return [*(self.run.candidate(number) for number in again if number), *newest]


@dataclass(frozen=True)
class CandidateSnapshot:
    """A candidate with all that the run knows of it, at one moment.

    Attributes:
        run: the run at that moment.
        row: the candidate's own record.
        ranked: how it ranks; None without a result.
        parents: the candidates it came from.
        children: the numbers of the candidates that came from it.
        drafts: the versions that the critic sent back.
        exchanges: questions to the language model about it, first to last.
        trainings: its training runs, and those of the winner if it is that.
        evaluations: of each training run, by the training's number.
        analysis: what is known of its policy and its program; its parts are empty if nothing is.
        folder: the folder of its files.
        videos: the films there.
    """

    run: RunSnapshot
    row: CandidateRow
    ranked: RankedCandidate | None
    parents: list[CandidateRow]
    children: list[int]
    drafts: list[DraftRow]
    exchanges: list[ExchangeRow]
    trainings: list[TrainingRow]
    evaluations: dict[int, list[EvaluationRow]]
    analysis: AnalysisRow
    folder: Path
    videos: list[Path]

    @property
    def new_messages(self) -> list[list[dict[str, str]]]:
        """The messages of each exchange that are new in it: a repair repeats the conversation."""
        found, seen = [], 0
        for exchange in self.exchanges:
            found.append(exchange.messages[seen if exchange.role == "repair" else 0 :])
            if exchange.role == "designer":
                seen = len(exchange.messages) + 1  # with these and an answer each repair begins
        return found


def candidate_snapshot(run: RunSnapshot, number: int) -> CandidateSnapshot:
    """A candidate at the moment of `run`.

    Raises:
        UsageError: the run has no such candidate.
    """
    reader, row = run.run, run.run.candidate(number)
    others = {other.id: other for other in run.candidates}
    trainings, folder = reader.trainings(candidate=number), reader.candidate_folder(number)
    return CandidateSnapshot(
        run=run,
        row=row,
        ranked=run.ranks.get(number),
        parents=[others[parent] for parent in row.parents if parent in others],
        children=[other for other, entry in others.items() if number in entry.parents],
        drafts=reader.drafts(number),
        exchanges=reader.exchanges_about(row.generation, row.slot),
        trainings=trainings,
        evaluations={training.id: reader.evaluations(training.id) for training in trainings},
        analysis=reader.analysis(number) or AnalysisRow(number, {}, {}, {}),
        folder=folder,
        videos=videos(folder),
    )


def live_snapshot(run: RunReader, yardstick: Lane | None = None) -> RunSnapshot:
    """A run at one moment with what the live view shows, to be drawn later.

    Args:
        run: the run.
        yardstick: the result of `published_human`.
    """
    with run.transaction():
        return RunSnapshot(run, yardstick).read(
            "row", "status", "lanes", "leader", "beside", "human_fitness", "generations", "events",
            "usage", "steps_taken", "steps_remaining",
        )  # fmt: skip


def results_snapshot(run: RunReader) -> RunSnapshot:
    """A run at one moment with its results, to be drawn later."""
    with run.transaction():
        return RunSnapshot(run).read(
            "row", "status", "generations", "candidates", "ranks", "best", "estimates", "score",
            "reproduced", "policy_fitness", "solved_in_search", "usage", "published_estimates",
        )  # fmt: skip


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


def _candidate_lane(run: RunReader, candidate: CandidateRow, goal: str) -> Lane:
    words = last_line(candidate.failure or "") or thought_line(candidate.thought, goal)
    lane = _lane(run, f"#{candidate.id}", words, run.trainings("candidate", candidate.id))
    latest = lane.latest if candidate.fitness is None else candidate.fitness
    # What broke on the way has no fitness, however well it began.
    failed = candidate.state == "failed"
    return replace(
        lane,
        # What trained once may train again, on another seed.
        state="training" if lane.state == "training" else candidate.state,
        latest=None if failed else latest,
        best=None if failed else lane.best,
        words=words,
        nearness=lane.nearness if candidate.progress is None else candidate.progress,
    )


def _lane(run: RunReader, label: str, words: str, trainings: list[TrainingRow]) -> Lane:
    """Several training runs in one row: their joint progress, and the curve of the current one."""
    if not trainings:
        return Lane(label, "proposed", None, None, None, (), words)
    done = sum(training.steps_done for training in trainings)
    total = sum(training.steps_total for training in trainings)
    states = [training.state for training in trainings]
    state = next((s for s in ("training", "waiting", "finished") if s in states), "failed")
    current = [training for training in trainings if training.state == state][-1]
    seen = {training.id: run.evaluations(training.id) for training in trainings}
    curves = {number: tuple(row.fitness for row in rows) for number, rows in seen.items()}
    nearer = [row.progress for row in seen[current.id] if row.progress is not None]
    # One that has just begun has nothing to show yet, but those before it may.
    curve = next(filter(None, (curves[current.id], *reversed(curves.values()))), ())
    latest = next((value for value in reversed(curve) if value is not None), None)
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
