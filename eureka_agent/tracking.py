"""A run as TensorBoard shows it: a folder for the search, and one for every training.

The search has its curves over generations and candidates, a training has them over its steps. So
curves of the same name lie in one plot, and human reward and bare fitness beside the candidates.
"""

import importlib.metadata
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eureka_agent.common.errors import EurekaError, MissingError, UsageError
from eureka_agent.common.text import terminal_text
from eureka_agent.store import CandidateRow, EvaluationRow, RunReader, TrainingRow
from eureka_agent.store.folder import open_new, videos
from eureka_agent.video.film import as_gif

FILE = "events.out.tfevents.0.eureka"
"""One file per folder: its name has to hold `tfevents`, and stays the same when written anew."""
VERSION = "brain.Event:2"
INSTALL = "pip install 'eureka-agent[tracking]'"


def describe_events() -> str:
    """Whether this machine can write event files, for people."""
    try:
        return f"event files, with tensorboard {importlib.metadata.version('tensorboard')}"
    except importlib.metadata.PackageNotFoundError:
        return f"no event files: {INSTALL}"


def _own(name: str, flags: int) -> int:
    """Open a file, but never through a link."""
    return os.open(name, flags | os.O_NOFOLLOW, 0o666)


class EventFile:
    """The event file of one folder, which TensorBoard calls a run; a context manager.

    Args:
        folder: where it lies; made if it is missing.
        anew: whether what an earlier process wrote there is replaced.

    Raises:
        MissingError: the package tensorboard is not installed.
        UsageError: the folder cannot be written to.
    """

    def __init__(self, folder: Path, *, anew: bool) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2, tensor_pb2, types_pb2
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as error:
            said = "Event files are written with the package tensorboard, which is missing."
            raise MissingError(said, INSTALL) from error
        self._events: Any = event_pb2
        self._summaries: Any = summary_pb2
        self._tensors: Any = tensor_pb2
        self._types: Any = types_pb2
        try:
            folder.mkdir(parents=True, exist_ok=True)
            begins = anew or not (folder / FILE).is_file()
            self._file = open_new(folder / FILE) if anew else open(folder / FILE, "ab", opener=_own)
        except OSError as error:
            raise UsageError(
                f"Nothing can be written in {folder}: {error.strerror}.", "Name another folder."
            ) from error
        self._records = RecordWriter(self._file)
        if begins:
            self._write(self._events.Event(wall_time=time.time(), file_version=VERSION))

    def scalar(self, tag: str, step: int, value: float | None, when: float) -> None:
        """Add a number at a step; None adds nothing. `when` is in unix seconds."""
        if value is not None:
            entry = self._summaries.Summary.Value(tag=tag, simple_value=value)
            self._add(step, when, entry)

    def text(self, tag: str, step: int, text: str, when: float) -> None:
        """Add a text, in Markdown; an empty one adds nothing."""
        if not text:
            return
        from tensorboard.plugins.text.metadata import create_summary_metadata

        # Program text may hold lone surrogates, which no file can.
        content = text.encode("utf-8", errors="backslashreplace")
        tensor = self._tensors.TensorProto(dtype=self._types.DT_STRING, string_val=[content])
        tensor.tensor_shape.SetInParent()  # a scalar
        metadata = create_summary_metadata(display_name=None, description=None)
        entry = self._summaries.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
        self._add(step, when, entry)

    def film(self, tag: str, step: int, gif: bytes, size: tuple[int, int], when: float) -> None:
        """Add an animated GIF of a size, width first: TensorBoard plays it among the images."""
        width, height = size
        image = self._summaries.Summary.Image(
            width=width, height=height, colorspace=3, encoded_image_string=gif
        )
        self._add(step, when, self._summaries.Summary.Value(tag=tag, image=image))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()

    def _add(self, step: int, when: float, entry: Any) -> None:
        summary = self._summaries.Summary(value=[entry])
        self._write(self._events.Event(wall_time=when, step=step, summary=summary))

    def _write(self, event: Any) -> None:
        self._records.write(event.SerializeToString())


EVERY_S = 5.0
"""Seconds between two looks at a run that goes on."""
SEARCH = "search"
DONE = ("finished", "failed", "rejected")
_LABELS = {"human": "human-reward", "fitness": "bare-fitness", "winner": "winner-again"}


