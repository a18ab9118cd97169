"""Films of policies: frames with numbers on them, written as MP4 or as an animated GIF."""

import importlib.metadata
import importlib.util
import io
import itertools
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.common.text import number, shortened, terminal_line
from eureka_agent.simulation.rendering import Renderer
from eureka_agent.store.folder import atomic_file, open_plain
from eureka_agent.video import MOST_PER_SECOND, require_film_name
from eureka_agent.video.play import Playback

INSTALL = "pip install 'eureka-agent[video]'"
WIDTH, HEIGHT = 640, 400
"""Pixels of one policy's picture; both are even, as encoders require it."""
LOOKS = 20
"""States of an episode that a camera which stands still must show when it moves closer."""
SMALL_PER_SECOND, MOST_SMALL = 10, 100
"""Frames per second of small copies, and how many frames these have at most."""
DEMUXERS = {".mp4": "mp4", ".gif": "gif", ".webm": "webm"}
QUALITY = "23"
"""CRF of H.264: lower is better and larger."""
MOST_ROWS = 8
"""Components that are shown, those with the largest values."""
INK, DIM, SHADE = (255, 255, 255, 255), (205, 212, 220, 255), (16, 22, 30, 165)
GROUND = (16, 22, 30, 255)
ABOVE, BELOW = (108, 190, 130, 255), (226, 120, 100, 255)
"""Bars of components above and below zero; they also point to different sides."""
_NAME_LENGTH = 18


@dataclass(frozen=True)
class Film:
    """A film that was written.

    Attributes:
        path: the file: a GIF where nothing on this machine encodes MP4.
        seconds: its duration.
        whole: whether it shows all that was asked for; not after Ctrl-C.
    """

    path: Path
    seconds: float
    whole: bool


def record_film(
    playbacks: Sequence[Playback],
    wanted: Path,
    seconds: float | None = None,
    *,
    camera: str | None = None,
    done: Callable[[float], None] = lambda fraction: None,
) -> Film:
    """Film policies side by side, each with its numbers; one whose episode is over stands still.

    Args:
        playbacks: with poses; those of one environment run at the same speed.
        wanted: the file; ends in .mp4 or .gif.
        seconds: of the episodes at most; all of them when None.
        camera: name of a camera of the models; a view that shows the robot well when None.
        done: gets the fraction of the film that is done, from time to time.

    Raises:
        MissingError: nothing can draw here, or Pillow is missing.
        UsageError: no film can be written there, or a model has no such camera.
    """
    path = film_path(wanted)
    control_step = playbacks[0].control_step
    steps, rate = frame_stride(control_step, path.suffix)
    longest = max(len(playback.poses) * playback.control_step for playback in playbacks)
    shown = longest if seconds is None else min(seconds, longest)
    times = np.arange(0.0, max(shown, control_step / 2), control_step * steps)
    taken = 0
    with ExitStack() as stack:
        panels = [stack.enter_context(Panel(playback, camera)) for playback in playbacks]
        stopped = stack.enter_context(_interrupt_requested())

        def frames() -> Iterator[np.ndarray]:
            nonlocal taken
            for time in times:
                if taken and stopped():
                    return
                yield np.hstack([panel.frame(time) for panel in panels])
                taken += 1
                done(taken / len(times))

        write_film(path, frames(), rate)
    return Film(path, taken * control_step * steps, taken == len(times))


@contextmanager
def _interrupt_requested() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C in the block into a flag that can be read; a second one raises.

    So a film ends between two frames, and the file is complete up to there.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    requests: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def request(number: int, frame: object) -> None:
        requests.append(number)
        if len(requests) > 1:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, request)
    try:
        yield lambda: bool(requests)
    finally:
        signal.signal(signal.SIGINT, before)


