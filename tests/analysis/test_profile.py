"""The plan of a sweep, and the description of a program's rewards over it."""

import numpy as np
import pytest

from eureka_agent.analysis.rewards.profile import (
    HEADING,
    RewardProfile,
    curve_shape,
    read_spreads,
    read_view,
)
from eureka_agent.analysis.rewards.sweeps import Arguments, Swept, plan, propose, typical_row
from eureka_agent.reward import Signal

SIGNALS = (
    Signal("speed", None, "m/s", "forward speed", "velocity"),
    Signal("place", 2, "m", "where it is", "position", ("forward (x)", "up (z)")),
    Signal("torso_up", 3, "1", "its up axis", "orientation", ("x", "y", "z")),
)
GRID = np.linspace(-2.0, 2.0, 41)


def row(**values: object) -> dict[str, np.ndarray]:
    """One row of arguments."""
    return {name: np.array([value], dtype=np.float32) for name, value in values.items()}


def bank(rows: int = 400) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        "speed": generator.normal(1.0, 1.0, rows),
        "prev_speed": generator.normal(1.0, 1.0, rows),
        "place": generator.normal(size=(rows, 2)),
        "action": generator.uniform(-1.0, 1.0, (rows, 2)),
        "terminated": np.zeros(rows, dtype=np.bool_),
    }


def test_the_quantities_that_the_reward_goes_with_are_proposed_first() -> None:
    arguments = bank()
    rewards = np.exp(-np.square(arguments["speed"])) + 0.3 * arguments["action"][:, 1]
    first, second = propose(SIGNALS, arguments, rewards)
    assert (first.name, first.unit) == ("speed", "m/s")
    assert second.name == "action[:, 1]"
    assert first.low == pytest.approx(np.quantile(arguments["speed"], 0.01))
    assert first.high == pytest.approx(np.quantile(arguments["speed"], 0.99))


def test_a_constant_quantity_is_not_proposed() -> None:
    arguments = {"speed": np.ones(50), "place": np.zeros((50, 2))}
    assert propose(SIGNALS, arguments, np.arange(50.0)) == []


def test_the_typical_row_is_one_that_was_lived() -> None:
    arguments: Arguments = {"speed": np.array([0.0, 1.0, 9.0]), "place": np.zeros((3, 2))}
    typical = typical_row(arguments)
    assert typical["speed"].tolist() == [1.0]
    assert typical["place"].shape == (1, 2)


def test_a_sweep_changes_only_the_swept_quantity() -> None:
    reference = row(speed=0.5, place=[1.0, 2.0], action=[0.1, 0.2], time_left=0.5)
    sweep = plan(SIGNALS, reference, [Swept("place", 1, -1.0, 3.0)], points=5)
    assert sweep.arguments["place"][:, 1].tolist() == [-1.0, 0.0, 1.0, 2.0, 3.0]
    assert (sweep.arguments["place"][:, 0] == 1.0).all()
    assert (sweep.arguments["speed"] == 0.5).all()
    assert all(len(value) == 5 for value in sweep.arguments.values())
    assert {n: v.dtype for n, v in sweep.arguments.items()} == {
        n: v.dtype for n, v in reference.items()
    }
    assert reference["place"].tolist() == [[1.0, 2.0]]


def test_two_quantities_span_a_grid_whose_second_changes_fastest() -> None:
    swept = [Swept("speed", None, 0.0, 2.0), Swept("place", 0, 5.0, 6.0)]
    sweep = plan(SIGNALS, row(speed=0.5, place=[1.0, 2.0]), swept, points=3)
    paid = sweep.shaped(sweep.arguments["speed"] * 10 + sweep.arguments["place"][:, 0])
    assert paid.tolist() == [[5.0, 5.5, 6.0], [15.0, 15.5, 16.0], [25.0, 25.5, 26.0]]


def test_the_past_moves_along() -> None:
    reference = row(speed=1.0, prev_speed=0.8, start_speed=0.0, max_speed=1.0, min_speed=-0.5)
    moved = plan(SIGNALS, reference, [Swept("speed", None, -2.0, 2.0)], points=5).arguments
    assert moved["speed"] - moved["prev_speed"] == pytest.approx(0.2)
    assert (moved["start_speed"] == 0.0).all()
    assert (moved["max_speed"] == np.maximum(moved["speed"], moved["prev_speed"])).all()
    assert moved["min_speed"] == pytest.approx([-2.2, -1.2, -0.5, -0.5, -0.5])


def test_an_earlier_high_is_kept_and_the_last_action_stays() -> None:
    reference = row(speed=1.0, max_speed=1.5, action=[0.5], prev_action=[-0.5])
    speeds = plan(SIGNALS, reference, [Swept("speed", None, 0.0, 2.0)], points=3).arguments
    assert speeds["max_speed"].tolist() == [1.5, 1.5, 2.0]
    actions = plan(SIGNALS, reference, [Swept("action", 0, -1.0, 1.0)], points=3).arguments
    assert (actions["prev_action"] == -0.5).all()


