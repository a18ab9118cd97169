"""Event files hold what the run does, under names that people understand."""

import shutil
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.store import Run, RunReader
from eureka_agent.tracking import Tracker, describe_events, track
from eureka_agent.video.film import write_film

PROGRAM = '"""Stay up."""\n\nWEIGHTS = {"up": 1.0}  # \ud800 \x1b[2J\n'
STEPS = 1000


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """One generation: a candidate that trained and one that failed, and the human reward."""
    run = Run.create(tmp_path / "runs", "cartpole", goal="Swing.", seed=0, config={})
    for slot in range(2):
        run.add_candidate(0, slot, PROGRAM, designer="offline", thought="Stay up.")
    learn(run, run.add_training("candidate", 0, steps_total=STEPS, candidate=1).id, 10.0)
    run.set_result(1, fitness=10.0, own_return=3.0, checkpoint_step=STEPS)
    run.set_reflection(1, "It stays up.")
    run.set_failure(2, "Traceback: not finite")
    learn(run, run.add_training("human", 7, steps_total=STEPS).id, 20.0)
    run.set_status("finished")
    return run


def learn(run: Run, training: int, fitness: float, steps: tuple[int, ...] = (500, STEPS)) -> None:
    for step in steps:
        run.add_evaluation(
            training,
            step,
            fitness=fitness * step / STEPS,
            own_return=None,
            episode_length=500.0,
            components={"up/down": {"mean": 1.0, "share": 0.5}},
            diagnostics={"kl": 0.01},
        )


def read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def curve(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read(folder).Scalars(tag)]


def texts(folder: Path, tag: str) -> list[str]:
    events: list[Any] = read(folder).Tensors(f"{tag}/text_summary")
    return [event.tensor_proto.string_val[0].decode() for event in events]


def test_a_training_run_has_curves_over_its_steps(run: Run, tmp_path: Path) -> None:
    folder = track(run, tmp_path / "tb")
    assert folder == tmp_path / "tb" / run.name
    assert curve(folder / "candidate-001", "fitness") == [(500, 5.0), (1000, 10.0)]
    assert curve(folder / "human-reward-seed-7", "fitness") == [(500, 10.0), (1000, 20.0)]
    tags = read(folder / "candidate-001").Tags()["scalars"]
    assert {"component share/up down", "training/kl", "episode/length"} <= set(tags)
    assert "own return" not in tags, "a value that was not measured has no curve"


def test_a_search_has_its_generations_and_candidates(run: Run, tmp_path: Path) -> None:
    folder = track(run, tmp_path / "tb") / "search"
    assert curve(folder, "generations/best fitness") == [(0, 10.0)]
    assert curve(folder, "generations/failed") == [(0, 1.0)]
    assert curve(folder, "candidates/fitness") == [(1, 10.0)]


def test_programs_and_reflections_are_texts_without_control_characters(
    run: Run, tmp_path: Path
) -> None:
    folder = track(run, tmp_path / "tb")
    (program,) = texts(folder / "candidate-001", "program")
    assert 'WEIGHTS = {"up": 1.0}' in program and "\x1b" not in program
    assert texts(folder / "candidate-001", "reflection") == ["It stays up."]
    assert "not finite" in texts(folder / "candidate-002", "failure")[0]


def test_writing_again_replaces_our_files_and_keeps_those_of_others(
    run: Run, tmp_path: Path
) -> None:
    folder = track(run, tmp_path / "tb")
    (ours,) = (folder / "search").glob("events.out.tfevents.*")
    other = folder / "candidate-001" / "events.out.tfevents.1.somebody"
    shutil.copy(ours, other)
    track(run, tmp_path / "tb")
    assert other.is_file()
    other.unlink()
    assert len(curve(folder / "candidate-001", "fitness")) == 2


def test_a_run_in_progress_is_added_to(run: Run, tmp_path: Path) -> None:
    tracker = Tracker(run, tmp_path / "tb")
    tracker.update()
    run.add_candidate(1, 0, PROGRAM, designer="offline")
    training = run.add_training("candidate", 0, steps_total=STEPS, candidate=3)
    learn(run, training.id, 30.0, steps=(500,))
    tracker.update()
    assert curve(tracker.folder / "search", "generations/best fitness") == [(0, 10.0)]
    learn(run, training.id, 30.0, steps=(STEPS,))
    run.set_result(3, fitness=30.0, own_return=3.0, checkpoint_step=STEPS)
    tracker.update()
    assert curve(tracker.folder / "candidate-003", "fitness") == [(500, 15.0), (1000, 30.0)]
    assert curve(tracker.folder / "search", "generations/best fitness") == [(0, 10.0), (1, 30.0)]
    assert curve(tracker.folder / "search", "candidates/fitness") == [(1, 10.0), (3, 30.0)]


def test_a_film_is_among_the_images_and_a_broken_one_says_so(run: Run, tmp_path: Path) -> None:
    greys = (np.full((32, 48, 3), 5 * i, dtype=np.uint8) for i in range(30))
    write_film(run.candidate_folder(1) / "video.mp4", greys, Fraction(30))
    (run.candidate_folder(2) / "video.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42")
    folder = track(run, tmp_path / "tb")
    (image,) = read(folder / "candidate-001").Images("video")
    assert image.encoded_image_string.startswith(b"GIF89a")
    assert "not a film" in texts(folder / "candidate-002", "video")[0]


def test_a_film_that_comes_after_its_candidate_is_written_too(run: Run, tmp_path: Path) -> None:
    tracker = Tracker(run, tmp_path / "tb")
    tracker.update()
    greys = (np.full((32, 48, 3), 5 * i, dtype=np.uint8) for i in range(30))
    write_film(run.candidate_folder(1) / "video.mp4", greys, Fraction(30))
    tracker.update()
    tracker.update()
    assert len(read(tracker.folder / "candidate-001").Images("video")) == 1


def test_a_run_is_only_read(run: Run, tmp_path: Path) -> None:
    run.close()
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*") if path.is_file()}
    with RunReader.open(run.path) as reader:
        track(reader, tmp_path / "tb", follow=True)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_without_tensorboard_the_command_that_installs_it_is_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert describe_events().startswith("event files")
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    with pytest.raises(MissingError, match="pip install"):
        track(run, tmp_path / "tb")
    assert not (tmp_path / "tb").exists()


def test_a_folder_that_cannot_be_written_to_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UsageError, match="taken"):
        track(run, tmp_path / "taken")
