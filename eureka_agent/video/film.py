"""Pictures in a row become a file: MP4 where there is an encoder, or else an animated GIF."""

import importlib.metadata
import importlib.util
import io
import itertools
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import numpy as np

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.store.files import draft_of, open_plain
from eureka_agent.video.overlay import INSTALL

MOST_PER_SECOND = {".mp4": 30, ".gif": 15}
"""Pictures per second at most; an episode is shown as fast as it went."""
SMALL_PER_SECOND, MOST_SMALL = 10, 100
"""Likewise of small copies, and how many pictures these have at most."""
DEMUXERS = {".mp4": "mp4", ".gif": "gif", ".webm": "webm"}
QUALITY = "23"
"""Of H.264: lower is better and larger."""


def require_film_name(wanted: Path) -> None:
    """Refuse a name before anything is played for it.

    Raises:
        UsageError: it says another format than there is, or lies in no folder.
    """
    if wanted.suffix not in MOST_PER_SECOND:
        raise UsageError(f"{wanted} is no name of a film.", "Let it end in .mp4 or .gif.")
    if not wanted.parent.is_dir():
        raise UsageError(f"There is no folder {wanted.parent}.", "Make it, or name another.")


def film_path(wanted: Path) -> Path:
    """Where the film goes: as wanted, or beside it as a GIF where nothing encodes MP4.

    Raises:
        UsageError: see `require_film_name`.
        MissingError: films of no format can be made.
    """
    require_film_name(wanted)
    if importlib.util.find_spec("PIL") is None:
        raise MissingError("Films are made with Pillow, which is missing.", INSTALL)
    if wanted.suffix == ".mp4" and importlib.util.find_spec("av") is None:
        return wanted.with_suffix(".gif")
    return wanted


def stride(control_step: float, suffix: str) -> tuple[int, Fraction]:
    """Of how many control steps one is shown, and how many pictures a second then has."""
    steps = max(1, round(1 / (control_step * MOST_PER_SECOND[suffix])))
    return steps, Fraction(1 / (control_step * steps)).limit_denominator(1000)


def write_film(path: Path, frames: Iterator[np.ndarray], rate: Fraction) -> None:
    """Write a film, whole or not at all.

    Args:
        path: as `film_path` gave it.
        frames: pictures `[height, width, 3]` uint8 of one size, with even sides.
        rate: pictures per second.
    """
    with draft_of(path) as draft:
        if path.suffix == ".mp4":
            _write_mp4(draft, frames, rate)
        else:
            _write_gif(draft, frames, rate)


@contextmanager
def asked_to_stop() -> Iterator[Callable[[], bool]]:
    """Take the first Ctrl-C in the block as a wish that can be asked for; a second one raises.

    So a film ends between two pictures, and is whole as far as it goes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    wishes: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def wish(number: int, frame: object) -> None:
        wishes.append(number)
        if len(wishes) > 1:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, wish)
    try:
        yield lambda: bool(wishes)
    finally:
        signal.signal(signal.SIGINT, before)


def as_gif(path: Path) -> tuple[bytes, tuple[int, int]]:
    """A film as a small animated GIF, for viewers that know no other; and its size, width first.

    Raises:
        UsageError: the file is no film, or only a part of one.
        MissingError: what reads it is not installed.
    """
    try:
        import av
        from PIL import Image
    except ImportError as error:
        raise MissingError(f"{path.name} is read with PyAV and Pillow.", INSTALL) from error
    try:
        # The format is the name's, or what it holds could make the library open other files.
        demuxer = DEMUXERS.get(path.suffix)
        with open_plain(path) as file, av.open(file, "r", format=demuxer) as container:
            stream = container.streams.video[0]
            every = max(1, round(float(stream.average_rate or 1) / SMALL_PER_SECOND))
            shown = itertools.islice(container.decode(stream), 0, MOST_SMALL * every, every)
            pictures = [frame.to_image() for frame in shown]
    except (OSError, ValueError, IndexError) as error:  # what PyAV raises is one of these
        raise UsageError(f"{path} is no film, or a part of one.", "Delete it.") from error
    if not pictures:
        raise UsageError(f"{path} holds no picture.", "Delete it.")
    size = (pictures[0].width // 2, pictures[0].height // 2)
    small = [picture.resize(size, Image.Resampling.BOX).quantize(128) for picture in pictures]
    packed = io.BytesIO()
    duration = round(1000 / SMALL_PER_SECOND)
    small[0].save(packed, "GIF", save_all=True, append_images=small[1:], duration=duration, loop=0)
    return packed.getvalue(), size


def describe_films() -> str:
    """Which films this machine can write, for people."""
    try:
        importlib.metadata.version("pillow")
    except importlib.metadata.PackageNotFoundError:
        return f"none: {INSTALL}"
    try:
        return f"mp4, with PyAV {importlib.metadata.version('av')}"
    except importlib.metadata.PackageNotFoundError:
        return f"gif only; for mp4: {INSTALL}"


def _write_mp4(path: Path, frames: Iterator[np.ndarray], rate: Fraction) -> None:
    import av

    first = next(frames)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate, options={"crf": QUALITY})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"  # what every player and browser shows
        for pixels in itertools.chain([first], frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _write_gif(path: Path, frames: Iterator[np.ndarray], rate: Fraction) -> None:
    from PIL import Image

    pictures = (Image.fromarray(pixels).quantize(128) for pixels in frames)
    first = next(pictures)
    duration = round(1000 / rate)
    first.save(path, save_all=True, append_images=pictures, duration=duration, loop=0)
