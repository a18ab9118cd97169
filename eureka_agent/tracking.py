"""A run for TensorBoard: one folder for the search, and one for every training run.

The search has its curves over generations and candidates, a training run has them over its steps.
So curves of the same name lie in one plot, and human reward and bare fitness beside the candidates.
"""

import importlib.metadata
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eureka_agent.common.errors import EurekaError, MissingError, UsageError
from eureka_agent.common.text import terminal_text
from eureka_agent.store import CandidateRow, EvaluationRow, RunReader, TrainingRow
from eureka_agent.store.folder import videos

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

SUFFIX = ".eureka"
"""Ends the names of our event files, so that they can be replaced and those of others stay."""
INSTALL = "pip install 'eureka-agent[tracking]'"
EVERY_S = 5.0
"""Seconds between two readings of a run in progress."""
SEARCH = "search"
DONE = ("finished", "failed", "rejected")
_LABELS = {"human": "human-reward", "fitness": "bare-fitness", "winner": "winner-again"}


def describe_events() -> str:
    """Whether this machine can write event files, for people."""
    try:
        return f"event files, with tensorboard {importlib.metadata.version('tensorboard')}"
    except importlib.metadata.PackageNotFoundError:
        return f"no event files: {INSTALL}"


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
        self._writers: dict[str, SummaryWriter] = {}
        self._last_evaluation = 0
        self._written: set[int] = set()
        self._filmed: set[int] = set()
        self._generations = 0

    def update(self) -> None:
        """Write what is new, from one moment.

        Raises:
            MissingError: the package tensorboard is not installed.
            UsageError: the folder cannot be written to.
        """
        try:
            with self._run.transaction():
                self._write_curves()
                self._write_candidates()
                self._write_films()
                self._write_generations()
        finally:
            for writer in self._writers.values():
                writer.close()
            self._writers = {}

    def _write_curves(self) -> None:
        trainings = {row.id: row for row in self._run.trainings()}
        now = self._run.row().updated
        rows = self._run.evaluations(since=self._last_evaluation)
        labels = {n: self._label(trainings[n]) for n in {row.training_id for row in rows}}
        for row in rows:
            self._last_evaluation = max(self._last_evaluation, row.id)
            _add_scalars(self._writer(labels[row.training_id]), _curves(row), row.step, now)

    def _write_candidates(self) -> None:
        for row in self._run.candidates():
            if row.state not in DONE or row.id in self._written:
                continue
            self._written.add(row.id)
            writer = self._writer(_candidate_label(row.id))
            for tag, text in _texts(row).items():
                _add_text(writer, tag, text, row)
            results = {"candidates/fitness": row.fitness, "candidates/own return": row.own_return}
            _add_scalars(self._writer(SEARCH), results, row.id, _time(row))

    def _write_films(self) -> None:
        """New films, which often come long after the result of their candidate."""
        for number in sorted(self._written - self._filmed):
            path = next(iter(videos(self._run.candidate_folder(number))), None)
            if path is not None:
                self._filmed.add(number)
                writer = self._writer(_candidate_label(number))
                _add_film(writer, path, self._run.candidate(number))

    def _write_generations(self) -> None:
        """Generations that are over, in numbers."""
        ended = [
            row
            for row in self._run.generations()
            if all(other.state in DONE for other in self._run.candidates(row.generation))
        ]
        new, self._generations = ended[self._generations :], len(ended)
        now = self._run.row().updated
        for row in new:
            numbers = {
                "generations/best fitness": row.best,
                "generations/mean fitness": row.mean,
                "generations/trained": row.finished,
                "generations/rejected": row.rejected,
                "generations/failed": row.failed,
            }
            _add_scalars(self._writer(SEARCH), numbers, row.generation, now)

    def _writer(self, label: str) -> "SummaryWriter":
        """The writer of this update for the folder of a label, on a new event file.

        Event files of an earlier tracker are deleted first.
        """
        if label in self._writers:
            return self._writers[label]
        try:
            from torch.utils.tensorboard.writer import SummaryWriter  # loads torch: takes a second
        except ImportError as error:
            said = "Event files are written with the package tensorboard, which is missing."
            raise MissingError(said, INSTALL) from error
        folder = self.folder / label
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if label not in self._begun:
                self._begun.add(label)
                for path in folder.glob(f"events.out.tfevents.*{SUFFIX}"):
                    path.unlink()
            self._writers[label] = SummaryWriter(str(folder), filename_suffix=SUFFIX)
        except OSError as error:
            raise UsageError(
                f"Nothing can be written in {folder}: {error.strerror}.", "Name another folder."
            ) from error
        return self._writers[label]

    def _label(self, training: TrainingRow) -> str:
        if training.role == "candidate" and training.candidate_id is not None:
            first = self._run.trainings("candidate", training.candidate_id)[0]
            label = _candidate_label(training.candidate_id)
            return label if training.id == first.id else f"{label}-seed-{training.seed}"
        return f"{_LABELS[training.role]}-seed-{training.seed}"


def track(run: RunReader, directory: Path, *, follow: bool = False) -> Path:
    """Write event files of a run; returns their folder.

    Args:
        run: to be read.
        directory: gets a folder with the name of the run.
        follow: whether to continue as long as the run does.
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


def _time(row: CandidateRow) -> float:
    return row.finished or row.created


def _add_scalars(
    writer: "SummaryWriter", numbers: Mapping[str, float | None], step: int, when: float
) -> None:
    for tag, value in numbers.items():
        if value is not None:
            writer.add_scalar(tag, value, step, when)


def _add_text(writer: "SummaryWriter", tag: str, text: str, row: CandidateRow) -> None:
    if text:
        # Program text may hold lone surrogates, which no file can.
        encodable = text.encode("utf-8", errors="backslashreplace").decode()
        writer.add_text(tag, encodable, row.generation, _time(row))


def _add_film(writer: "SummaryWriter", path: Path, row: CandidateRow) -> None:
    """Add a film as an animated GIF, which TensorBoard plays among the images, or why not."""
    from tensorboard.compat.proto import summary_pb2

    from eureka_agent.video.film import as_gif

    try:
        gif, (width, height) = as_gif(path)
    except EurekaError as error:
        _add_text(writer, "video", terminal_text(error.message), row)
        return
    proto: Any = summary_pb2
    image = proto.Summary.Image(width=width, height=height, colorspace=3, encoded_image_string=gif)
    summary = proto.Summary(value=[proto.Summary.Value(tag="video", image=image)])
    # SummaryWriter.add_video would encode the pictures anew, with the package moviepy.
    writer._get_file_writer().add_summary(summary, row.generation, _time(row))


def _curves(row: EvaluationRow) -> dict[str, float | None]:
    """Numbers of an evaluation by the names that they have in plots."""
    numbers = {
        "fitness": row.fitness,
        "own return": row.own_return,
        "episode/length": row.episode_length,
        "episode/ended early": row.ended_early,
    }
    for name, values in row.components.items():
        numbers |= {f"component {kind}/{_tag(name)}": value for kind, value in values.items()}
    return numbers | {f"training/{_tag(name)}": v for name, v in row.diagnostics.items()}


def _texts(row: CandidateRow) -> dict[str, str]:
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
