from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from eureka_agent.analysis.trajectories.episodes import kendall_tau
from eureka_agent.analysis.trajectories.failures import EXPLOIT
from eureka_agent.common.errors import UsageError
from eureka_agent.critic.examination import (
    UNKNOWN,
    ContrastResult,
    Examination,
    contrast_result,
    examine,
    returns,
    stakes,
)
from eureka_agent.environment.contrasts import (
    GOOD,
    Contrast,
    Expectation,
    Recorded,
    frozen,
    harder,
    mirrored,
)
from eureka_agent.environment.episodes import Episodes, FloatArray
from eureka_agent.environment.episodes import EvaluatedEpisodes as Cases

HORIZON = 50
DISCOUNT = 0.98
EACH = 8
KINDS = (GOOD, "fell", "idle", "wrong way")
UNMEASURED = np.full(len(KINDS) * EACH, np.nan)
"""The fitness of all episodes where nothing measures the task."""
SPEED = {GOOD: 2.0, "fell": 1.5, "idle": 0.0, "wrong way": -2.0}
FALL = 12
"""Step at which the fallen ones lie."""


@pytest.fixture
def cases() -> Cases:
    """Eight episodes of each kind; the fitness is the distance covered."""
    kinds = tuple(kind for kind in KINDS for _ in range(EACH))
    fell = np.array([kind == "fell" for kind in kinds])
    lengths = np.where(fell, FALL, HORIZON)
    return labelled(kinds, lengths, fell, speeds(kinds).mean(axis=0) * lengths)


def labelled(
    labels: Sequence[str],
    lengths: np.ndarray,
    terminated: np.ndarray,
    fitness: np.ndarray | None = None,
    limit: int = HORIZON,
) -> Cases:
    """Episodes without signals or actions, of an unknown fitness if none is given."""
    count = len(labels)
    steps = {
        "states": np.zeros((limit + 1, count, 0)),
        "actions": np.zeros((limit, count, 0)),
        "lengths": lengths,
        "terminated": terminated,
    }
    return Cases(
        np.full(count, np.nan) if fitness is None else fitness,
        np.zeros(count, dtype=np.bool_),
        Episodes.from_arrays(steps),
        labels=tuple(labels),
    )


@pytest.fixture
def speed(cases: Cases) -> FloatArray:
    """Speed of each step [L, E]."""
    return speeds(cases.labels)


def speeds(kinds: Sequence[str]) -> FloatArray:
    noise = np.random.default_rng(0).normal(size=(HORIZON, len(kinds)))
    return np.array([SPEED[kind] for kind in kinds]) + 0.2 * noise


def nothing_known(cases: Cases) -> Cases:
    return replace(cases, labels=(UNKNOWN,) * cases.count, fitness=UNMEASURED[: cases.count])


def test_a_return_is_discounted_up_to_an_end_and_then_nothing() -> None:
    cases = labelled((UNKNOWN, UNKNOWN), np.array([2, 3]), np.array([True, False]), limit=3)
    rewards = np.array([[1.0, 1.0], [1.0, 1.0], [np.nan, 1.0]])
    assert returns(rewards, cases, 0.5).tolist() == [1.5, 1.75]


def test_the_return_of_an_episode_that_was_cut_off_is_not_known() -> None:
    cases = labelled((UNKNOWN, UNKNOWN), np.array([2, 3]), np.array([False, False]), limit=3)
    assert np.isnan(returns(np.ones((3, 2)), cases, 0.5)).tolist() == [True, False]


def test_a_sound_reward_passes_with_a_high_score(cases: Cases, speed: FloatArray) -> None:
    result = examine(speed + 1.0, cases, DISCOUNT)
    assert not result.refused
    assert not result.suspect
    assert result.score > 0.9
    assert result.tau is not None and result.tau > 0.6
    assert [(s.kind, s.pairs, s.above_all) for s in result.standings] == [
        ("all failures", 1.0, 1.0),
        ("fell", 1.0, 1.0),
        ("idle", 1.0, 1.0),
        ("wrong way", 1.0, 1.0),
    ]