def test_the_change_over_a_step_can_be_swept_instead() -> None:
    arguments = {"place": np.random.default_rng(0).normal(size=(400, 2))}
    arguments["prev_place"] = arguments["place"] - np.random.default_rng(1).normal(size=(400, 2))
    paid = arguments["place"][:, 0] - arguments["prev_place"][:, 0]
    (first,) = propose(SIGNALS, arguments, paid, most=1)
    assert first.name == "place[:, 0] - prev_place[:, 0]"
    reference = row(place=[5.0, 1.0], prev_place=[4.0, 1.0], max_place=[5.0, 1.0])
    moved = plan(SIGNALS, reference, [Swept("place", 0, -1.0, 1.0, change=True)], 3).arguments
    assert moved["place"].tolist() == [[3.0, 1.0], [4.0, 1.0], [5.0, 1.0]]
    assert (moved["prev_place"] == reference["prev_place"]).all()
    assert moved["max_place"][:, 0].tolist() == [4.0, 4.0, 5.0]


def test_a_direction_keeps_its_length() -> None:
    reference = row(torso_up=[0.0, 0.0, 1.0], prev_torso_up=[0.0, 0.6, 0.8])
    moved = plan(SIGNALS, reference, [Swept("torso_up", 2, -1.0, 1.0)], points=9).arguments
    assert moved["torso_up"][:, 2] == pytest.approx(np.linspace(-1.0, 1.0, 9))
    for name in ("torso_up", "prev_torso_up"):
        assert np.linalg.norm(moved[name], axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("values", "trend"),
    [
        (GRID, "rises"),
        (-np.exp(GRID), "falls"),
        (np.ones(41), "stays the same"),
        (-np.abs(GRID - 1.0), "has a peak"),
        (np.square(GRID), "has a dip"),
        (np.sin(4.0 * GRID), "goes up and down"),
        (np.clip(GRID, -1.0, 1.0), "rises"),
    ],
)
def test_trends_are_read(values: np.ndarray, trend: str) -> None:
    assert curve_shape([GRID], values).trends == (trend,)


def test_a_view_says_where_the_maximum_is_and_whether_it_is_at_an_end() -> None:
    inside = curve_shape([GRID], -np.abs(GRID - 1.0))
    assert inside.best == pytest.approx((1.0,))
    assert not inside.at_edge
    assert curve_shape([GRID], GRID).at_edge
    assert not curve_shape([GRID], np.ones(41)).at_edge


def test_the_flat_share_does_not_depend_on_the_scale() -> None:
    clipped = np.clip(GRID, -1.0, 1.0)
    assert curve_shape([GRID], clipped).flat == pytest.approx(0.5, abs=0.05)
    assert curve_shape([GRID], 1e6 * clipped).flat == curve_shape([GRID], clipped).flat
    assert curve_shape([GRID], GRID).flat == 0.0
    assert curve_shape([GRID], np.ones(41)).flat == 1.0


def test_a_constant_with_rounding_errors_is_constant() -> None:
    values = 3.0 + 1e-5 * np.sin(40.0 * GRID)
    assert curve_shape([GRID], values).trends == ("stays the same",)
    assert curve_shape([GRID], values).flat == 1.0


def test_a_grid_has_a_trend_along_each_side() -> None:
    values = GRID[:, None] - np.square(GRID)[None, :]
    read = curve_shape([GRID, GRID], values)
    assert read.trends == ("rises", "has a peak")
    assert read.best == pytest.approx((2.0, 0.0))
    crossed = curve_shape([GRID, GRID], GRID[:, None] * GRID[None, :])
    assert crossed.trends == ("goes up and down", "goes up and down")


def test_ends_of_a_component_are_those_of_all_policies() -> None:
    bounded = {"random": {"pose": np.zeros(100)}, "own": {"pose": np.r_[np.ones(90), np.zeros(10)]}}
    spreads = read_spreads(bounded)["pose"]
    assert spreads["random"].bottom == 1.0
    assert spreads["random"].top == 0.0
    assert spreads["own"].top == 0.9
    assert spreads["own"].percentiles == (0.0, 1.0, 1.0)


def test_groups_without_steps_are_left_out() -> None:
    spreads = read_spreads({"random": {"pose": np.arange(5.0)}, "parent": {"pose": np.zeros(0)}})
    assert list(spreads["pose"]) == ["random"]
    assert read_spreads({}) == {}


def test_the_text_has_at_most_six_lines_and_says_what_is_odd() -> None:
    generator = np.random.default_rng(0)
    sweep = plan(SIGNALS, row(speed=0.0, place=[0.0, 0.0]), [Swept("speed", None, -2.0, 2.0)])
    speed = sweep.arguments["speed"]
    view = read_view(sweep, speed, {"forward": speed, "pose": np.zeros_like(speed)})
    names = [f"term_{i}" for i in range(9)]
    own = {name: np.r_[np.full(95, 1.0), generator.uniform(0, 0.5, 5)] for name in names}
    rest = {name: generator.uniform(0, 0.9, 100) for name in names}
    lines = RewardProfile((view,) * 3, read_spreads({"random": rest, "own": own})).lines()
    assert len(lines) <= 6
    assert all(line.isascii() and "\n" not in line for line in lines)
    assert lines[0] == HEADING
    assert lines[1] == (
        "Over speed from -2 to 2 the reward rises from -2 to 2. Of it: forward rises, "
        "1 other unmoved."
    )
    assert "term_0 is at the top of its range on 95% of the own steps" in "\n".join(lines)
    assert "median" in lines[-1]


def test_without_sweeps_or_policies_there_is_nothing_to_say() -> None:
    assert RewardProfile((), {}).lines() == []