class Tracker:
    """Writes event files of one run, and what has been added to it since.

    Args:
        run: to be read.
        directory: gets a folder with the name of the run; files of an earlier tracker there are
            replaced.
    """

    def __init__(self, run: RunReader, directory: Path) -> None:
        self._run = run
        self.folder = directory / run.name
        self._begun: set[str] = set()
        self._trainings: dict[int, TrainingRow] = {}
        self._last_evaluation = 0
        self._told: set[int] = set()
        self._filmed: set[int] = set()
        self._generations = 0

    def update(self) -> None:
        """Write what is new, from one moment.

        Raises:
            MissingError: the package tensorboard is not installed.
            UsageError: the folder cannot be written to.
        """
        with self._run.transaction():
            self._trainings = {row.id: row for row in self._run.trainings()}
            evaluations = self._run.evaluations(since=self._last_evaluation)
            candidates = [
                row
                for row in self._run.candidates()
                if row.state in DONE and row.id not in self._told
            ]
            self._curves(evaluations)
            self._finished(candidates)
            self._films()
            self._progress()

    def _curves(self, evaluations: list[EvaluationRow]) -> None:
        """How policies did over their training."""
        by_training: dict[int, list[EvaluationRow]] = {}
        for row in evaluations:
            by_training.setdefault(row.training_id, []).append(row)
        now = self._run.row().updated
        for number, rows in by_training.items():
            with self._file(self._label(self._trainings[number])) as file:
                for row in rows:
                    for tag, value in _scalars(row).items():
                        file.scalar(tag, row.step, value, now)
        self._last_evaluation = max((row.id for row in evaluations), default=self._last_evaluation)

    def _finished(self, candidates: list[CandidateRow]) -> None:
        """Programs and what came of them."""
        for row in candidates:
            self._told.add(row.id)
            when = row.finished or row.created
            with self._file(_candidate_label(row.id)) as file:
                for tag, text in _texts(row).items():
                    file.text(tag, row.generation, text, when)
        if candidates:
            with self._file(SEARCH) as file:
                for row in candidates:
                    when = row.finished or row.created
                    file.scalar("candidates/fitness", row.id, row.fitness, when)
                    file.scalar("candidates/own return", row.id, row.own_return, when)

    def _films(self) -> None:
        """Films that have come since: often long after what they show was told."""
        for number in sorted(self._told - self._filmed):
            path = next(iter(videos(self._run.candidate_folder(number))), None)
            if path is not None:
                self._filmed.add(number)
                with self._file(_candidate_label(number)) as file:
                    self._film(file, self._run.candidate(number), path)

    def _film(self, file: EventFile, row: CandidateRow, path: Path) -> None:
        """A candidate's film, or why it cannot be read."""
        when = row.finished or row.created
        try:
            gif, size = as_gif(path)
        except EurekaError as error:
            file.text("video", row.generation, terminal_text(error.message), when)
        else:
            file.film("video", row.generation, gif, size, when)

    def _progress(self) -> None:
        """Generations in numbers: those that are over."""
        ended = [row for row in self._run.generations() if self._over(row.generation)]
        new = ended[self._generations :]
        self._generations = len(ended)
        if new:
            now = self._run.row().updated
            with self._file(SEARCH) as file:
                for row in new:
                    for tag, value in {
                        "generations/best fitness": row.best,
                        "generations/mean fitness": row.mean,
                        "generations/trained": row.finished,
                        "generations/rejected": row.rejected,
                        "generations/failed": row.failed,
                    }.items():
                        file.scalar(tag, row.generation, value, now)

    def _over(self, generation: int) -> bool:
        return all(row.state in DONE for row in self._run.candidates(generation))

    def _file(self, label: str) -> EventFile:
        anew = label not in self._begun
        self._begun.add(label)
        return EventFile(self.folder / label, anew=anew)

    def _label(self, training: TrainingRow) -> str:
        """The folder of a training."""
        if training.role == "candidate" and training.candidate_id is not None:
            first = self._run.trainings("candidate", training.candidate_id)[0]
            label = _candidate_label(training.candidate_id)
            return label if training.id == first.id else f"{label}-seed-{training.seed}"
        return f"{_LABELS[training.role]}-seed-{training.seed}"


def track(run: RunReader, directory: Path, *, follow: bool = False) -> Path:
    """Write event files of a run; returns their folder.

    Args:
        run: to be read.
        directory: where a folder of the run's name is made.
        follow: whether to go on as long as the run does.
    """
    tracker = Tracker(run, directory)
    while True:
        goes_on = follow and run.status() == "running"
        if run.changed():
            tracker.update()
        if not goes_on:
            return tracker.folder
        time.sleep(EVERY_S)


def _candidate_label(candidate: int) -> str:
    return f"candidate-{candidate:03d}"


def _scalars(row: EvaluationRow) -> dict[str, float | None]:
    """Numbers by the names that they have in plots."""
    numbers = {
        "fitness": row.fitness,
        "own return": row.own_return,
        "episode/length": row.episode_length,
        "episode/ended early": row.ended_early,
    }
    for name, values in row.components.items():
        for kind, value in values.items():
            numbers[f"component {kind}/{_tag(name)}"] = value
    return numbers | {f"training/{_tag(name)}": v for name, v in row.diagnostics.items()}


def _texts(row: CandidateRow) -> dict[str, str]:
    """Texts by their names, in Markdown."""
    indented = "\n".join(f"    {line}" for line in terminal_text(row.text).splitlines())
    return {
        "thought": terminal_text(row.thought),
        "program": indented,
        "reflection": terminal_text(row.reflection),
        "failure": terminal_text(row.failure or ""),
        "came from": ", ".join(f"#{parent}" for parent in row.parents),
    }


def _tag(name: str) -> str:
    """A name, which a program chose, as part of a tag."""
    return terminal_text(name).replace("/", " ").strip() or "unnamed"
