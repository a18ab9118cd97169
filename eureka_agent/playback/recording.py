"""A film of performances, side by side."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from eureka_agent.playback.film import film_path, stride, write_film
from eureka_agent.playback.overlay import Overlay
from eureka_agent.playback.performing import Performance
from eureka_agent.simulation.rendering import Renderer

WIDTH, HEIGHT = 640, 400
"""Pixels of one performance's picture; both are even, as encoders want it."""


def record(performances: Sequence[Performance], wanted: Path, seconds: float | None = None) -> Path:
    """Film performances side by side, each with its numbers; one that is over stands still.

    Args:
        performances: with poses; those of one environment go equally fast.
        wanted: the file; ends in .mp4 or .gif.
        seconds: of the episodes at most; all of them when None.

    Returns:
        the file that was written: a GIF where nothing on this machine encodes MP4.

    Raises:
        MissingError: nothing can draw here, or Pillow is missing.
        UsageError: no film can be written there.
    """
    path = film_path(wanted)
    control_step = performances[0].policy.environment.control_step
    steps, rate = stride(control_step, path.suffix)
    longest = max(len(performance.poses) * step_of(performance) for performance in performances)
    shown = longest if seconds is None else min(seconds, longest)
    times = np.arange(0.0, max(shown, control_step / 2), control_step * steps)
    with ExitStack() as stack:
        panels = [stack.enter_context(Panel(performance)) for performance in performances]
        frames = (np.hstack([panel.frame(time) for panel in panels]) for time in times)
        write_film(path, frames, rate)
    return path


def step_of(performance: Performance) -> float:
    """Seconds of one control step."""
    return performance.policy.environment.control_step


class Panel:
    """The pictures of one performance; a context manager."""

    def __init__(self, performance: Performance) -> None:
        self._performance = performance
        self._overlay = Overlay(performance, HEIGHT)
        self._renderer = Renderer(performance.policy.environment.model, WIDTH, HEIGHT)
        self._last: tuple[int, np.ndarray] | None = None

    def frame(self, seconds: float) -> np.ndarray:
        """What is to be seen then, `[HEIGHT, WIDTH, 3]` uint8."""
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
