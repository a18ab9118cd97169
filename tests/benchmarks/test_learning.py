"""The comparison of trainers: its cells are kept, and its sums are right."""

import importlib
import json
import statistics
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("learning")


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("learning_report")


def tiny(out: Path, trainer: str, environment: str, seeds: list[int], steps: int) -> Namespace:
    return Namespace(
        out=out, only=[trainer], environments=[environment], seeds=seeds, steps=steps, episodes=1
    )


def cell(trainer: str, environment: str, seed: int, last: float, version: str) -> dict[str, Any]:
    return {
        "trainer": trainer,
        "environment": environment,
        "seed": seed,
        "version": version,
        "points": [250, 500, 750, 1000],
        "returns": [last * part / 4 for part in range(1, 5)],
        "fitness": [0.0, 0.0, 0.0, 1.0],
        "lengths": [1.0] * 4,
        "seconds": 1.0,
    }


def test_trained_cells_are_kept_and_reported(
    tmp_path: Path, benchmark: ModuleType, tables: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = tiny(tmp_path, "population", "half_cheetah", [0, 1], 100)
    benchmark.run_cells(wanted)
    assert "seed 1" in capsys.readouterr().out
    files = sorted(tmp_path.iterdir())
    assert [file.stem for file in files] == [f"population-half_cheetah-{seed}" for seed in (0, 1)]
    found = json.loads(files[1].read_text())
    assert (found["environment"], found["seed"]) == ("half_cheetah", 1)
    assert len(found["points"]) == len(found["returns"]) == len(found["fitness"]) == 1
    benchmark.run_cells(wanted)
    assert capsys.readouterr().out == ""
    assert "| half_cheetah | population |" in tables.report(tmp_path)


def test_a_cell_that_somebody_else_trains_is_left_to_them(
    tmp_path: Path, benchmark: ModuleType
) -> None:
    files = [tmp_path / "sb3-hopper-0.json"]
    with benchmark.claimed(files) as ours, benchmark.claimed(files) as again:
        assert (ours, again) == (True, False)
    with benchmark.claimed(files) as ours:
        assert ours
        benchmark.write(files[0], {})
    with benchmark.claimed(files) as ours:
        assert not ours
    assert list(tmp_path.iterdir()) == files


def test_the_peer_is_trained_on_the_same_task(tmp_path: Path, benchmark: ModuleType) -> None:
    pytest.importorskip("imageio", reason="Gymnasium's MuJoCo environments import it")
    benchmark.run_cells(tiny(tmp_path, "sb3", "hopper", [0], 100))
    (file,) = tmp_path.iterdir()
    found = json.loads(file.read_text())
    assert found["points"] == [512]
    assert np.isfinite(found["returns"]).all()


def test_a_difference_is_relative_and_its_interval_covers_it(tables: ModuleType) -> None:
    """The interval holds the true ratio of two means in about 95 % of repetitions."""
    noise = np.random.default_rng(0)
    inside = 0
    for _ in range(1000):
        one, other = noise.normal(90, 15, 8), noise.normal(100, 25, 8)
        low, high = tables.relative(list(one), list(other)).interval()
        inside += low <= -0.1 <= high
    assert 920 <= inside <= 985
    assert tables.relative([90.0, 90.0], [100.0, 100.0]).interval() == pytest.approx((-0.1, -0.1))
    assert tables.relative([-90.0, -90.0], [-100.0, -100.0]).value == pytest.approx(0.1)


def test_pooling_means_the_differences_and_narrows_the_interval(tables: ModuleType) -> None:
    groups = [([90.0, 100.0, 95.0], [100.0, 110.0, 90.0]), ([2.0, 3.0, 2.5], [2.0, 2.2, 2.4])]
    parts = [tables.relative(*group) for group in groups]
    both = tables.pooled(parts)
    assert both.value == pytest.approx(statistics.fmean(part.value for part in parts))
    widths = [np.diff(part.interval())[0] for part in (*parts, both)]
    assert widths[2] < max(widths[:2])


def test_the_report_says_what_differs_and_what_must_be_measured_again(
    tmp_path: Path, tables: ModuleType
) -> None:
    for environment in ("ant", "hopper"):
        for seed in range(3):
            for trainer, last in (("population", 120.0 + seed), ("sb3", 100.0 + seed)):
                version = "b" if (environment, seed) == ("ant", 2) else "a"
                content = cell(trainer, environment, seed, last, version)
                file = tmp_path / f"{trainer}-{environment}-{seed}.json"
                file.write_text(json.dumps(content))
    text = tables.report(tmp_path)
    assert "| ant | population | 1,000 | 3 | 30.25 ±" in text
    assert text.count("+19.8%") == 3  # each environment, and both together
    assert "Cells of ant" in text and "Cells of hopper" not in text


def test_a_report_of_nothing_says_so(tmp_path: Path, tables: ModuleType) -> None:
    assert "no results" in tables.report(tmp_path)
