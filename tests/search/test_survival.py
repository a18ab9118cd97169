"""Whichever process is killed, the search finishes as if nothing had happened."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from support import TINY, command, processes_of, start, tiny_search

from eureka_agent.store import RunReader, find_run

pytestmark = [pytest.mark.slow, pytest.mark.long]

GENERATIONS, STEPS = 2, 4096
PATIENCE_S = 300.0
WORKER, JUDGE = "eureka_agent.workers.trainer_server", "eureka_agent.workers.judge_server"
Found = TypeVar("Found")


def until(look: Callable[[], Found | None], what: str) -> Found:
    """Wait until `look` returns something, and return it."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain: {what}")


def begun(process: subprocess.Popen[str], runs: Path, generation: int) -> Path:
    """The folder of a process's run, once a candidate of a generation has trained a little."""

    def look() -> Path | None:
        assert process.poll() is None, process.communicate()[0]
        for folder in runs.glob("cartpole-*"):
            with RunReader.open(folder) as run:
                training = (row for row in run.candidates(generation) if row.state == "training")
                rows = [t for row in training for t in run.trainings("candidate", row.id)]
                if any(row.steps_done > 0 for row in rows):
                    return folder
        return None

    return until(look, f"a candidate of generation {generation} that trains")


def child_of(parent: int, module: str, other_than: int = 0) -> int:
    """The process id of a child, once it is there."""
    return until(
        lambda: next((c for c in processes_of(parent, module) if c != other_than), None), module
    )


def kill_child(parent: int, module: str) -> None:
    """Kill a child, and wait for the next: of two workers the one at work, not its spare."""
    killed = child_of(parent, module)
    os.kill(killed, signal.SIGKILL)
    child_of(parent, module, other_than=killed)


def begin(runs: Path) -> subprocess.Popen[str]:
    # Long enough to be killed while it trains.
    options = (f"--generations={GENERATIONS}", f"--steps={STEPS}", "--set=retrainings=0")
    return start(tiny_search(runs, *options))


def resume(runs: Path) -> subprocess.Popen[str]:
    return start(command("resume", "latest", "--plain", f"--runs={runs}"))


def finish(process: subprocess.Popen[str]) -> None:
    """Wait for the good end of a process."""
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, output


@pytest.fixture(scope="module")
def bereaved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunReader]:
    """A search whose worker and judge were killed once."""
    runs = tmp_path_factory.mktemp("runs")
    process = begin(runs)
    path = begun(process, runs, generation=0)
    kill_child(process.pid, WORKER)
    kill_child(process.pid, JUDGE)
    finish(process)
    with RunReader.open(path) as run:
        yield run


def check_complete(run: RunReader) -> None:
    """Every candidate is there once, and was trained and judged."""
    assert run.status() == "finished"
    rows = run.candidates()
    places = [(row.generation, row.slot) for row in rows]
    assert places == [(g, s) for g in range(GENERATIONS) for s in range(TINY["candidates"])]
    assert [row.state for row in rows] == ["finished"] * len(rows), [r.failure for r in rows]
    for training in run.trainings("candidate"):
        assert len(run.evaluations(training.id)) == 1
    assert (run.path / "best" / "policy.zip").is_file()


def test_killed_children_are_replaced(bereaved: RunReader) -> None:
    check_complete(bereaved)
    told = [event.text for event in bereaved.events() if event.kind == "worker"]
    assert any("SIGKILL" in text for text in told)


def test_a_search_that_is_killed_and_interrupted_finishes_as_one_of_the_same_seed(
    tmp_path: Path, bereaved: RunReader
) -> None:
    process = begin(tmp_path)
    path = begun(process, tmp_path, generation=0)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with RunReader.open(path) as run:
        assert run.status() == "interrupted"

    process = resume(tmp_path)
    begun(process, tmp_path, generation=1)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, output
    assert f"resume {path}" in output
    assert "Traceback" not in output

    finish(resume(tmp_path))
    assert find_run("latest", tmp_path) == path
    with RunReader.open(path) as run:
        check_complete(run)
        for one, other in zip(run.candidates(), bereaved.candidates(), strict=True):
            assert one.text == other.text
            assert (one.fitness, one.own_return) == (other.fitness, other.own_return)
            assert one.reflection == other.reflection
        assert run.analyses() == bereaved.analyses()
