"""Contact sheets: a few frames of recorded episodes side by side, in one picture.

A process of its own draws them, `python -m eureka_agent.video.contact_sheet`, as a graphics driver
that crashes takes its whole process down.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from eureka_agent.common.errors import EurekaError, MissingError, UsageError
from eureka_agent.environment import (
    Environment,
    Episodes,
    MujocoWorlds,
    find_environment,
    make_worlds,
    pools,
    record,
)
from eureka_agent.simulation.rendering import Renderer
from eureka_agent.store.folder import atomic_file
from eureka_agent.video.film import INSTALL
from eureka_agent.video.play import Pose

TOLERANCE = 1e-3
"""Relative and absolute: a replayed signal may differ this much from the recorded one."""
FRAMES = 6
"""Frames of an episode at most."""
END = 25
"""Steps before an early end that count as its last part."""
WIDTH, HEIGHT, LINE = 256, 160, 16
"""Pixels of a frame, and of a line of text."""
INK, PAPER = (20, 24, 30), (255, 255, 255)
PATIENCE_S = 180.0
"""Longest time for drawing the sheets of a generation."""


@dataclass(frozen=True)
class Strip:
    """One row of a sheet.

    Attributes:
        title: the text above it.
        episodes: as recorded, of one policy.
        episode: the index of the one to draw.
        steps: those after which it is drawn, ascending.
    """

    title: str
    episodes: Episodes
    episode: int
    steps: tuple[int, ...]


@dataclass(frozen=True)
class SheetJob:
    """Sheets to draw.

    Attributes:
        environment: as `find_environment` takes it.
        pool: of the episodes.
        seed: of the episodes.
        sheets: the file of each, and its rows.
    """

    environment: str
    pool: int
    seed: int
    sheets: Sequence[tuple[Path, Sequence[Strip]]]


def choose_frames(steps: Sequence[int], ended_early: bool = False) -> tuple[int, ...]:
    """A few of some ascending steps, including the last.

    They are spread evenly in time, without the first, which looks the same in all episodes. Before
    an early end half of them are spread over the steps up to it and half over its last part.

    Args:
        steps: those that could be drawn.
        ended_early: whether the last of them ended the episode.
    """
    last, times = steps[-1], np.linspace(steps[0], steps[-1], FRAMES + 1)[1:].tolist()
    if ended_early and last > 2 * END:
        half = FRAMES // 2
        times = np.linspace(steps[0], last - END, half + 2)[1:-1].tolist()
        times += np.linspace(last - END, last, FRAMES - half).tolist()
    return tuple(sorted({min(steps, key=lambda step: abs(step - time)) for time in times}))


def draw_in_subprocess(job: SheetJob) -> None:
    """Draw sheets in a process of their own, and wait for it.

    Raises:
        EurekaError: it failed or took too long; some of the sheets may be there.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", "eureka_agent.video.contact_sheet"],
            input=pickle.dumps(job),
            capture_output=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"},
            timeout=PATIENCE_S,
            start_new_session=True,  # Ctrl-C is for the search
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EurekaError(f"Drawing frames took longer than {PATIENCE_S:g} s.") from error
    except OSError as error:
        raise EurekaError(f"Nothing can be started to draw frames: {error.strerror}.") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise EurekaError(said[-1] if said else f"Drawing frames ended with {done.returncode}.")


