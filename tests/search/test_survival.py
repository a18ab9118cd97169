"""Whoever is killed, whenever: the search finishes with every candidate exactly once."""

import os
import signal
import time
from pathlib import Path

import pytest
from support import TINY, command, processes_of, start, tiny_search

from eureka_agent.store import RunReader, find_run

GENERATIONS = 2
PATIENCE_S = 300.0
WORKER, JUDGE = "eureka_agent.sandbox.worker", "eureka_agent.judge"


def begun(tmp_path: Path):
    """A search in a process of its own, with its run folder, once a candidate is training."""
    process = start(tiny_search(tmp_path, f"--generations={GENERATIONS}", "--set=retrainings=0"))
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        folders = [p for p in tmp_path.glob("cartpole-*") if p.is_dir()]
        if folders:
            with RunReader.open(folders[0]) as run:
                if any(row.state == "training" for row in run.candidates()):
                    return process, folders[0]
        time.sleep(0.05)
    raise AssertionError("the search did not begin")


def until_there(parent: int, module: str, other_than: int = 0) -> int:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = [child for child in processes_of(parent, module) if child != other_than]
        if found:
            return found[0]
        time.sleep(0.02)
    raise AssertionError(f"no process of {module}")


def kill_one(parent: int, module: str) -> int:
    """Kill a child as soon as it is there, before it can have finished its work."""
    while True:
        child = until_there(parent, module)
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            continue
        return child


def check_complete(path: Path) -> None:
    with RunReader.open(path) as run:
        assert run.status() == "finished"
        rows = run.candidates()
        places = [(row.generation, row.slot) for row in rows]
        assert places == [(g, s) for g in range(GENERATIONS) for s in range(TINY["candidates"])]
        assert [row.state for row in rows] == ["finished"] * len(rows), [r.failure for r in rows]
        for training in run.trainings("candidate"):
            assert len(run.evaluations(training.id)) == 1
        assert (path / "best" / "policy.zip").is_file()


@pytest.mark.parametrize("delay", [0.3, 4.0])
def test_a_killed_parent_is_resumed(tmp_path: Path, delay: float) -> None:
    process, path = begun(tmp_path)
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with RunReader.open(path) as run:
        assert run.status() == "interrupted"
    resumed = start(command("resume", "latest", "--plain", f"--runs={tmp_path}"))
    output, _ = resumed.communicate(timeout=PATIENCE_S)
    assert resumed.returncode == 0, output
    check_complete(find_run("latest", tmp_path))


@pytest.mark.parametrize("module", [WORKER, JUDGE])
def test_a_killed_child_is_replaced(tmp_path: Path, module: str) -> None:
    process, path = begun(tmp_path)
    killed = kill_one(process.pid, module)
    # There is more to do than it had done: a second one must come.
    assert until_there(process.pid, module, other_than=killed)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, output
    check_complete(path)
    if module == WORKER:
        with RunReader.open(path) as run:
            assert any("SIGKILL" in event.text for event in run.events() if event.kind == "worker")


def test_a_finished_run_is_resumed_at_once(finished: RunReader) -> None:
    before = [row.finished for row in finished.candidates()]
    done = start(command("resume", str(finished.path), "--plain"))
    output, _ = done.communicate(timeout=PATIENCE_S)
    assert done.returncode == 0, output
    assert [row.finished for row in finished.candidates()] == before


def test_an_interrupted_search_says_how_to_go_on(tmp_path: Path) -> None:
    process, path = begun(tmp_path)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert f"resume {path}" in output
    assert "Traceback" not in output