def test_the_contrary_of_the_task_is_refused(cases: Cases, speed: FloatArray) -> None:
    result = examine(-speed, cases, DISCOUNT)
    assert result.refused
    assert "asks for the contrary of the task" in result.objections[0]
    assert result.score < 0.2


def test_without_a_fitness_the_contrary_is_only_suspect(cases: Cases, speed: FloatArray) -> None:
    result = examine(-speed, replace(cases, fitness=UNMEASURED), DISCOUNT)
    assert not result.refused
    assert result.suspect


def test_without_good_episodes_the_contrary_is_only_suspect(
    cases: Cases, speed: FloatArray
) -> None:
    unknown = replace(cases, labels=(UNKNOWN,) * len(cases.labels))
    result = examine(-speed, unknown, DISCOUNT)
    assert not result.refused
    assert "though no good episodes are known yet" in result.objections[0]
    slightly = replace(result, tau=-0.3, living=None)
    assert not slightly.suspect


def test_random_episodes_may_be_bad_to_live_but_not_all(cases: Cases, speed: FloatArray) -> None:
    unknown = nothing_known(cases)
    few_pay = examine(speed - 1.9, unknown, DISCOUNT).living
    none_pays = examine(speed - 4.0, unknown, DISCOUNT).living
    assert few_pay is not None and few_pay.passed and few_pay.share < 0.5
    assert none_pays is not None and not none_pays.passed


def test_too_few_random_episodes_say_nothing_of_living(cases: Cases, speed: FloatArray) -> None:
    few = cases.labelled("fell")
    fallen = nothing_known(cases.part(few))
    assert fallen.count < 10
    assert examine(speed[:, few] - 4.0, fallen, DISCOUNT).living is None


def test_numbers_that_are_not_finite_are_refused(cases: Cases, speed: FloatArray) -> None:
    speed[3, 5] = np.nan
    result = examine(speed, cases, DISCOUNT)
    assert result.refused
    assert result.score == 0
    assert result.objections == ["It pays numbers that are not finite for some recorded steps."]


def test_steps_beyond_an_end_are_ignored(cases: Cases, speed: FloatArray) -> None:
    expected = examine(speed, cases, DISCOUNT)
    speed[FALL:, cases.labelled("fell")] = np.nan
    assert examine(speed, cases, DISCOUNT) == expected


def test_a_constant_is_refused_only_where_good_and_failed_episodes_are_known(
    cases: Cases, speed: FloatArray
) -> None:
    whole = np.full_like(cases.lengths, HORIZON)
    lived = labelled(cases.labels, whole, cases.terminated & False, cases.fitness)
    nothing = np.zeros_like(speed)
    assert examine(nothing, lived, DISCOUNT).refused
    assert not examine(nothing, replace(lived, labels=(GOOD,) * len(lived.labels)), 0.9).refused
    assert not examine(nothing, nothing_known(lived), DISCOUNT).refused


def test_each_way_to_fail_that_pays_is_named(cases: Cases, speed: FloatArray) -> None:
    result = examine(np.abs(speed), cases, DISCOUNT)
    assert result.suspect
    assert not result.refused
    by_kind = {standing.kind: standing for standing in result.standings}
    assert by_kind["wrong way"].above_all < 1.0
    idle = examine(1.0 - np.abs(speed), replace(cases, fitness=UNMEASURED), DISCOUNT)
    assert any("idle (8) in 0% of pairs" in reason for reason in idle.objections)


def test_dying_that_pays_is_found_with_and_without_good_episodes(
    cases: Cases, speed: FloatArray
) -> None:
    paid = speed - 4.0
    result = examine(paid, cases, DISCOUNT)
    assert result.living is not None and result.living.good
    assert not result.living.passed
    assert any("ending at once pays more" in reason for reason in result.objections)
    unknown = examine(paid, nothing_known(cases), DISCOUNT)
    assert unknown.living is not None and not unknown.living.good
    assert unknown.suspect


def test_a_price_on_falling_that_is_high_enough_makes_living_pay(
    cases: Cases, speed: FloatArray
) -> None:
    paid = speed - 4.0
    paid[FALL - 1, cases.labelled("fell")] -= 1000.0
    result = examine(paid, cases, DISCOUNT)
    assert result.living is not None and result.living.passed


