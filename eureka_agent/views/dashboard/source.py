"""What the dashboard reads of one run; a run that cannot be read says why, and is tried again."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from eureka_agent.common.errors import EurekaError
from eureka_agent.store import (
    AnalysisRow,
    CandidateRow,
    DraftRow,
    EvaluationRow,
    EventRow,
    ExchangeRow,
    GenerationRow,
    RewardComparisonRow,
    RunReader,
    RunRow,
    TrainingRow,
    ranking,
)
from eureka_agent.store.baselines import published_baselines
from eureka_agent.store.folder import videos
from eureka_agent.store.rows import RunStatus
from eureka_agent.views.documents import Places, candidate_row, places_of, run_document
from eureka_agent.views.snapshot import Document

Result = TypeVar("Result")


@dataclass(frozen=True)
class Overview:
    """A run at one moment, as the list needs it.

    Attributes:
        row: its own record.
        status: how it stands now.
        generations: in numbers.
        candidates: all, in the order of proposal.
        ranks: of those with a result, where they stand, from 1 on, and how, by number.
        progress: for candidates in training, the share of their steps that is done.
        insight: what is known of programs and policies beside each other; None until something is.
    """

    row: RunRow
    status: RunStatus
    generations: list[GenerationRow]
    candidates: list[CandidateRow]
    ranks: Places
    progress: dict[int, float]
    reward_comparison: RewardComparisonRow | None


@dataclass(frozen=True)
class Details:
    """A candidate with all that the run knows of it, at one moment.

    Attributes:
        candidate: its own record.
        standing: how it did among the others, as a document.
        parents: the candidates it came from.
        children: numbers of those that came from it.
        drafts: versions that went back to the author.
        exchanges: with the language model.
        trainings: its own, and those of the winner if it is that.
        evaluations: of each training, by the training's number.
        human: ranking fitness of the human reward by step, for each seed trained in this run.
        published: the fitness of the human reward that was published with the environment.
        folder: where its files lie.
        videos: those of them that are videos.
        analysis: what was found out about its policy and program; None until that is known.
    """

    candidate: CandidateRow
    standing: Document
    parents: list[CandidateRow]
    children: list[int]
    drafts: list[DraftRow]
    exchanges: list[ExchangeRow]
    trainings: list[TrainingRow]
    evaluations: dict[int, list[EvaluationRow]]
    human: list[list[EvaluationRow]]
    published: float | None
    folder: Path
    videos: list[Path]
    analysis: AnalysisRow | None = None


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
        self.overview: Overview | None = None
        self.failure = ""
        self._told: tuple[str, str | None] = "", None
        self._reader: RunReader | None = None
        self._published: dict[str, Any] | None = None

    def look(self) -> bool:
        """Read the run if it has changed; true where there is something new to show."""
        fresh = self._try(self._read_overview)
        if fresh is not None:
            self.overview = fresh
        # Not what stood before this look: a page that was read since may have failed.
        told, self._told = self._told, (self.failure, self.overview and self.overview.status)
        return fresh is not None or told != self._told

    def details(self, number: int) -> Details | None:
        """A candidate in full; None where it cannot be read, and `failure` says why."""
        return self._try(lambda reader: self._read_details(reader, number))

    def document(self) -> Document | None:
        """The document of `show RUN --json`; None where it cannot be read."""
        return self._try(run_document)

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

    def _read_overview(self, reader: RunReader) -> Overview | None:
        changed = reader.changed()
        if not changed and self.overview is not None and not self.failure:
            # A search that was killed writes nothing any more.
            if reader.status() == self.overview.status:
                return None
        training = [t for t in reader.trainings("candidate") if t.state == "training"]
        return Overview(
            row=reader.row(),
            status=reader.status(),
            generations=reader.generations(),
            candidates=reader.candidates(),
            ranks=places_of(ranking(reader)),
            progress={
                t.candidate_id: t.steps_done / t.steps_total
                for t in training
                if t.candidate_id is not None and t.steps_total
            },
            reward_comparison=reader.reward_comparison(),
        )

    def _read_details(self, reader: RunReader, number: int) -> Details:
        candidate = reader.candidate(number)
        trainings = reader.trainings(candidate=number)
        folder = reader.candidate_folder(number)
        known = self.overview.candidates if self.overview else []
        if self._published is None:
            self._published = published_baselines(reader) or {}
        human = self._published.get("human") or {}
        return Details(
            candidate=candidate,
            standing=candidate_row(reader, candidate, self.overview.ranks if self.overview else {}),
            parents=[reader.candidate(parent) for parent in candidate.parents],
            children=[row.id for row in known if number in row.parents],
            drafts=reader.drafts(number),
            exchanges=reader.exchanges_about(candidate.generation, candidate.slot),
            trainings=trainings,
            evaluations={t.id: reader.evaluations(t.id) for t in trainings},
            human=[reader.evaluations(t.id) for t in reader.trainings("human")],
            published=human.get("mean"),
            folder=folder,
            videos=videos(folder),
            analysis=reader.analysis(number),
        )
