"""Contact sheets: a few frames of recorded episodes side by side, in one picture.

They are drawn by a process of its own, `python -m eureka_agent.video.contact_sheet`, as a graphics
driver that crashes takes along all that runs in its process.
"""

import os
import pickle
import subprocess
import sys
from collections.abc import Collection, Sequence
from contextlib import ExitStack
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
from eureka_agent.video.play import Pose, pose_of

TOLERANCE = 1e-3
"""Of a signal, relative and absolute: below it the replayed episode is the recorded one."""


def replay(
    environment: Environment,
    episodes: Episodes,
    streams: Tensor,
    wanted: Collection[tuple[int, int]],
) -> dict[tuple[int, int], Pose]:
    """Act as in recorded episodes again, and keep some of the states.

    Args:
        environment: the task.
        episodes: E of them, as recorded; the recordings hold signals, no states of the physics.
        streams: the source of randomness of each `[E]`, as it was.
        wanted: pairs of an episode and a step of it, from 0.

    Returns:
        what the robot looked like after these steps; of the last one of an episode ahead of it, as
        the world begins anew with it.

    Raises:
        UsageError: the environment has no physics of ours.
        EurekaError: the episodes went otherwise this time, as they do on another device.
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
            poses[episode, step] = pose_of(worlds, episode)

    def act(t: int, observation: Tensor) -> Tensor:
        return episodes.actions[t]

    again, _ = record(worlds, streams, act, watch=watch)
    _require_same(episodes.states, again.states, wanted)
    return poses


def _require_same(then: Tensor, now: Tensor, wanted: Collection[tuple[int, int]]) -> None:
    for episode, step in sorted(wanted):
        seen, seen_again = then[step + 1, episode], now[step + 1, episode]
        if not torch.allclose(seen, seen_again, TOLERANCE, TOLERANCE, equal_nan=True):
            off = float(np.nanmax((seen - seen_again).abs().numpy()))
            raise EurekaError(
                f"Episode {episode} goes otherwise when it is played again: at step {step} a "
                f"signal is {off:.3g} off.",
                "Results of another device or version cannot be drawn from their actions.",
            )


FRAMES = 6
"""Frames of an episode at most."""
END = 25
"""Steps before an early end that count as its last part."""
WIDTH, HEIGHT, LINE = 256, 160, 16
"""Pixels of a frame, and of a line of text."""
INK, PAPER = (20, 24, 30), (255, 255, 255)
PATIENCE_S = 180.0
"""How long the sheets of a generation may take."""


@dataclass(frozen=True)
class Strip:
    """One row of a sheet.

    Attributes:
        title: what is written above it.
        episodes: as recorded, of one policy.
        episode: which of them.
        steps: after which it is drawn, growing.
    """

    title: str
    episodes: Episodes
    episode: int
    steps: tuple[int, ...]


@dataclass(frozen=True)
class SheetJob:
    """Sheets to be drawn.

    Attributes:
        environment: what `find_environment` finds it by.
        pool: that the episodes come from.
        seed: likewise.
        sheets: the file of each, and its rows.
    """

    environment: str
    pool: int
    seed: int
    sheets: Sequence[tuple[Path, Sequence[Strip]]]


def choose_frames(steps: Sequence[int], ended_early: bool = False) -> tuple[int, ...]:
    """A few of some growing steps, the last among them.

    They are spread evenly in time, without the first, which looks the same in all episodes. Before
    an early end half of them are spread over the steps up to it and half over its last part.

    Args:
        steps: of which the frames are.
        ended_early: whether the last of them ended the episode.
    """
    last, times = steps[-1], np.linspace(steps[0], steps[-1], FRAMES + 1)[1:].tolist()
    if ended_early and last > 2 * END:
        half = FRAMES // 2
        times = np.linspace(steps[0], last - END, half + 2)[1:-1].tolist()
        times += np.linspace(last - END, last, FRAMES - half).tolist()
    return tuple(sorted({min(steps, key=lambda step: abs(step - time)) for time in times}))


def draw_in_subprocess(order: SheetJob) -> None:
    """Have sheets drawn by a process of its own; waits for it.

    Raises:
        EurekaError: it could not, or took too long; some of the sheets may be there.
    """
    words = [sys.executable, "-m", "eureka_agent.video.contact_sheet"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    try:
        done = subprocess.run(
            words,
            input=pickle.dumps(order),
            capture_output=True,
            env=environment,
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


def draw_sheets(order: SheetJob) -> None:
    """Draw sheets, each a PNG file that is there whole or not at all.

    Raises:
        MissingError: nothing on this machine can draw, or Pillow is missing.
        EurekaError: see `replay`.
    """
    environment = find_environment(order.environment)
    records = {id(s.episodes): s.episodes for _, strips in order.sheets for s in strips}
    wanted: dict[int, set[tuple[int, int]]] = {key: set() for key in records}
    for _, strips in order.sheets:
        for strip in strips:
            wanted[id(strip.episodes)] |= {(strip.episode, step) for step in strip.steps}
    poses = {}
    for key, episodes in records.items():
        streams = pools.streams(order.pool, order.seed, len(episodes.lengths))
        poses[key] = replay(environment, episodes, streams, wanted[key])
    with ExitStack() as stack:
        artist = stack.enter_context(_Artist(environment))
        for path, strips in order.sheets:
            artist.sheet(path, [(strip, poses[id(strip.episodes)]) for strip in strips])


class _Artist:
    """Draws sheets of one environment; a context manager."""

    def __init__(self, environment: Environment) -> None:
        try:
            from PIL import ImageFont
        except ImportError as error:
            raise MissingError("Frames are put together with Pillow.", INSTALL) from error
        self._font: Any = ImageFont.load_default(LINE * 0.75)
        self._seconds = environment.control_step
        self._renderer = Renderer(environment.model, WIDTH, HEIGHT, close=True)

    def sheet(self, path: Path, rows: Sequence[tuple[Strip, dict[tuple[int, int], Pose]]]) -> None:
        """Draw one sheet."""
        from PIL import Image, ImageDraw

        height = HEIGHT + 2 * LINE
        most = max(len(strip.steps) for strip, _ in rows)
        sheet = Image.new("RGB", (most * WIDTH, len(rows) * height), PAPER)
        pen = ImageDraw.Draw(sheet)
        for row, (strip, poses) in enumerate(rows):
            top = row * height
            pen.text((4, top), strip.title, fill=INK, font=self._font)
            for column, step in enumerate(strip.steps):
                left = column * WIDTH
                said = f"step {step} ({(step + 1) * self._seconds:.2f} s)"
                pen.text((left + 4, top + LINE), said, fill=INK, font=self._font)
                pose = poses[strip.episode, step]
                pixels = self._renderer.frame(
                    pose.qpos, mocap_pos=pose.mocap_pos, mocap_quat=pose.mocap_quat
                )
                sheet.paste(Image.fromarray(pixels), (left, top + 2 * LINE))
        with atomic_file(path) as draft:
            sheet.quantize(256).save(draft, optimize=True)

    def __enter__(self) -> "_Artist":
        return self

    def __exit__(self, *exception: object) -> None:
        self._renderer.close()


def main() -> int:
    """Draw what the standard input asks for, which only our own process writes."""
    try:
        draw_sheets(pickle.loads(sys.stdin.buffer.read()))
    except EurekaError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