class Panel:
    """The frames of one playback; a context manager."""

    def __init__(self, playback: Playback, camera: str | None = None) -> None:
        self._playback = playback
        self._overlay = Overlay(playback, HEIGHT)
        self._renderer = Renderer(playback.policy.environment.model, WIDTH, HEIGHT, camera)
        if camera is None:
            poses = playback.poses[:: max(1, len(playback.poses) // LOOKS)]
            self._renderer.come_near([pose.qpos for pose in poses])
        self._last: tuple[int, np.ndarray] | None = None

    def frame(self, seconds: float) -> np.ndarray:
        """The frame at a time of the episode, `[HEIGHT + heading, WIDTH, 3]` uint8."""
        poses = self._playback.poses
        step = min(round(seconds / self._playback.control_step), len(poses) - 1)
        if self._last is None or self._last[0] != step:
            self._last = step, self._overlay.write(poses[step].drawn_by(self._renderer), step)
        return self._last[1]

    def __enter__(self) -> "Panel":
        return self

    def __exit__(self, *exception: object) -> None:
        self._renderer.close()


class Overlay:
    """Writes numbers on the frames of a playback: policy, time, fitness and reward components.

    Attributes:
        heading: pixels that are added above a frame.

    Args:
        playback: whose numbers.
        height: of the frames, in pixels: the text grows with it.

    Raises:
        MissingError: Pillow is not installed.
    """

    def __init__(self, playback: Playback, height: int) -> None:
        try:
            from PIL import ImageFont
        except ImportError as error:
            raise MissingError("Text on films needs Pillow, which is missing.", INSTALL) from error
        self._line = max(12, round(height / 22))
        self.heading = 2 * round(1.2 * self._line)
        self._font: Any = ImageFont.load_default(round(0.72 * self._line))
        self._playback = playback
        length = int(playback.episodes.lengths[0])
        values = {name: rewards[:length, 0] for name, rewards in playback.components.items()}
        largest = {name: float(np.abs(v).max(initial=0.0)) for name, v in values.items()}
        shown = sorted(largest, key=lambda name: -largest[name])[:MOST_ROWS]
        self._values = {name: value for name, value in values.items() if name in shown}
        self._scale = max((largest[name] for name in shown), default=0.0) or 1.0

    def write(self, pixels: np.ndarray, step: int) -> np.ndarray:
        """A frame ahead of a step, with its numbers.

        Args:
            pixels: `[height, width, 3]` uint8.
            step: of the episode, from 0.

        Returns:
            `[height + heading, width, 3]` uint8.
        """
        from PIL import Image, ImageDraw

        picture = Image.fromarray(np.pad(pixels, ((self.heading, 0), (0, 0), (0, 0))))
        picture = picture.convert("RGBA")
        sheet = Image.new("RGBA", picture.size)
        draw = ImageDraw.Draw(sheet)
        self._write_heading(draw, picture.width, step)
        if self._values:
            self._write_bars(draw, picture.height, step)
        return np.asarray(Image.alpha_composite(picture, sheet).convert("RGB"))

    def _write_heading(self, draw: Any, width: int, step: int) -> None:
        line, playback = self._line, self._playback
        draw.rectangle((0, 0, width, self.heading - 1), fill=GROUND)
        said = f"{step * playback.control_step:5.2f} s"
        if playback.so_far is not None and playback.fitness is not None:
            so_far = number(float(playback.so_far[step, 0]))
            whole = number(float(playback.fitness[0]))
            said += f"    fitness so far {so_far}    whole episode {whole}"
        title = terminal_line(playback.policy.title)
        for row, (text, ink) in enumerate(((title, DIM), (said, INK))):
            draw.text((0.5 * line, (0.15 + 1.1 * row) * line), text, fill=ink, font=self._font)

    def _write_bars(self, draw: Any, height: int, step: int) -> None:
        """A row for each component: its name, its value, and a bar from zero."""
        line = self._line
        top = height - (len(self._values) + 1.6) * line
        middle, reach = 14.5 * line, 3.5 * line
        draw.rectangle((0, top, middle + 1.3 * reach, height), fill=SHADE)
        draw.text((0.5 * line, top + 0.15 * line), "reward per step", fill=DIM, font=self._font)
        for row, (name, values) in enumerate(self._values.items(), 1):
            y = top + (row + 0.2) * line
            value = float(values[step])
            shown = shortened(name, _NAME_LENGTH)
            draw.text((0.5 * line, y), shown, fill=INK, font=self._font)
            draw.text((7.2 * line, y), f"{value:+.3g}", fill=INK, font=self._font)
            end = middle + reach * float(np.clip(np.nan_to_num(value / self._scale), -1, 1))
            low, high = sorted((middle, end))
            colour = ABOVE if value >= 0 else BELOW
            draw.rectangle((low, y + 0.15 * line, high + 1, y + 0.75 * line), fill=colour)
            draw.line((middle, y, middle, y + 0.9 * line), fill=DIM)


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


def frame_stride(control_step: float, suffix: str) -> tuple[int, Fraction]:
    """Control steps between two frames, and frames per second in real time."""
    steps = max(1, round(1 / (control_step * MOST_PER_SECOND[suffix])))
    return steps, Fraction(1 / (control_step * steps)).limit_denominator(1000)


def write_film(path: Path, frames: Iterator[np.ndarray], rate: Fraction) -> None:
    """Write a film, whole or not at all.

    Args:
        path: as `film_path` gave it.
        frames: `[height, width, 3]` uint8 of one size, with even sides.
        rate: frames per second.
    """
    with atomic_file(path) as draft:
        if path.suffix == ".mp4":
            _write_mp4(draft, frames, rate)
        else:
            from PIL import Image

            pictures = (Image.fromarray(pixels).quantize(128) for pixels in frames)
            _save_gif(next(pictures), pictures, draft, round(1000 / rate))


def _write_mp4(path: Path, frames: Iterator[np.ndarray], rate: Fraction) -> None:
    import av

    first = next(frames)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate, options={"crf": QUALITY})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"  # every player and browser shows it
        for pixels in itertools.chain([first], frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _save_gif(first: Any, rest: Any, file: Any, duration: int) -> None:
    """Save pictures of `duration` milliseconds each as a GIF that repeats."""
    first.save(file, "GIF", save_all=True, append_images=rest, duration=duration, loop=0)


def as_gif(path: Path) -> tuple[bytes, tuple[int, int]]:
    """A film as a small animated GIF, for viewers that know no other; and its size, width first.

    Raises:
        UsageError: the file is not a film, or only a part of one.
        MissingError: PyAV or Pillow is not installed.
    """
    try:
        import av
        from PIL import Image
    except ImportError as error:
        raise MissingError(f"{path.name} is read with PyAV and Pillow.", INSTALL) from error
    try:
        # The suffix fixes the format: a file that chose its own could make PyAV open other files.
        demuxer = DEMUXERS.get(path.suffix)
        with open_plain(path) as file, av.open(file, "r", format=demuxer) as container:
            stream = container.streams.video[0]
            every = max(1, round(float(stream.average_rate or 1) / SMALL_PER_SECOND))
            shown = itertools.islice(container.decode(stream), 0, MOST_SMALL * every, every)
            pictures = [frame.to_image() for frame in shown]
    except (OSError, ValueError, IndexError) as error:  # PyAV's errors are among these
        raise UsageError(f"{path} is not a film, or only a part of one.", "Delete it.") from error
    if not pictures:
        raise UsageError(f"{path} holds no picture.", "Delete it.")
    size = (pictures[0].width // 2, pictures[0].height // 2)
    small = [picture.resize(size, Image.Resampling.BOX).quantize(128) for picture in pictures]
    packed = io.BytesIO()
    _save_gif(small[0], small[1:], packed, round(1000 / SMALL_PER_SECOND))
    return packed.getvalue(), size


def describe_films() -> str:
    """Which films this machine can write, in words."""
    try:
        importlib.metadata.version("pillow")
    except importlib.metadata.PackageNotFoundError:
        return f"none: {INSTALL}"
    try:
        return f"mp4, with PyAV {importlib.metadata.version('av')}"
    except importlib.metadata.PackageNotFoundError:
        return f"gif only; for mp4: {INSTALL}"