def test_an_exploit_that_outranks_good_episodes_is_an_objection(
    cases: Cases, speed: FloatArray
) -> None:
    kinds = tuple(EXPLOIT if kind == "wrong way" else kind for kind in cases.labels)
    archived = replace(cases, labels=kinds, fitness=UNMEASURED)
    assert examine(speed, archived, DISCOUNT).exploits == 1.0
    exploited = examine(speed.clip(max=1.0) ** 2, archived, DISCOUNT)
    assert exploited.exploits == 0.0
    assert exploited.suspect
    assert "0% of the archived exploits earn less than a good episode." in exploited.objections


def test_a_program_without_evidence_passes(cases: Cases, speed: FloatArray) -> None:
    nothing = (UNKNOWN,) * cases.count
    lived = labelled(nothing, cases.lengths, cases.terminated & False)
    result = examine(-speed, lived, DISCOUNT)
    assert not result.refused
    assert not result.suspect
    assert result.score == 0.5
    assert result.tau is result.living is result.exploits is None
    assert result.standings == ()


def test_the_rank_correlation_allows_for_ties_and_unknown_values() -> None:
    first = np.arange(30.0)
    assert kendall_tau(first, first**3) == pytest.approx(1.0)
    assert kendall_tau(first, -first) == pytest.approx(-1.0)
    holes = first.copy()
    holes[::7] = np.nan
    assert kendall_tau(first, holes) == pytest.approx(1.0)
    # Of 24 places in two halves, all 144 pairs across agree; 276 pairs are apart in the first.
    halves = np.repeat([0.0, 1.0], 12)
    assert kendall_tau(np.arange(24.0), halves) == pytest.approx((144 / 276) ** 0.5)


def test_too_few_episodes_or_no_difference_give_no_rank_correlation() -> None:
    few = np.arange(19.0)
    assert kendall_tau(few, few) is None
    assert kendall_tau(np.arange(30.0), np.ones(30)) is None


def recording() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "velocity": generator.normal(size=(6, 3, 2)),
        "height": generator.normal(size=(6, 3)),
        "action": generator.uniform(-1, 1, size=(5, 3, 4)),
    }


def test_changes_turn_freeze_and_harden_a_recording_and_leave_it_as_it_was() -> None:
    recorded = recording()
    turned = mirrored({"velocity": [0], "height": None})(recorded)
    assert np.array_equal(turned["velocity"][..., 0], -recorded["velocity"][..., 0])
    assert np.array_equal(turned["velocity"][..., 1], recorded["velocity"][..., 1])
    assert np.array_equal(turned["height"], -recorded["height"])
    still = frozen(["velocity"])(recorded)
    assert not still["velocity"].any()
    assert not still["action"].any()
    assert np.array_equal(still["height"][5], recorded["height"][0])
    strained = harder(2.0)(recorded)
    assert np.abs(strained["action"]).max() == 1.0
    assert all(np.array_equal(v, recording()[n]) for n, v in recorded.items())


def test_a_signal_without_columns_has_none_to_mirror() -> None:
    with pytest.raises(UsageError, match='"height" has no columns'):
        mirrored({"height": [0]})(recording())


def forward(recorded: Recorded) -> FloatArray:
    """Returns of a reward for forward speed [E]."""
    return recorded["velocity"][1:, :, 0].sum(axis=0)


def test_a_reward_must_move_as_a_contrast_declares() -> None:
    recorded = recording()
    recorded["velocity"][..., 0] = np.abs(recorded["velocity"][..., 0])
    change = mirrored({"velocity": [0]})
    contrast = Contrast("mirrored", "runs that go backward", "less", change=change)
    paid, turned = forward(recorded), forward(change(recorded))
    right, wrong = (
        contrast_result(contrast, paid, turned),
        contrast_result(contrast, -paid, -turned),
    )
    assert right.passed
    assert (
        right.reason
        == "mirrored: runs that go backward must earn less, and do on 100% of 3 episodes."
    )
    assert not wrong.passed
    result = Examination(finite=True, constant=False, contrasts=(wrong,))
    assert result.suspect
    assert result.score == 0.0
    assert result.objections == [wrong.reason]


