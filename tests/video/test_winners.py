"""Winners are filmed beside a search; films neither delay nor end it."""

import sys
from pathlib import Path

import pytest

from eureka_agent.simulation.rendering import describe_rendering
from eureka_agent.store import Run
from eureka_agent.video import winners
from eureka_agent.video.winners import WinnerFilms


@pytest.fixture(autouse=True)
def ordinary_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the least one might never have its turn."""
    monkeypatch.setattr(winners, "LEAST_PRIORITY", 0)


def said(run: Run) -> dict[int | None, str]:
    return {event.candidate_id: event.text for event in run.events() if event.kind == "video"}


def test_a_film_that_fails_is_an_event_and_the_next_one_begins(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player = tmp_path / "player"
    player.write_text('#!/bin/sh\necho "Loading."\necho "Error: $5 has no policy." >&2\nexit 2\n')
    player.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(player))
    with WinnerFilms(run) as films:
        films.record(3)
        for number in (1, 2):
            (run.candidate_folder(number) / "video.log").mkdir()
            films.record(number)
    assert sorted(number or 0 for number in said(run)) == [1, 2, 3]
    assert "no film: Is a directory" in said(run)[2]
    assert said(run)[3] == "no film: --candidate has no policy."
    assert list(run.candidate_folder(3).glob("video.mp4")) == []


def test_a_winner_with_a_film_is_not_filmed_again(run: Run) -> None:
    film = run.candidate_folder(1) / "video.mp4"
    film.write_bytes(b"as it was")
    with WinnerFilms(run) as films:
        films.record(1)
    assert film.read_bytes() == b"as it was" and said(run) == {}


def test_an_interrupted_search_waits_for_no_film(run: Run) -> None:
    with pytest.raises(KeyboardInterrupt), WinnerFilms(run) as films:
        films.record(1)
        films.record(2)
        raise KeyboardInterrupt
    assert said(run) == {}
    assert list(run.path.rglob("video.mp4")) == []


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(
    not describe_rendering().startswith("works"), reason="nothing on this machine can draw pictures"
)
def test_winners_are_filmed_one_after_the_other(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winners, "SECONDS", 0.2)
    with WinnerFilms(run) as films:
        films.record(1)
        films.record(2)
        films.record(1)
    assert said(run) == {1: "filmed: video.mp4", 2: "filmed: video.mp4"}
    for number in (1, 2):
        assert (run.candidate_folder(number) / "video.mp4").stat().st_size > 1000
        assert not (run.candidate_folder(number) / "video.log").exists()
