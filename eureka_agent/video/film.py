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
from typing import TYPE_CHECKING, Any

import numpy as np

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.common.text import number, terminal_line
from eureka_agent.simulation.rendering import Renderer
from eureka_agent.store.folder import atomic_file, open_plain
from eureka_agent.video.play import Playback

if TYPE_CHECKING:
    from eureka_agent.video.play import Playback

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


def frame_stride(control_step: float, suffix: str) -> tuple[int, Fraction]:
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
    with atomic_file(path) as draft:
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


INSTALL = "pip install 'eureka-agent[video]'"
MOST_ROWS = 8
"""Components that are shown, those that pay or take the most."""
INK, DIM, SHADE = (255, 255, 255, 255), (205, 212, 220, 255), (16, 22, 30, 165)
GROUND = (16, 22, 30, 255)
PAID, TAKEN = (108, 190, 130, 255), (226, 120, 100, 255)
"""Bars of components above and below zero; which side they point to says the same."""
_NAME_LENGTH = 18


class Overlay:
    """Writes on the pictures of one performance: who plays above them, what is paid on them.

    Attributes:
        heading: pixels that a picture becomes higher by.

    Args:
        performance: whose numbers.
        height: of the pictures, in pixels: what is written grows with it.

    Raises:
        MissingError: Pillow is not installed.
    """

    def __init__(self, performance: "Playback", height: int) -> None:
        try:
            from PIL import ImageFont
        except ImportError as error:
            raise MissingError(
                "Films are written on with Pillow, which is missing.", INSTALL
            ) from error
        self._line = max(12, round(height / 22))
        self.heading = 2 * round(1.2 * self._line)
        self._font: Any = ImageFont.load_default(round(0.72 * self._line))
        self._performance = performance
        self._control_step = performance.policy.environment.control_step
        largest = {
            name: float(np.abs(self._paid(name)).max(initial=0.0))
            for name in performance.components
        }
        names = sorted(largest, key=lambda name: -largest[name])[:MOST_ROWS]
        self._names = [name for name in performance.components if name in names]
        self._scale = max((largest[name] for name in names), default=0.0) or 1.0

    def write(self, pixels: np.ndarray, step: int) -> np.ndarray:
        """The picture of what is ahead of a step, with its numbers.

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
        self._heading(draw, picture.width, step)
        if self._names:
            self._bars(draw, picture.height, step)
        return np.asarray(Image.alpha_composite(picture, sheet).convert("RGB"))

    def _heading(self, draw: Any, width: int, step: int) -> None:
        line, performance = self._line, self._performance
        draw.rectangle((0, 0, width, self.heading - 1), fill=GROUND)
        title = terminal_line(performance.policy.title)
        seconds = step * self._control_step
        said = f"{seconds:5.2f} s"
        if performance.so_far is not None and performance.fitness is not None:
            so_far = number(float(performance.so_far[step, 0]))
            whole = number(float(performance.fitness[0]))
            said += f"    fitness so far {so_far}    whole episode {whole}"
        for row, (text, ink) in enumerate(((title, DIM), (said, INK))):
            draw.text((0.5 * line, (0.15 + 1.1 * row) * line), text, fill=ink, font=self._font)

    def _bars(self, draw: Any, height: int, step: int) -> None:
        """A row for each component: its name, its value, and a bar from zero."""
        line = self._line
        top = height - (len(self._names) + 1.6) * line
        middle, reach = 14.5 * line, 3.5 * line
        draw.rectangle((0, top, middle + 1.3 * reach, height), fill=SHADE)
        draw.text((0.5 * line, top + 0.15 * line), "paid per step", fill=DIM, font=self._font)
        for row, name in enumerate(self._names, 1):
            y = top + (row + 0.2) * line
            value = float(self._paid(name)[step])
            shown = name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"
            draw.text((0.5 * line, y), shown, fill=INK, font=self._font)
            draw.text((7.2 * line, y), f"{value:+.3g}", fill=INK, font=self._font)
            end = middle + reach * float(np.clip(np.nan_to_num(value / self._scale), -1, 1))
            low, high = sorted((middle, end))
            colour = PAID if value >= 0 else TAKEN
            draw.rectangle((low, y + 0.15 * line, high + 1, y + 0.75 * line), fill=colour)
            draw.line((middle, y, middle, y + 0.9 * line), fill=DIM)

    def _paid(self, name: str) -> np.ndarray:
        """A component of the filmed episode, as long as that lived."""
        length = int(self._performance.episodes.lengths[0])
        return self._performance.components[name][:length, 0]


WIDTH, HEIGHT = 640, 400
"""Pixels of one performance's picture; both are even, as encoders want it."""
LOOKS = 20
"""Moments of an episode by which is found out how far away a camera that stands still is."""


@dataclass(frozen=True)
class Film:
    """A film that was written.

    Attributes:
        path: the file: a GIF where nothing on this machine encodes MP4.
        seconds: how much it shows.
        whole: whether that is all that was asked for; not after Ctrl-C.
    """

    path: Path
    seconds: float
    whole: bool


def record_film(
    performances: Sequence[Playback],
    wanted: Path,
    seconds: float | None = None,
    *,
    camera: str | None = None,
    done: Callable[[float], None] = lambda share: None,
) -> Film:
    """Film performances side by side, each with its numbers; one that is over stands still.

    Args:
        performances: with poses; those of one environment go equally fast.
        wanted: the file; ends in .mp4 or .gif.
        seconds: of the episodes at most; all of them when None.
        camera: name of a camera of the models; what shows the robot well when None.
        done: gets the share of the film that is done, from time to time.

    Raises:
        MissingError: nothing can draw here, or Pillow is missing.
        UsageError: no film can be written there, or a model has no such camera.
    """
    path = film_path(wanted)
    control_step = performances[0].policy.environment.control_step
    steps, rate = frame_stride(control_step, path.suffix)
    longest = max(len(performance.poses) * step_of(performance) for performance in performances)
    shown = longest if seconds is None else min(seconds, longest)
    times = np.arange(0.0, max(shown, control_step / 2), control_step * steps)
    taken = 0
    with ExitStack() as stack:
        panels = [stack.enter_context(Panel(performance, camera)) for performance in performances]
        stopped = stack.enter_context(asked_to_stop())

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


def step_of(performance: Playback) -> float:
    """Seconds of one control step."""
    return performance.policy.environment.control_step


class Panel:
    """The pictures of one performance; a context manager."""

    def __init__(self, performance: Playback, camera: str | None = None) -> None:
        self._performance = performance
        self._overlay = Overlay(performance, HEIGHT)
        model = performance.policy.environment.model
        self._renderer = Renderer(model, WIDTH, HEIGHT, camera)
        if camera is None:
            poses = performance.poses[:: max(1, len(performance.poses) // LOOKS)]
            self._renderer.come_near([pose.qpos for pose in poses])
        self._last: tuple[int, np.ndarray] | None = None

    def frame(self, seconds: float) -> np.ndarray:
        """What is to be seen then, `[HEIGHT + heading, WIDTH, 3]` uint8."""
        poses = self._performance.poses
        step = min(round(seconds / step_of(self._performance)), len(poses) - 1)
        if self._last is None or self._last[0] != step:
            pose = poses[step]
            drawn = self._renderer.frame(
                pose.qpos, mocap_pos=pose.mocap_pos, mocap_quat=pose.mocap_quat
            )
            self._last = step, self._overlay.write(drawn, step)
        return self._last[1]

    def __enter__(self) -> "Panel":
        return self

    def __exit__(self, *exception: object) -> None:
        self._renderer.close()
