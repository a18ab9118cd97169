"""The rows of a run's tables as typed records, checked on reading: the file may be foreign."""

import json
import math
import re
import sqlite3
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from eureka_agent.common.errors import UsageError

RunStatus = Literal["running", "interrupted", "finished", "failed"]
CandidateState = Literal["proposed", "accepted", "rejected", "training", "finished", "failed"]
TrainingState = Literal["waiting", "training", "finished", "failed"]
Role = Literal["candidate", "winner", "human", "fitness"]

RUN_STATUSES: tuple[str, ...] = get_args(RunStatus)
CANDIDATE_STATES: tuple[str, ...] = get_args(CandidateState)
TRAINING_STATES: tuple[str, ...] = get_args(TrainingState)
ROLES: tuple[str, ...] = get_args(Role)


@dataclass(frozen=True)
class RunRow:
    """The run itself.

    Attributes:
        environment: the environment's name.
        environment_source: how the user named it, a name or a path; `resume` finds it by this.
        goal: the task in one sentence.
        status: as the searching process left it; `RunReader.status` is the present one.
        created: when the run began, in unix seconds.
        updated: when it was last written to, in unix seconds.
        seed: the search's seed.
        config: the resolved configuration.
        sandbox: the level of isolation that candidates were trained under, in words.
        wall_seconds: time spent searching, resumed searches included.
        env_steps: environment steps taken in training.
        train_seconds: time in which they were taken.
        best_candidate: the candidate that leads so far.
        phase: what happens now, in words.
        failure: why the run failed.
        measure: what is known of the fitness, {} in older runs: `range`, the lowest and the highest
            that an episode can get, each None without a bound; `progress`, what its dense measure
            says, or None; `untrained` and `untrained_progress`, the most that a policy without
            training gets on the ranking pool; `one_function`, whether the human reward and the
            bare fitness are the same.
    """

    environment: str
    environment_source: str
    goal: str
    status: RunStatus
    created: float
    updated: float
    seed: int
    config: dict[str, Any]
    sandbox: str
    wall_seconds: float
    env_steps: int
    train_seconds: float
    best_candidate: int | None
    phase: str
    failure: str | None
    measure: dict[str, Any] = field(default_factory=dict)


REFLECTION_PARTS = ("training", "behaviour", "failures", "profile", "analyst", "comparison")
"""The parts of a reflection, in the order in which they are read."""


@dataclass(frozen=True)
class CandidateRow:
    """A reward program in the search.

    Attributes:
        id: counts from 1 in the order of proposal.
        generation: counts from 0.
        slot: its place in the generation, from 0.
        parents: ids of the candidates it came from.
        designer: its author.
        text: the program.
        thought: the design thought it begins with.
        note: one line about its origin.
        lesson: what its author says that earlier results teach, in a sentence.
        reflections: what it teaches the next generation, in words and numbers, by
            `REFLECTION_PARTS`; parts without content are missing.
        state: its stage in the search.
        verdict: the critic's findings, as plain dicts.
        fitness: of the selected checkpoint, on the ranking pool.
        own_return: the return of that checkpoint per episode under the program itself.
        checkpoint_step: the training step of that checkpoint.
        failure: why it was rejected or failed, in words or as a traceback.
        created: unix seconds.
        finished: when it reached its last state, in unix seconds.
        twin: the earlier candidate that it is equivalent to, if it was rejected for that.
        progress: of the selected checkpoint, by the environment's dense measure on the ranking
            pool; None if it has none.
    """

    id: int
    generation: int
    slot: int
    parents: tuple[int, ...]
    designer: str
    text: str
    thought: str
    note: str
    lesson: str
    reflections: dict[str, str]
    state: CandidateState
    verdict: list[dict[str, Any]]
    fitness: float | None
    own_return: float | None
    checkpoint_step: int | None
    failure: str | None
    created: float
    finished: float | None
    twin: int | None = None
    progress: float | None = None

    @property
    def reflection(self) -> str:
        """All parts of the reflection, one below the other."""
        return "\n".join(text for p in REFLECTION_PARTS if (text := self.reflections.get(p)))


