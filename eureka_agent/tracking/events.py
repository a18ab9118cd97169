"""Event files as TensorBoard reads them, written with its own messages and nothing else of it."""

import importlib.metadata
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from eureka_agent.errors import MissingError, UsageError
from eureka_agent.store.files import begin

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
            self._file = begin(folder / FILE) if anew else open(folder / FILE, "ab", opener=_own)
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
