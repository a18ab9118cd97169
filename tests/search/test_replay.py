"""A recorded exchange with a real author runs again, through the real client and over HTTP.

The recording is a search on cartpole: three generations of four programs, written by a language
model that saw nothing but the prompts. Only its answers are played back: the training runs here are
tiny, so the results in the prompts differ.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Completion, Loopback, Received
from scripted import author_search, place

from eureka_agent.search.loop import search
from eureka_agent.store import RunReader

pytestmark = [pytest.mark.slow, pytest.mark.long]

RECORDING = Path(__file__).parent / "exchange.json"


@pytest.fixture(scope="module")
def recorded() -> dict[tuple[int, int, int], dict[str, Any]]:
    """The recorded answers by generation, slot and attempt."""
    entries = json.loads(RECORDING.read_text(encoding="utf-8"))["exchanges"]
    return {(e["generation"], e["slot"], e["attempt"]): e for e in entries}


@pytest.fixture(scope="module")
def asked() -> list[Received]:
    """All requests of `run`."""
    return []


@pytest.fixture(scope="module")
def run(
    recorded: dict[tuple[int, int, int], dict[str, Any]],
    asked: list[Received],
    tmp_path_factory: pytest.TempPathFactory,
) -> RunReader:
    """The search once more, in small."""

    def answer(received: Received) -> Answer:
        asked.append(received)
        entry = recorded[place(received)]
        return Completion(entry["reply"], finish_reason=entry["finish_reason"])

    with Loopback(answer) as server:
        folder = tmp_path_factory.mktemp("runs")
        launch = author_search(folder, server.url, candidates=4, generations=3)
        search(launch)
    launch.run.close()
    return RunReader.open(launch.run.path)


def test_every_recorded_program_trains(run: RunReader) -> None:
    assert run.status() == "finished"
    assert [c.state for c in run.candidates()] == ["finished"] * 12


def test_each_recorded_answer_is_asked_for_once(
    run: RunReader, recorded: dict[tuple[int, int, int], dict[str, Any]], asked: list[Received]
) -> None:
    assert sorted(place(received) for received in asked) == sorted(recorded)
    assert sum(row.calls for row in run.usage()) == len(recorded)


def test_the_recorded_first_request_described_the_same_signals(
    recorded: dict[tuple[int, int, int], dict[str, Any]], asked: list[Received]
) -> None:
    now = next(r for r in asked if place(r) == (0, 0, 0)).messages[1]["content"]
    rows = [line for line in now.split("\n") if line.startswith("| `")]
    assert rows
    assert [row for row in rows if row not in recorded[0, 0, 0]["request"]] == []


def test_later_programs_carry_their_authors_lessons(run: RunReader) -> None:
    later = [c for c in run.candidates() if c.generation > 0]
    assert all(c.lesson for c in later)
    assert all(c.reflection for c in run.candidates())
