"""A fitness gives one number per episode, also after early ends and divergence."""

import math
from pathlib import Path

import pytest
import torch

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import Fitness, Reduce, load_fitness


def fitness(reduce: Reduce, after_end: float = 0.0) -> Fitness:
    return Fitness(lambda: torch.zeros(0), (), reduce, after_end, "")


def of(measure: Fitness, steps: list[float], length: int, diverged: bool) -> float:
    return measure.episode(
        torch.tensor(steps, dtype=torch.float64)[:, None],
        torch.tensor([length]),
        torch.tensor([diverged]),
    ).item()


def test_steps_after_an_early_end_count_as_the_file_says() -> None:
    assert of(fitness("mean", -1.0), [3.0, 3.0, 9.0, 9.0], 2, False) == 1.0


@pytest.mark.parametrize("reduce", ["mean", "sum", "last", "max", "any"])
def test_a_diverged_episode_gains_nothing_from_what_broke_it(reduce: Reduce) -> None:
    measure = fitness(reduce)
    broken = of(measure, [1.0, 1e9, 0.0, 0.0], 2, True)
    assert broken == 0.0
    assert broken <= of(measure, [0.5, 0.5, 0.5, 0.5], 4, False)


def test_a_diverged_episode_is_as_bad_as_its_worst_step_where_that_is_worse() -> None:
    assert of(fitness("mean"), [-4.0, 1e9, 0.0, 0.0], 2, True) == -4.0
    assert of(fitness("mean", -7.0), [-4.0, 1e9, 0.0, 0.0], 2, True) == -7.0


def test_numbers_that_are_not_finite_before_a_divergence_are_no_result() -> None:
    assert of(fitness("mean"), [1.0, math.inf, 0.0, 0.0], 2, True) == 0.0
    assert of(fitness("sum"), [1.0, math.nan, 0.0, 0.0], 2, True) == 0.0


def test_progress_keeps_its_last_value_after_an_early_end(
    tmp_path: Path,
) -> None:
    path = tmp_path / "fitness.py"
    path.write_text(
        'def fitness(x): return x\ndef progress(x):\n    "Place, m."\n    return 2 * x\n'
    )
    progress = load_fitness(path).progress
    assert progress is not None
    assert (progress.parameters, progress.meaning) == (("x",), "Place, m.")
    steps = torch.tensor([[1.0, 1.0], [3.0, 3.0], [math.nan, 5.0]])
    found = progress.episode({"x": steps.flatten()}, torch.tensor([2, 3]))
    assert found.tolist() == pytest.approx([14 / 3, 6.0])


def test_progress_is_optional_and_needs_a_docstring(tmp_path: Path) -> None:
    path = tmp_path / "fitness.py"
    path.write_text("def fitness(x): return x\n")
    assert load_fitness(path).progress is None
    path.write_text("def fitness(x): return x\ndef progress(x): return x\n")
    with pytest.raises(UsageError, match="does not say what it measures"):
        load_fitness(path)


@pytest.mark.parametrize(
    ("text", "boolean", "bounds"),
    [
        ("RANGE = (0, 1)", False, (0.0, 1.0)),
        ("RANGE = [None, 0.5]", False, (None, 0.5)),
        ("REDUCE = 'any'", False, (0.0, 1.0)),
        ("", False, (None, None)),
        ("", True, (0.0, 1.0)),
        ("AFTER_END = -2.0", True, (-2.0, 1.0)),
        ("REDUCE = 'sum'", True, (0.0, 50.0)),
        ("RANGE = (0, 3)\nREDUCE = 'any'", True, (0.0, 3.0)),
    ],
)
def test_the_bounds_of_a_fitness_follow_from_its_file(
    tmp_path: Path, text: str, boolean: bool, bounds: tuple[float | None, float | None]
) -> None:
    path = tmp_path / "fitness.py"
    path.write_text(f"{text}\n\ndef fitness(place): return place\n")
    assert load_fitness(path).bounds(boolean=boolean, steps=50) == bounds


@pytest.mark.parametrize("given", ["1", "(1,)", "(1, 0)", "(0, 'a')", "(0, float('nan'))", "'01'"])
def test_an_invalid_range_is_refused(tmp_path: Path, given: str) -> None:
    path = tmp_path / "fitness.py"
    path.write_text(f"RANGE = {given}\n\ndef fitness(place): return place\n")
    with pytest.raises(UsageError, match="RANGE is") as caught:
        load_fitness(path)
    assert "RANGE = (0, 1)" in str(caught.value.remedy)
