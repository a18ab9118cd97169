import numpy as np
import pytest

from eureka_agent.analysis.rewards.comparison import (
    Alarm,
    Opinions,
    alarms,
    opinions,
    rank_by_peers,
)
from eureka_agent.environment.episodes import FloatArray

POLICIES = 12
PROGRAMS = 8
UNKNOWN = float("nan")


@pytest.fixture
def quality() -> FloatArray:
    """Quality of each policy at the task [P]."""
    return np.linspace(-2.0, 2.0, POLICIES)


@pytest.fixture
def bank() -> FloatArray:
    """The programs' rewards for steps that give the scale: mean 0, spread about 1 [M, K]."""
    steps = np.random.default_rng(0).normal(size=(500, PROGRAMS))
    return (steps - steps.mean(axis=0)) / steps.std(axis=0)


@pytest.fixture
def own() -> np.ndarray:
    return np.arange(POLICIES) % PROGRAMS


def honest(quality: FloatArray) -> FloatArray:
    """Programs that see the quality through some noise [P, K]."""
    noise = np.random.default_rng(1).normal(size=(POLICIES, PROGRAMS))
    return quality[:, None] + 0.3 * noise


def test_the_unit_of_a_program_makes_no_difference(
    quality: FloatArray, bank: FloatArray, own: np.ndarray
) -> None:
    means = honest(quality)
    scales, offsets = np.linspace(0.01, 100, PROGRAMS), np.linspace(-5, 5, PROGRAMS)
    plain = opinions(means, own, bank)
    scaled = opinions(means * scales + offsets, own, bank * scales + offsets)
    assert scaled.z == pytest.approx(plain.z)
    assert plain.z == pytest.approx(means)


def test_peers_find_the_order_that_most_of_them_see(
    quality: FloatArray, bank: FloatArray, own: np.ndarray
) -> None:
    means = honest(quality)
    means[:, :2] *= -1  # two of eight ask for the contrary
    ranking = rank_by_peers(opinions(means, own, bank))
    assert np.corrcoef(ranking.rates, quality)[0, 1] > 0.9
    assert set(np.argsort(-ranking.rates)[:4].tolist()) == set(range(POLICIES - 4, POLICIES))


def test_pleasing_the_own_reward_wins_nothing(
    quality: FloatArray, bank: FloatArray, own: np.ndarray
) -> None:
    means = honest(quality)
    before = rank_by_peers(opinions(means, own, bank))
    means[0, own[0]] = 1e6
    after = rank_by_peers(opinions(means, own, bank))
    assert after.rates.tolist() == before.rates.tolist()


def test_an_equal_program_is_no_peer(bank: FloatArray) -> None:
    means = np.zeros((3, PROGRAMS))
    means[0, :2] = 1e6  # the second program equals the first, which policy 0 exploits
    own = np.array([1, 3, 4])
    equals = np.array([0, 0, 2, 3, 4, 5, 6, 7])
    result = opinions(means, own, bank, equals)
    assert result.own.tolist() == [0, 3, 4]
    assert result.own_z[0] == pytest.approx(1e6)
    assert result.peers[0].tolist() == [False, False, True, True, True, True, True, True]
    assert rank_by_peers(result).rates == pytest.approx([0.5, 0.5, 0.5])


def test_two_policies_with_their_own_rewards_alone_are_not_compared() -> None:
    bank = np.array([[0.0, 0.0], [1.0, 1.0]])
    means = np.array([[1.0, 0.0], [0.0, 1.0]])
    ranking = rank_by_peers(opinions(means, np.array([0, 1]), bank))
    assert np.isnan(ranking.rates).all()
    (reason,) = ranking.reasons(["one", "two"])
    assert reason.startswith("The reward of no third program")


def test_missing_cells_leave_the_rest_standing(
    quality: FloatArray, bank: FloatArray, own: np.ndarray
) -> None:
    means = honest(quality)
    means[np.random.default_rng(2).random(means.shape) < 0.3] = np.nan
    means[5] = np.nan
    result = opinions(means, own, bank)
    ranking = rank_by_peers(result)
    known = np.arange(POLICIES) != 5
    assert np.isnan(ranking.rates[5])
    assert np.corrcoef(ranking.rates[known], quality[known])[0, 1] > 0.9
    assert ranking.reasons([f"p{i}" for i in range(POLICIES)])[-1] == "Nothing is known of p5."


def test_degenerate_programs_have_no_opinion(
    quality: FloatArray, bank: FloatArray, own: np.ndarray
) -> None:
    means = honest(quality)
    bank[:, 0] = 3.0
    bank[4, 1] = np.inf
    result = opinions(means, own, bank)
    assert np.isnan(result.z[:, :2]).all()
    assert np.isfinite(result.z[:, 2:]).all()
    assert np.isnan(result.own_z[0])
    assert np.corrcoef(rank_by_peers(result).rates, quality)[0, 1] > 0.9


def test_the_ranking_says_what_it_means(
    quality: FloatArray, bank: FloatArray, own: np.ndarray
) -> None:
    ranking = rank_by_peers(opinions(honest(quality), own, bank))
    best, meaning = ranking.reasons([f"p{i}" for i in range(POLICIES)])
    assert best.startswith(f"p{np.argmax(ranking.rates)} wins")
    assert "a mistake that most of them share does not show" in meaning


def opinions_of_one(own_opinion: float, *peers: float) -> Opinions:
    """One policy that was trained on the first program."""
    return Opinions(np.array([[own_opinion, *peers]]), np.array([0]))


def test_an_own_return_that_rises_while_the_peers_fall_raises_an_alarm() -> None:
    (alarm,) = alarms(opinions_of_one(0.5, 1.0, 1.2, 1.1), opinions_of_one(2.0, 0.1, 1.3, 0.2))
    assert alarm == Alarm(0, (0.5, 2.0), (1.1, 0.2))
    assert alarm.reason("candidate 7") == (
        "candidate 7: its own reward rose from 0.5 to 2 standard deviations while the median of "
        "the other programs' rewards fell from 1.1 to 0.2: it may exploit its reward."
    )


@pytest.mark.parametrize(
    "later",
    [
        opinions_of_one(2.0, 1.5, 1.6, 1.7),  # all like it better
        opinions_of_one(0.4, 0.1, 0.1, 0.1),  # it just got worse
        opinions_of_one(0.55, 0.1, 0.1, 0.1),  # hardly a change of its own
        opinions_of_one(2.0, 0.1, 1.3, 1.2),  # one peer alone objects
        opinions_of_one(2.0, 0.1, 0.2, UNKNOWN),  # too few peers left to ask
        opinions_of_one(UNKNOWN, 0.1, 0.1, 0.1),
    ],
)
def test_anything_less_raises_no_alarm(later: Opinions) -> None:
    assert alarms(opinions_of_one(0.5, 1.0, 1.2, 1.1), later) == []


def test_only_peers_with_an_opinion_both_times_count() -> None:
    earlier = opinions_of_one(0.0, 5.0, 1.0, 1.0, 1.0)
    later = opinions_of_one(1.0, UNKNOWN, 1.0, 1.0, 1.0)
    assert alarms(earlier, later) == []
