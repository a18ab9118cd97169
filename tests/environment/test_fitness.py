"""A fitness makes one number of an episode, whatever became of it."""

import math

import pytest
import torch

from eureka_agent.environment import Fitness
from eureka_agent.environment.fitness import Reduce


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


def test_numbers_that_overflow_before_the_physics_fails_are_no_result() -> None:
    assert of(fitness("mean"), [1.0, math.inf, 0.0, 0.0], 2, True) == 0.0
    assert of(fitness("sum"), [1.0, math.nan, 0.0, 0.0], 2, True) == 0.0
