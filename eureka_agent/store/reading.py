"""Reading a run, also while a process searches it."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from eureka_agent.common.errors import UsageError
from eureka_agent.store import trust
from eureka_agent.store.database import Database
from eureka_agent.store.folder import DATABASE, LOCK, is_locked
from eureka_agent.store.rows import (
    STRANGE,
    AnalysisRow,
    CandidateRow,
    DraftRow,
    EvaluationRow,
    EventRow,
    ExchangeRow,
    GenerationRow,
    RewardComparisonRow,
    Role,
    RunRow,
    RunStatus,
    TrainingRow,
    UsageRow,
    load,
)

Row = TypeVar("Row", CandidateRow, TrainingRow, EvaluationRow, GenerationRow)

LARGEST_ID = 2**63 - 1
"""The largest number of the database."""
LONGEST_NAMES = 100_000
"""Characters of goal and environment together."""
STRANGE_ERRORS = (
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
    ArithmeticError,
    RecursionError,
)
"""Errors that stored documents cause in a form that this program never writes."""
AUTHOR_ROLES = ("designer", "repair")
"""Roles in which the language model writes programs."""
MODEL_TRIES = 2
"""Answers to ask for in other roles if the first one is useless; the attempts of a review go up by
this number for each version of a program."""
MEASURED = {
    CandidateRow: ("fitness",),
    TrainingRow: ("ranking_fitness", "reporting_fitness"),
    EvaluationRow: ("fitness",),
    GenerationRow: ("best", "mean", "best_candidate"),
}
"""Fields that only a fitness fills. Older versions filled them also in runs without one."""


class RunReader:
    """A run folder to read, made by `RunReader.open`; each thread opens its own.

    Attributes:
        path: the run folder.
        name: the folder's name, by which people refer to the run.
    """

    def __init__(self, path: Path, database: Database) -> None:
        self.path = path.absolute()  # child processes have other working folders
        self.name = path.resolve().name
        self._database = database
        self._data_version: int | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open an existing run folder without being able to change it.

        Raises:
            UsageError: it is not a run folder, or one that this version cannot read.
        """
        return cls(path, Database(path / DATABASE, read_only=True))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if type(self) is RunReader and isinstance(error, STRANGE_ERRORS):
            raise UsageError(
                f"Run {self.name} cannot be shown: what it holds does not fit together "
                f"({type(error).__name__}: {error!s:.80}).",
                "The run is damaged, or somebody made it up; if it is neither, please report this "
                "as a fault of eureka-agent.",
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Read everything in the block at one moment; write it all or not at all."""
        with self._database.transaction():
            yield

    def changed(self) -> bool:
        """Whether another connection has written since this was last asked; true the first time."""
        version = self._database.execute("PRAGMA data_version").fetchone()[0]
        before, self._data_version = self._data_version, version
        return version != before

    def row(self) -> RunRow:
        """The run's own record.

        Raises:
            UsageError: it is gone, or is not as this program writes it.
        """
        (row,) = self._database.select(RunRow, "SELECT * FROM run LIMIT 1") or (None,)
        if row is None:
            raise self._database.unreadable(ValueError("it holds no run"))
        named = f"{row.environment}{row.environment_source}{row.goal}"
        if "\0" in named or len(named) > LONGEST_NAMES:
            raise UsageError(
                f"{self.path / DATABASE} cannot be read: the name of the environment or the goal "
                f"{'holds a NUL' if len(named) <= LONGEST_NAMES else 'has no end'}.",
                STRANGE,
            )
        return row

    def made_here(self) -> bool:
        """Whether this user made the run, and what it would run or contact is unchanged since."""
        return trust.made_here(self.path, self.row())

    def require_trust(
        self, agrees: trust.Agrees | None = None, *, environment: bool = True
    ) -> None:
        """Continue only if the run was made here, or the user wants what it would do.

        Args:
            agrees: asks the user; None if the user cannot be asked.
            environment: whether the environment is the one that the run names.

        Raises:
            UsageError: the user does not agree, or cannot be asked.
        """
        trust.require_trust(self.path, self.row(), agrees, environment=environment)

    @functools.cached_property
    def measured(self) -> bool:
        """Whether a fitness ranks the candidates; otherwise no fitness is shown."""
        return self.row().config.get("rank_by") != "peers"

    def status(self) -> RunStatus:
        """The status as it is now: a run whose process was killed is interrupted."""
        stored = self.row().status
        gone = stored == "running" and not is_locked(self.path / LOCK)
        return "interrupted" if gone else stored

    def candidate_folder(self, candidate: int) -> Path:
        """The folder of a candidate's files."""
        return self.path / "candidates" / str(candidate)

    def candidate(self, candidate: int) -> CandidateRow:
        """One candidate.

        Raises:
            UsageError: there is none of that number.
        """
        known = abs(candidate) <= LARGEST_ID
        query = "SELECT * FROM candidates WHERE id = ?"
        rows = self._select(CandidateRow, query, candidate) if known else []
        if not rows:
            last = self._database.number("SELECT max(id) FROM candidates")
            there = f"It has 1 to {last}." if last else "It has none yet."
            raise UsageError(f"Run {self.name} has no candidate {candidate}.", there)
        return rows[0]

    def candidates(self, generation: int | None = None) -> list[CandidateRow]:
        """The candidates of one generation, or all, in the order of proposal."""
        sql = "SELECT * FROM candidates WHERE generation = ifnull(?, generation) ORDER BY id"
        return self._select(CandidateRow, sql, generation)

    def drafts(self, candidate: int) -> list[DraftRow]:
        """The versions of a candidate that were sent back, first to last."""
        sql = "SELECT * FROM drafts WHERE candidate_id = ? ORDER BY attempt"
        return self._database.select(DraftRow, sql, candidate)

    def exchanges(self, generation: int, slot: int, *roles: str) -> list[ExchangeRow]:
        """Questions to the language model about one candidate, with answers, by attempt.

        Args:
            generation: of the candidate.
            slot: of the candidate.
            *roles: only in these roles; by default those of the program's author.
        """
        asked = roles or AUTHOR_ROLES
        sql = (
            "SELECT * FROM exchanges WHERE generation = ? AND slot = ? "
            f"AND role IN ({', '.join('?' * len(asked))}) ORDER BY attempt, role"
        )
        return self._database.select(ExchangeRow, sql, generation, slot, *asked)

    def exchanges_about(self, generation: int, slot: int) -> list[ExchangeRow]:
        """Questions to the language model about one candidate in any role, first to last."""
        sql = "SELECT * FROM exchanges WHERE generation = ? AND slot = ? ORDER BY id"
        return self._database.select(ExchangeRow, sql, generation, slot)

    def usage(self) -> list[UsageRow]:
        """What the language model was used for, by role."""
        return self._database.select(
            UsageRow,
            "SELECT role, count(*) AS calls, sum(prompt_tokens) AS prompt_tokens, "
            "sum(completion_tokens) AS completion_tokens, sum(seconds) AS seconds, "
            "iif(count(cost) = count(*), sum(cost), NULL) AS cost "
            "FROM exchanges GROUP BY role ORDER BY role",
        )

    def generations(self) -> list[GenerationRow]:
        """The generations in numbers, first to last."""
        return self._select(
            GenerationRow,
            "SELECT generation, count(*) AS candidates, sum(state = 'finished') AS finished, "
            "sum(state = 'rejected') AS rejected, sum(state = 'failed') AS failed, "
            "max(fitness) AS best, avg(fitness) AS mean, "
            "(SELECT id FROM candidates AS c WHERE c.generation = candidates.generation "
            "AND fitness IS NOT NULL ORDER BY fitness DESC, progress DESC, id LIMIT 1) "
            "AS best_candidate FROM candidates GROUP BY generation ORDER BY generation",
        )

    def reward_comparison(self, generation: int | None = None) -> RewardComparisonRow | None:
        """The comparison after a generation, or the last one; None if there is none."""
        sql = (
            "SELECT * FROM insights WHERE generation = ifnull(?, generation) "
            "ORDER BY generation DESC LIMIT 1"
        )
        return next(iter(self._database.select(RewardComparisonRow, sql, generation)), None)

    def analysis(self, candidate: int) -> AnalysisRow | None:
        """The analysis of a candidate; None before it was analysed."""
        sql = "SELECT * FROM analyses WHERE candidate_id = ?"
        return next(iter(self._database.select(AnalysisRow, sql, candidate)), None)

    def analyses(self) -> list[AnalysisRow]:
        """The analyses of all candidates that have one, in the order of proposal."""
        return self._database.select(AnalysisRow, "SELECT * FROM analyses ORDER BY candidate_id")

    def failures(self, generation: int) -> list[dict[str, Any]]:
        """How the episodes of a generation's candidates fail: `AnalysisRow.failures` of each.

        Raises:
            UsageError: the file is damaged.
        """
        sql = (
            "SELECT failures FROM analyses JOIN candidates ON id = candidate_id "
            "WHERE generation = ? ORDER BY id"
        )
        rows = self._database.rows(sql, generation)
        try:
            return [load(row[0]) for row in rows]
        except (ValueError, TypeError, RecursionError) as error:
            raise self._database.unreadable(error) from error

    def trainings(
        self, role: Role | None = None, candidate: int | None = None
    ) -> list[TrainingRow]:
        """Training runs in the order of entry, all or those of a role or a candidate."""
        sql = (
            "SELECT * FROM trainings WHERE role = ifnull(?, role) "
            "AND candidate_id IS ifnull(?, candidate_id) ORDER BY id"
        )
        return self._select(TrainingRow, sql, role, candidate)

    def steps_left(self) -> int:
        """Environment steps that the training runs entered so far still have to do."""
        sql = (
            "SELECT ifnull(sum(steps_total - steps_done), 0) FROM trainings "
            "WHERE state IN ('waiting', 'training')"
        )
        return self._database.number(sql)

    def steps_taken(self) -> int:
        """Environment steps of all training runs so far."""
        sql = "SELECT ifnull(sum(steps_done), 0) FROM trainings"
        return self._database.number(sql)

    def evaluations(self, training: int | None = None, *, since: int = 0) -> list[EvaluationRow]:
        """Evaluations of one run by step, or all by number; only those numbered past `since`."""
        sql = (
            "SELECT * FROM evaluations WHERE id > ? AND training_id = ifnull(?, training_id) "
            f"ORDER BY {'id' if training is None else 'step'}"
        )
        return self._select(EvaluationRow, sql, since, training)

    def events(self, *, since: int = 0, last: int | None = None) -> list[EventRow]:
        """Events numbered above `since`, oldest first; at most the `last` ones if given."""
        sql = "SELECT * FROM events WHERE id > ? ORDER BY id DESC LIMIT ?"
        rows = self._database.select(EventRow, sql, since, -1 if last is None else last)
        return rows[::-1]

    def _select(self, kind: type[Row], sql: str, *values: Any) -> list[Row]:
        """Rows of a table with a fitness; without it in a run that has none."""
        rows = self._database.select(kind, sql, *values)
        if self.measured:
            return rows
        nothing: dict[str, Any] = dict.fromkeys(MEASURED[kind])
        return [replace(row, **nothing) for row in rows]
