"""A film of performances, side by side."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eureka_agent.simulation.rendering import Renderer
from eureka_agent.video.film import asked_to_stop, film_path, stride, write_film
from eureka_agent.video.overlay import Overlay
from eureka_agent.video.play import Performance

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


def record(
    performances: Sequence[Performance],
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
    steps, rate = stride(control_step, path.suffix)
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


def step_of(performance: Performance) -> float:
    """Seconds of one control step."""
    return performance.policy.environment.control_step


class Panel:
    """The pictures of one performance; a context manager."""

    def __init__(self, performance: Performance, camera: str | None = None) -> None:
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