@dataclass(frozen=True)
class RewardComparisonRow:
    """The comparison of the programs and policies of a run after a generation.

    Attributes:
        generation: counts from 0.
        distances: between programs, 0 for the same goal and 1 for the contrary: `candidates` (their
            ids), `matrix`, and `human`, the distance of each to the human reward, if there is one.
            None if a program has no distance.
        matrix: returns of policies under programs, in standard deviations: `programs` (ids),
            `policies` (dicts with `candidate`, `step` and `kind`), and `z`, a row for each policy.
        peers: by candidate's id the fraction of comparisons with other policies that its policy
            wins under programs that neither was trained on; None if it was not compared.
        alarms: possible reward hacks, policies whose own reward rose while others fell: dicts with
            `candidate`, and `own` and `peers`, before and now.
        said: the same in sentences, for people.
        reviews: how often a reviewer's objections were right, in numbers; {} without a reviewer.
    """

    generation: int
    distances: dict[str, Any]
    matrix: dict[str, Any]
    peers: dict[str, float | None]
    alarms: list[dict[str, Any]]
    said: list[str]
    reviews: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AnalysisRow:
    """The analysis of a finished candidate's policy and program; {} if nothing is known.

    Attributes:
        candidate_id: the candidate.
        failures: how its episodes fail, by rules: `episodes` and `failed` (counts), `untyped`
            (failed ones that no rule fits), `progress` (the quantity used for it, or None), `types`
            (dicts with `kind`, `share` of the failed episodes or, if none failed, of all, `step`,
            `components` in play and `sentence`), and `lines` for people.
        lens: the reward profile: `views` (dicts with `swept`, the swept quantities; `grids`;
            `total`; and, of one quantity, `components`), `spreads` (by component and policy, the
            percentiles of the reward per step), and `lines` for people.
        opinion: a language model's verdict on it: its fields, and `lines` for people.
    """

    candidate_id: int
    failures: dict[str, Any]
    lens: dict[str, Any]
    opinion: dict[str, Any]


@dataclass(frozen=True)
class GenerationRow:
    """One generation in numbers; fitness is on the ranking pool.

    Attributes:
        generation: counts from 0.
        candidates: the number proposed.
        finished: the number trained to the end.
        rejected: the number refused by the critic.
        failed: the number that failed in training.
        best: the highest fitness.
        mean: the mean fitness of those that have one.
        best_candidate: the one with the highest fitness; of equals the one with the most progress.
    """

    generation: int
    candidates: int
    finished: int
    rejected: int
    failed: int
    best: float | None
    mean: float | None
    best_candidate: int | None


@dataclass(frozen=True)
class TrainingRow:
    """One policy trained on one reward with one seed.

    Attributes:
        id: counts from 1.
        role: the reward: a candidate's, the winner's again, the human's, or the bare fitness.
        candidate_id: the candidate, for the roles `candidate` and `winner`.
        seed: the replicate seed.
        state: waiting, training, finished or failed.
        steps_done: environment steps so far.
        steps_total: environment steps to do.
        ranking_fitness: of the selected checkpoint, on the ranking pool.
        reporting_fitness: of the selected checkpoint, on the reporting pool: the published result.
        own_return: the return of that checkpoint per episode under the reward itself.
        checkpoint_step: the step of that checkpoint.
        reproduced: whether training again gave the same result; None if it was not tried.
        failure: why it failed.
        progress: of the selected checkpoint, as `CandidateRow.progress`.
    """

    id: int
    role: Role
    candidate_id: int | None
    seed: int
    state: TrainingState
    steps_done: int
    steps_total: int
    ranking_fitness: float | None
    reporting_fitness: float | None
    own_return: float | None
    checkpoint_step: int | None
    reproduced: bool | None
    failure: str | None
    progress: float | None = None


@dataclass(frozen=True)
class EvaluationRow:
    """How a policy did on the ranking pool at one point of its training.

    Attributes:
        id: grows with the time of writing, never used twice.
        training_id: the training run.
        step: environment steps trained by then.
        fitness: mean over the pool's episodes.
        own_return: the return per episode under the reward itself.
        episode_length: mean length, in control steps.
        ended_early: fraction of episodes that ended before the time limit.
        components: by name the weighted value's `mean`, `min`, `max` and its `share` of the return.
        diagnostics: of the trainer, by name.
        progress: mean over the pool's episodes by the environment's dense measure, if it has one.
    """

    id: int
    training_id: int
    step: int
    fitness: float | None
    own_return: float | None
    episode_length: float | None
    ended_early: float | None
    components: dict[str, dict[str, float | None]]
    diagnostics: dict[str, float | None]
    progress: float | None = None


@dataclass(frozen=True)
class DraftRow:
    """A version of a candidate that the critic sent back to its author.

    Attributes:
        candidate_id: the candidate.
        attempt: counts from 0.
        text: the program; empty if there was none.
        verdict: the critic's findings, as plain dicts.
    """

    candidate_id: int
    attempt: int
    text: str
    verdict: list[dict[str, Any]]


@dataclass(frozen=True)
class ExchangeRow:
    """One question to the language model and its answer.

    Attributes:
        id: grows with time.
        time: when the answer came, in unix seconds.
        role: `designer`, `repair`, `reviewer` or `analyst`.
        generation: of the candidate that it is about.
        slot: of that candidate.
        attempt: 0 for its first program, then the number of the repair; each role counts its own.
        model: as the server names it.
        messages: the question: dicts with `role` and `content`.
        reply: the answer, without reasoning.
        reasoning: the model's reasoning, if the server sends it.
        finish_reason: why the answer ended, as the server says.
        prompt_tokens: of the question.
        completion_tokens: of the answer, reasoning included.
        estimated: whether the server sent no counts and these are guesses from the length.
        cost: US dollars; None if neither the server nor the configuration gives it.
        seconds: how long the answer took.
    """

    id: int
    time: float
    role: str
    generation: int
    slot: int
    attempt: int
    model: str
    messages: list[dict[str, str]]
    reply: str
    reasoning: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cost: float | None
    seconds: float