def draw_sheets(job: SheetJob) -> None:
    """Draw sheets, each a PNG file that is there whole or not at all.

    Raises:
        MissingError: nothing on this machine can draw, or Pillow is missing.
        EurekaError: see `replay`.
    """
    try:
        from PIL import ImageFont
    except ImportError as error:
        raise MissingError("Frames are put together with Pillow.", INSTALL) from error
    environment = find_environment(job.environment)
    # Strips of one policy share its episodes, which are replayed once.
    records = {id(s.episodes): s.episodes for _, strips in job.sheets for s in strips}
    poses = {}
    for key, episodes in records.items():
        mine = [s for _, strips in job.sheets for s in strips if id(s.episodes) == key]
        wanted = {(strip.episode, step) for strip in mine for step in strip.steps}
        streams = pools.streams(job.pool, job.seed, len(episodes.lengths))
        poses[key] = replay(environment, episodes, streams, wanted)
    font = ImageFont.load_default(LINE * 0.75)
    with Renderer(environment.model, WIDTH, HEIGHT, close=True) as renderer:
        for path, strips in job.sheets:
            rows = [(strip, poses[id(strip.episodes)]) for strip in strips]
            _draw_sheet(path, rows, renderer, font, environment.control_step)


def _draw_sheet(
    path: Path,
    rows: Sequence[tuple[Strip, dict[tuple[int, int], Pose]]],
    renderer: Renderer,
    font: Any,
    control_step: float,
) -> None:
    from PIL import Image, ImageDraw

    height = HEIGHT + 2 * LINE
    most = max(len(strip.steps) for strip, _ in rows)
    sheet = Image.new("RGB", (most * WIDTH, len(rows) * height), PAPER)
    pen = ImageDraw.Draw(sheet)
    for row, (strip, poses) in enumerate(rows):
        top = row * height
        pen.text((4, top), strip.title, fill=INK, font=font)
        for column, step in enumerate(strip.steps):
            left = column * WIDTH
            said = f"step {step} ({(step + 1) * control_step:.2f} s)"
            pen.text((left + 4, top + LINE), said, fill=INK, font=font)
            picture = Image.fromarray(poses[strip.episode, step].drawn_by(renderer))
            sheet.paste(picture, (left, top + 2 * LINE))
    with atomic_file(path) as draft:
        sheet.quantize(256).save(draft, optimize=True)


def replay(
    environment: Environment,
    episodes: Episodes,
    streams: Tensor,
    wanted: Collection[tuple[int, int]],
) -> dict[tuple[int, int], Pose]:
    """Repeat the actions of recorded episodes, and keep some of the poses.

    Args:
        environment: the task.
        episodes: E of them, as recorded; the recordings hold signals, no states of the physics.
        streams: the source of randomness of each `[E]`, as it was.
        wanted: pairs of an episode and a step of it, from 0.

    Returns:
        The poses after these steps; for the last step of an episode the pose ahead of it, as the
        step itself resets the world.

    Raises:
        UsageError: the environment has no physics of ours.
        EurekaError: the episodes differ from the recorded ones, as on another device.
    """
    worlds = make_worlds(environment, len(episodes.lengths))
    if not isinstance(worlds, MujocoWorlds):
        raise UsageError(f"{environment.name} has no MuJoCo model of ours to draw.")
    poses: dict[tuple[int, int], Pose] = {}
    lengths = episodes.lengths.tolist()
    moments: dict[int, list[tuple[int, int]]] = {}
    for episode, step in wanted:
        moments.setdefault(min(step + 1, lengths[episode] - 1), []).append((episode, step))

    def watch(t: int, ended: Tensor) -> None:
        for episode, step in moments.get(t, ()):
            poses[episode, step] = Pose.of(worlds, episode)

    again, _ = record(worlds, streams, lambda t, observation: episodes.actions[t], watch=watch)
    for episode, step in sorted(wanted):
        then, now = (e.states[step + 1, episode] for e in (episodes, again))
        if not torch.allclose(then, now, TOLERANCE, TOLERANCE, equal_nan=True):
            off = float(np.nanmax((then - now).abs().numpy()))
            raise EurekaError(
                f"Episode {episode} differs when it is replayed: at step {step} a signal is "
                f"{off:.3g} off.",
                "Results of another device or version cannot be drawn from their actions.",
            )
    return poses


def main() -> int:
    """Draw the job on standard input, which only our own process writes."""
    try:
        draw_sheets(pickle.loads(sys.stdin.buffer.read()))
    except EurekaError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
