"""Differences and scores: known numbers, and silence where the data say nothing."""

import math

import pytest

from eureka_agent.common.statistics import (
    compare,
    estimate,
    human_normalised,
    score_interval,
    t_quantile,
)

HUMAN, BARE = estimate([9.0, 10.0, 11.0]), estimate([0.0, 0.1, 0.2])


@pytest.mark.parametrize("degrees", [1.5, 2.3, 4.7, 9.9])
def test_t_quantiles_fall_between_whole_degrees(degrees: float) -> None:
    whole = math.floor(degrees)
    assert t_quantile(whole + 1) < t_quantile(degrees) < t_quantile(whole)
    assert t_quantile(1 - 1e-12) == t_quantile(1)


def test_welch_gives_the_interval_of_the_textbook() -> None:
    found = compare(estimate([1.0, 2.0, 3.0]), estimate([4.0, 6.0, 8.0, 10.0]))
    # Squared errors 1/3 and 5/3: 4.0755 degrees of freedom, with a quantile of 2.757.
    assert found.difference == -5.0
    assert found.interval == pytest.approx((-5 - 2.757 * 2**0.5, -5 + 2.757 * 2**0.5), abs=2e-3)
    assert found.verdict == "worse"


def test_only_an_interval_near_0_is_a_tie_and_a_wide_one_says_nothing() -> None:
    few, same = estimate([5.0, 6.0, 7.0]), estimate([4.0, 7.0, 9.0])
    assert compare(few, estimate([1.0, 2.0, 2.0])).verdict == "better"
    assert compare(few, same).verdict == "unknown"
    assert compare(estimate([5.0, 5.0]), estimate([5.0, 5.0])).verdict == "tie"
    near, next_to_it = estimate([50.0, 50.1, 50.2]), estimate([50.0, 50.2, 50.1])
    assert compare(near, next_to_it).verdict == "tie"
    assert compare(near, next_to_it, floor=49.9).verdict == "unknown", "it is all of their gain"
    zeros = estimate([0.0, 0.0])
    assert compare(zeros, zeros).verdict == "tie"


def test_an_interval_holds_only_possible_values() -> None:
    share = estimate([0.2, 0.9, 0.6], bounds=(0.0, 1.0))
    assert share.interval == (0.0, 1.0)
    assert estimate([-0.2, -0.9, -0.6], bounds=(None, 0.0)).interval[1] == 0.0  # type: ignore[index]
    assert estimate([0.2, 0.9, 1.6], bounds=(0.0, 1.0)).interval[1] > 1.6  # type: ignore[index]
    other = estimate([0.0, 0.0, 0.1], bounds=(0.0, 1.0))
    low, high = compare(share, other).interval or (None, None)
    assert low is not None and high is not None and -1.0 <= low < high <= 1.0
    assert compare(estimate([5.0, 5.0]), estimate([4.0, 4.0])).interval == (1.0, 1.0)


def test_one_training_run_decides_nothing() -> None:
    one = compare(estimate([5.0]), HUMAN)
    assert (one.difference, one.interval, one.verdict) == (-5.0, None, "unknown")
    assert compare(estimate([]), HUMAN).difference is None


def test_the_score_is_the_way_from_bare_to_human() -> None:
    halfway = human_normalised(estimate([5.0, 5.1, 5.2]), HUMAN, BARE)
    assert halfway.value == pytest.approx(5.0 / 9.9)
    assert halfway.interval is not None
    low, high = halfway.interval
    # Human and bare vary by up to 1.1 about 9.9, the winner by 0.2 about 5.
    assert 5.0 / 11.0 < low < 5.0 / 9.9 < high < 5.2 / 8.8
    assert halfway.reason == ""


def test_the_interval_repeats_and_narrows_with_the_spread() -> None:
    winner = estimate([8.0, 9.0, 13.0])
    assert human_normalised(winner, HUMAN, BARE) == human_normalised(winner, HUMAN, BARE)
    exact = human_normalised(estimate([4.0] * 3), estimate([2.0] * 2), estimate([1.0] * 2))
    assert (exact.value, exact.interval) == (3.0, (3.0, 3.0))


def test_a_human_reward_that_is_no_better_than_the_bare_fitness_gives_no_score() -> None:
    winner = estimate([10.0, 10.0])
    below = human_normalised(winner, BARE, estimate([5.0, 5.1]))
    assert (below.value, below.reason) == (
        None,
        "the human reward does worse than the bare fitness",
    )
    exact = estimate([5.0, 5.0])
    assert "is as good as" in human_normalised(winner, exact, exact).reason


@pytest.mark.parametrize(
    ("winner", "human", "bare", "reason"),
    [
        ([1.0, 2.0], [9.0, 12.0, 8.0], [8.0, 10.0, 12.0], "too few training runs to distinguish"),
        ([1.0, 2.0], [], [1.0, 2.0], "the human reward has no result"),
        ([1.0, 2.0], [1.0, 2.0], [1.0], "the bare fitness has one result"),
        ([], [9.0, 9.1], [1.0, 1.1], "the winner has no result"),
    ],
)
def test_without_a_sound_scale_there_is_no_score(
    winner: list[float], human: list[float], bare: list[float], reason: str
) -> None:
    score = human_normalised(estimate(winner), estimate(human), estimate(bare))
    assert score.value is None
    assert score.interval is None
    assert reason in score.reason


def test_draws_without_a_distance_count_as_infinite_and_may_leave_no_interval() -> None:
    # All human draws are at the bare fitness in one of 4 cases, then in one of 256.
    assert score_interval([5.0, 6.0], [0.0, 1.0], [0.0, 0.0]) is None
    interval = score_interval([5.0, 6.0], [0.0, 1.0, 1.0, 1.0], [0.0, 0.0])
    assert interval == (5.0, pytest.approx(22.0))
    assert score_interval([0.0, 0.0], [0.0, 1.0], [0.0, 0.0]) == (0.0, 0.0)