@dataclass(frozen=True)
class UsageRow:
    """The use of the language model in one role.

    Attributes:
        role: see `ExchangeRow`.
        calls: answers.
        prompt_tokens: of all questions.
        completion_tokens: of all answers.
        cost: US dollars; None if it is unknown for any of them.
        seconds: time spent waiting, summed over simultaneous questions.
    """

    role: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float


@dataclass(frozen=True)
class EventRow:
    """Something that happened, in words.

    Attributes:
        id: grows with time, never used twice.
        time: unix seconds.
        kind: one word, for colour and for filters.
        candidate_id: the candidate that it is about, if any.
        text: one sentence.
    """

    id: int
    time: float
    kind: str
    candidate_id: int | None
    text: str


Record = TypeVar("Record")
Fits = Callable[[Any], bool]

JSON_COLUMNS = {"config", "parents", "verdict", "components", "diagnostics", "messages"}
JSON_COLUMNS |= {"distances", "matrix", "peers", "alarms", "said"}
JSON_COLUMNS |= {"reviews", "failures", "lens", "opinion", "measure", "reflections"}
BOOLEANS = {"reproduced", "estimated"}
MOMENTS = {"created", "updated", "finished", "time"}
LAST_MOMENT = 250_000_000_000.0
"""Unix seconds: the calendar of Python ends there."""
MOST_PARENTS = 1_000
"""Of one candidate; views list them all."""
# Only a text that holds one of these can hold a number that is not finite.
_PERHAPS_INFINITE = re.compile(r"NaN|Infinity|[eE]\+?\d{3}|\d{300}")


def encode(value: object) -> Any:
    """A value as the database stores it."""
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(_plain(value), allow_nan=False)
    return _plain(value)


def decode(record: type[Record], row: sqlite3.Row, path: Path) -> Record:
    """A row as a record.

    Args:
        record: a dataclass; the row has a column for each field.
        row: as it was read.
        path: the file it comes from, for messages.

    Raises:
        UsageError: a value is not of its field's type.
    """
    values: dict[str, Any] = {}
    for name, fits in _fields(record):
        value: Any = row[name] if name in row.keys() else None
        try:
            if name in JSON_COLUMNS:
                value = load(value)
            if name == "parents":
                value = tuple(value)
            if name in BOOLEANS and value in (0, 1):
                value = bool(value)
            sound = fits(value) and (name not in MOMENTS or _is_moment(value))
            sound &= name != "parents" or len(value) <= MOST_PARENTS
        except (ValueError, TypeError, RecursionError):
            sound = False
        if not sound:
            raise UsageError(
                f"{path} cannot be read: {repr(value)[:40]} stands where the {name} of "
                f"the {record.__name__.removesuffix('Row').lower()} belongs.",
                STRANGE,
            )
        values[name] = value
    return record(**values)


def _is_moment(value: Any) -> bool:
    return value is None or 0 <= value < LAST_MOMENT


def load(text: str) -> Any:
    """A JSON document of finite numbers.

    Raises:
        ValueError: it is none, or a number is not finite.
        RecursionError: it is nested without end.
    """
    document = json.loads(text)
    if _PERHAPS_INFINITE.search(text):
        json.dumps(document, allow_nan=False)
    return document


def _plain(value: Any) -> Any:
    """The value as it can be stored: numbers that are not finite as None, text as valid UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        # Through float(), as numpy's float64 passes for a float but SQLite would store its repr.
        return float(value) if math.isfinite(value) else None
    return value


@cache
def _fields(record: type) -> list[tuple[str, Fits]]:
    """The fields of a record, each with the test of its type."""
    kinds = get_type_hints(record)
    return [(field.name, _fits(kinds[field.name])) for field in fields(record)]


def _fits(kind: Any) -> Fits:
    """A test whether a value is of a type; values are JSON's numbers, texts and containers."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return lambda value: True
    if kind is float:
        return lambda value: type(value) in (float, int) and abs(value) < math.inf
    if origin is Literal:
        return lambda value: value in inner
    if origin in (Union, types.UnionType):
        options = [_fits(option) for option in inner]
        return lambda value: any(fits(value) for fits in options)
    if origin is dict:
        of_value = _fits(inner[1])
        return lambda value: type(value) is dict and all(map(of_value, value.values()))
    if origin in (list, tuple):
        of_item = _fits(inner[0])
        return lambda value: type(value) is origin and all(map(of_item, value))
    return lambda value: type(value) is kind


STRANGE = "No version of this program wrote that: the run is damaged, or somebody made it up."
