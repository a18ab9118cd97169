"""What the dashboard reads of one run; a run that cannot be read says why, and is tried again."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from eureka_agent.common.errors import EurekaError
from eureka_agent.store import EventRow, RunReader
from eureka_agent.views.snapshot import (
    CandidateSnapshot,
    Document,
    RunSnapshot,
    candidate_snapshot,
    results_snapshot,
)

Result = TypeVar("Result")


class Source:
    """One run of the dashboard, only ever read.

    Attributes:
        path: the run folder.
        name: the folder's name.
        overview: as last read; None before, and where it never could be.
        failure: why it cannot be read now; empty where it can.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.resolve().name
        self.overview: RunSnapshot | None = None
        self.failure = ""
        self._reported: tuple[str, str | None] = "", None
        self._reader: RunReader | None = None
        self._published: Document | None = None

    def look(self) -> bool:
        """Read the run if it has changed; true where there is something new to show."""
        fresh = self._try(self._read_overview)
        if fresh is not None:
            self.overview = fresh
        # Not the state before this look: a page that was read since may have failed.
        before, self._reported = (
            self._reported,
            (self.failure, self.overview and self.overview.status),
        )
        return fresh is not None or before != self._reported

    def details(self, number: int) -> CandidateSnapshot | None:
        """A candidate in full; None where it cannot be read, and `failure` says why."""
        return self._try(lambda reader: self._read_details(reader, number))

    def results(self) -> RunSnapshot | None:
        """The run with its results; None where it cannot be read."""
        return self._try(results_snapshot)

    def events(self, last: int) -> list[EventRow]:
        """The newest events, oldest first."""
        return self._try(lambda reader: reader.events(last=last)) or []

    def close(self) -> None:
        """Let go of the database."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _try(self, read: Callable[[RunReader], Result]) -> Result | None:
        """Read something, at one moment; what goes wrong becomes `failure`."""
        try:
            if not self.path.is_dir():
                raise OSError(f"{self.path} is no longer there")
            if self._reader is None:
                self._reader = RunReader.open(self.path)
            with self._reader.transaction():
                result = read(self._reader)
        except EurekaError as error:
            self._fail(" ".join(filter(None, (error.message, error.remedy))))
        except (sqlite3.Error, OSError, ValueError, LookupError, TypeError) as error:
            self._fail(f"This run cannot be read now: {error}.")
        else:
            self.failure = ""
            return result
        return None

    def _fail(self, reason: str) -> None:
        self.failure = reason
        try:
            self.close()
        except sqlite3.Error:
            self._reader = None

    def _read_overview(self, reader: RunReader) -> RunSnapshot | None:
        changed = reader.changed()
        if not changed and self.overview is not None and not self.failure:
            # A search that was killed writes nothing any more.
            if reader.status() == self.overview.status:
                return None
        return RunSnapshot(reader).read(
            "row", "status", "generations", "candidates", "ranks", "training_progress",
            "reward_comparison",
        )  # fmt: skip

    def _read_details(self, reader: RunReader, number: int) -> CandidateSnapshot:
        run = RunSnapshot(reader)
        if self._published is None:
            self._published = run.published or {}
        run.published = self._published
        run.read("published_estimates", "human_curves")
        return candidate_snapshot(run, number)