@pytest.mark.parametrize(
    ("expect", "others", "passed"),
    [
        ("less", 0.9, True),
        ("less", 1.0, False),
        ("more", 1.0, False),
        ("more", 1.1, True),
        ("no more", 1.0, True),
        ("no more", 1.1, False),
        ("no less", 1.0, True),
        ("no less", 0.9, False),
    ],
)
def test_an_equal_return_is_neither_less_nor_more(
    expect: Expectation, others: float, passed: bool
) -> None:
    contrast = Contrast("doubled", "the same with more effort", expect, change=harder())
    rounding = np.array([1.0, 1.0 + 1e-9, 1.0 - 1e-9])
    assert contrast_result(contrast, np.ones(3), others * rounding).passed is passed


def test_a_move_that_is_small_beside_the_stakes_is_none() -> None:
    change = mirrored({"velocity": [0]})
    less = Contrast("mirrored", "runs that go backward", "less", change=change)
    no_more = Contrast("harder", "the same with more effort", "no more", change=harder())
    first = np.full(4, 100.0)
    for gain, moved in ((-6.0, True), (-4.0, False)):
        assert contrast_result(less, first, first + gain, 100.0).passed is moved
    assert contrast_result(no_more, first, first + 4.0, 100.0).passed
    assert not contrast_result(no_more, first, first + 6.0, 100.0).passed


def test_the_stakes_are_the_lead_of_good_episodes_over_failed_ones(cases: Cases) -> None:
    paid = np.select([np.array(cases.labels) == kind for kind in KINDS], [9.0, 2.0, 1.0, -5.0])
    assert stakes(paid, cases) == 8.0
    assert stakes(paid, nothing_known(cases)) == 0.0


def test_a_program_that_moves_the_wrong_way_under_most_contrasts_is_refused() -> None:
    change = mirrored({"velocity": [0]})
    less = Contrast("mirrored", "runs that go backward", "less", change=change)
    more = Contrast("carried", "robots that get on", "more", change=change)
    ones, rest = np.ones(4), np.zeros(4)
    wrong = (contrast_result(less, rest, ones), contrast_result(more, ones, rest))
    right, idle = contrast_result(less, ones, rest), contrast_result(less, ones, ones)

    def refused(*results: ContrastResult) -> bool:
        return Examination(finite=True, constant=False, contrasts=results).refused

    assert refused(*wrong)
    assert refused(*wrong, right)
    assert not refused(*wrong, right, right)
    assert not refused(wrong[0])  # one alone is too little to go by
    assert not refused(idle, idle)


def test_on_imagined_good_episodes_the_order_of_the_others_refuses_nothing(
    cases: Cases, speed: FloatArray
) -> None:
    result = examine(-speed, cases, DISCOUNT, imagined=True)
    assert not result.refused
    assert result.suspect
    assert "though no good episodes are known yet" in result.objections[0]


def test_another_kind_of_episodes_is_compared_in_pairs() -> None:
    contrast = Contrast("direction", "runs that go backward", "less", other="wrong way")
    result = contrast_result(contrast, np.array([1.0, 2.0]), np.array([0.0, 1.5, np.nan]))
    assert (result.share, result.count) == (0.75, 4)
    assert not result.passed


def test_a_contrast_without_episodes_passes() -> None:
    contrast = Contrast("direction", "runs that go backward", "less", other="wrong way")
    result = contrast_result(contrast, np.array([]), np.array([1.0]))
    assert result.passed
    assert result.count == 0
    assert Examination(finite=True, constant=False, contrasts=(result,)).score == 0.5


def test_a_contrast_names_one_thing_to_compare_with() -> None:
    with pytest.raises(UsageError, match="neither or both"):
        Contrast("nothing", "nothing", "less")
    contrast = Contrast("doubled", "the same with more effort", "no more", change=harder())
    with pytest.raises(UsageError, match="keep the episodes"):
        contrast_result(contrast, np.ones(3), np.ones(2))
