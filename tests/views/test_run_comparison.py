"""Runs side by side: differences are shown, and only comparable results are compared."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from eureka_agent.common.errors import UsageError
from eureka_agent.store import Run
from eureka_agent.views.documents import comparison_document
from eureka_agent.views.terminal.run_comparison import comparison_view
from tests.views.conftest import PROGRAM


def finished_run(
    directory: Path, fitness: list[float], environment: str = "cartpole", **config: object
) -> Path:
    """A run of one candidate, trained again once for each fitness."""
    settings = {"generations": 1, "candidates": 1, "steps": 10, **config}
    with Run.create(directory, environment, goal="Up.", seed=0, config=settings) as run:
        run.add_candidate(0, 0, PROGRAM, designer="offline")
        run.set_result(1, fitness=1.0, own_return=1.0, checkpoint_step=10)
        run.set_best(1)
        for seed, value in enumerate(fitness):
            again = run.add_training("winner", seed, steps_total=10, candidate=1)
            run.set_reporting(again.id, value)
        run.set_status("finished")
        return run.path


def drawn(document: dict[str, object], width: int) -> str:
    screen = Console(file=io.StringIO(), width=width)
    screen.print(comparison_view(document, width))
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def test_winners_are_compared_with_intervals(tmp_path: Path) -> None:
    one = finished_run(tmp_path, [1.0, 2.0, 3.0])
    other = finished_run(tmp_path, [11.0, 12.0, 13.0])
    document = comparison_document([one, other])
    assert document["comparable"]
    assert document["warnings"] == []
    first, second = document["against_first"]
    assert first is None
    assert (second["difference"], second["verdict"]) == (10.0, "better")
    assert [run["best"]["fitness"] for run in document["runs"]] == [2.0, 12.0]
    assert document["runs"][0]["best"]["interval"][0] < 1.0
    json.dumps(document, allow_nan=False)
    assert re.search(r"minus that of A +- +\+10\.00 *\n", drawn(document, 80))


def test_only_settings_that_differ_are_shown(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path, [1.0], steps=10), finished_run(tmp_path, [1.0], more=True)]
    settings = comparison_document(runs)["settings"]
    assert settings == {"more": [None, True]}
    assert re.search(r"more +not set +true", drawn(comparison_document(runs), 80))


def test_different_environments_are_not_compared(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path, [1.0, 2.0]), finished_run(tmp_path, [3.0, 4.0], "ant")]
    document = comparison_document(runs)
    assert document["against_first"] == [None, None]
    assert "(cartpole, ant): their fitness does not compare" in document["warnings"][0]
    assert "minus" not in drawn(document, 80)


def test_the_users_own_fitness_is_not_compared_with_another(tmp_path: Path) -> None:
    runs = [finished_run(tmp_path, [1.0, 2.0]), finished_run(tmp_path, [3.0, 4.0])]
    (runs[1] / "fitness.py").write_text("def fitness(up): return up\n")
    document = comparison_document(runs)
    assert not document["comparable"]
    assert document["warnings"] == ["The fitness differs: its values do not compare."]


def test_few_training_runs_are_reported(tmp_path: Path, full_run: Run) -> None:
    document = comparison_document([finished_run(tmp_path, [1.0, 2.0]), full_run.path])
    assert "the fitness of B," in " ".join(document["warnings"])


def test_a_run_in_which_nothing_has_happened_can_stand_beside(tmp_path: Path, new_run: Run) -> None:
    document = comparison_document([new_run.path, finished_run(tmp_path, [1.0, 2.0])])
    assert document["runs"][0]["best"]["candidate"] is None
    assert drawn(document, 80)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_many_runs_stay_within_the_width(tmp_path: Path, full_run: Run, width: int) -> None:
    runs = [finished_run(tmp_path, [float(i), i + 0.5]) for i in range(7)]
    text = drawn(comparison_document([*runs, full_run.path]), width)
    assert max(map(len, text.splitlines())) <= width
    for letter in "ABCDEFGH":
        assert re.search(rf"^ .* {letter}\b", text, re.MULTILINE), letter


def test_one_run_and_the_same_run_twice_are_refused(new_run: Run) -> None:
    with pytest.raises(UsageError, match="1 runs were named"):
        comparison_document([new_run.path])
    with pytest.raises(UsageError, match="named twice"):
        comparison_document([new_run.path, new_run.path])
