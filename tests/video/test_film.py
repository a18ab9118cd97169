"""Films are whole and in real time; without an encoder the message says what to install."""

import dataclasses
import signal
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from eureka_agent.common.errors import EurekaError, MissingError, UsageError
from eureka_agent.environment import Episodes
from eureka_agent.simulation.rendering import describe_rendering
from eureka_agent.store import Run
from eureka_agent.video.film import (
    HEIGHT,
    WIDTH,
    Overlay,
    Panel,
    as_gif,
    describe_films,
    film_path,
    frame_stride,
    record_film,
    write_film,
)
from eureka_agent.video.play import Playback, play_policy
from eureka_agent.video.policies import Policy, find_policy

CAN_DRAW = describe_rendering().startswith("works")
draws = pytest.mark.skipif(not CAN_DRAW, reason="nothing on this machine can draw pictures")


def greys(count: int) -> Iterator[np.ndarray]:
    """Pictures that become lighter."""
    return (np.full((32, 48, 3), 200 * i // count, dtype=np.uint8) for i in range(count))


def shown(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def climbing(policy: Policy, episodes: Episodes) -> np.ndarray:
    """Three components: the first grows with time, the second is below zero."""
    steps, count = episodes.actions.shape[:2]
    time = np.linspace(0, 1, steps, dtype=np.float32)[:, None].repeat(count, 1)
    return np.stack([time, np.full_like(time, -5.0), time])


@pytest.fixture
def playback(run: Run) -> Playback:
    return play_policy(find_policy(str(run.path), run.path.parent), climbing, filmed=0)


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_film_holds_every_picture_in_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    write_film(path, greys(12), Fraction(15))
    pictures = shown(path)
    assert len(pictures) == 12 and pictures[0].shape == (32, 48, 3)
    lightness = [picture.mean() for picture in pictures]
    assert lightness == sorted(lightness) and lightness[-1] > lightness[0] + 100


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_a_film_that_breaks_off_leaves_no_file(tmp_path: Path, suffix: str) -> None:
    def breaks_off() -> Iterator[np.ndarray]:
        yield from greys(3)
        raise EurekaError("the renderer is gone")

    path = tmp_path / f"film{suffix}"
    with pytest.raises(EurekaError, match="gone"):
        write_film(path, breaks_off(), Fraction(15))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("control_step", [0.002, 0.008, 0.02, 1 / 30, 0.05, 0.2])
def test_a_film_is_as_fast_as_what_it_shows(control_step: float) -> None:
    for suffix, most in ((".mp4", 30), (".gif", 15)):
        steps, rate = frame_stride(control_step, suffix)
        assert steps * control_step * float(rate) == pytest.approx(1.0, rel=1e-3)
        assert float(rate) <= 1.5 * most


def test_unknown_film_formats_and_missing_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.mp4 or \.gif"):
        film_path(tmp_path / "film.avi")
    with pytest.raises(UsageError, match="no folder"):
        film_path(tmp_path / "nowhere" / "film.mp4")


def test_without_an_encoder_a_film_is_a_gif(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert film_path(tmp_path / "film.mp4") == tmp_path / "film.mp4"
    monkeypatch.setitem(sys.modules, "av", None)
    assert film_path(tmp_path / "film.mp4") == tmp_path / "film.gif"


def test_without_pillow_the_command_that_installs_it_is_named(
    tmp_path: Path, playback: Playback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    for attempt in (
        lambda: film_path(tmp_path / "film.mp4"),
        lambda: Overlay(playback, HEIGHT),
        lambda: as_gif(tmp_path / "film.mp4"),
    ):
        with pytest.raises(MissingError, match="pip install"):
            attempt()


def test_doctor_lists_the_film_formats() -> None:
    assert describe_films().startswith("mp4")


def test_a_small_copy_shows_the_whole_film(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_film(path, greys(60), Fraction(30))
    content, size = as_gif(path)
    copy = tmp_path / "copy.gif"
    copy.write_bytes(content)
    with Image.open(copy) as picture:
        assert picture.size == size == (24, 16)
        assert picture.n_frames == 20  # type: ignore[attr-defined]


def test_a_truncated_film_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"\x00\x00\x00\x18ftypmp42")
    with pytest.raises(UsageError, match="not a film, or only a part of one"):
        as_gif(path)


def test_numbers_are_written_on_the_picture_and_change_with_it(playback: Playback) -> None:
    overlay, empty = Overlay(playback, HEIGHT), np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    first, last = overlay.write(empty, 0), overlay.write(empty, 200)
    assert first.shape == (HEIGHT + overlay.heading, WIDTH, 3) and first.dtype == np.uint8
    assert not np.array_equal(first, last)
    above = slice(overlay.heading, overlay.heading + HEIGHT // 2)
    assert not first[above].any(), "nothing is written where the robot is"


def test_bars_point_right_for_positive_and_left_for_negative_components(playback: Playback) -> None:
    overlay, empty = Overlay(playback, HEIGHT), np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    written = overlay.write(empty, 200).astype(int)
    green = written[:, :, 1] > written[:, :, 0] + 40
    red = written[:, :, 0] > written[:, :, 1] + 40
    assert green.any() and red.any()
    assert np.nonzero(green)[1].mean() > np.nonzero(red)[1].mean()


def test_not_finite_components_and_foreign_letters_break_no_picture(
    playback: Playback,
) -> None:
    titled = dataclasses.replace(playback.policy, title="\x1b[2J \u202e \ud800 #2")
    strange = playback.components | {"\u4e2d" * 40: np.full_like(playback.so_far, np.nan)}
    odd = dataclasses.replace(playback, policy=titled, components=strange)
    Overlay(odd, HEIGHT).write(np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8), 3)


@draws
def test_two_policies_are_filmed_side_by_side(playback: Playback, tmp_path: Path) -> None:
    other = find_policy(str(playback.policy.path.parents[1]), tmp_path, candidate=1)
    shares: list[float] = []
    both = [playback, play_policy(other, filmed=0)]
    film = record_film(both, tmp_path / "two.mp4", seconds=0.2, done=shares.append)
    pictures = shown(film.path)
    assert film.whole and film.seconds == pytest.approx(0.2)
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert pictures[0].shape == (HEIGHT + Overlay(playback, HEIGHT).heading, 2 * WIDTH, 3)
    rate = frame_stride(playback.policy.environment.control_step, ".mp4")[1]
    assert len(pictures) == round(0.2 * rate)
    assert not np.array_equal(pictures[0], pictures[-1])


@draws
def test_a_film_that_is_interrupted_keeps_what_is_done(playback: Playback, tmp_path: Path) -> None:
    def interrupt(share: float) -> None:
        signal.raise_signal(signal.SIGINT)

    film = record_film([playback], tmp_path / "part.mp4", done=interrupt)
    assert not film.whole and 0 < film.seconds < 1
    assert len(shown(film.path)) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@draws
def test_a_camera_that_the_model_lacks_is_named_before_anything_is_drawn(
    playback: Playback, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no camera 'nowhere'"):
        record_film([playback], tmp_path / "film.mp4", camera="nowhere")
    assert list(tmp_path.glob("*film*")) == []


@draws
def test_an_episode_that_is_over_stands_still(playback: Playback) -> None:
    short = dataclasses.replace(playback, poses=playback.poses[:20])
    last = 19 * playback.policy.environment.control_step
    with Panel(short) as panel:
        over = panel.frame(last)
        assert np.array_equal(panel.frame(9.0), over)
        assert not np.array_equal(panel.frame(0.0), over)
