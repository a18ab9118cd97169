"""An excerpt shows few episodes and few steps, and nothing that was not recorded."""

import numpy as np
import pytest
from analysis.controllers import altered, trajectories

from eureka_agent.analysis.trajectories.episodes import Trajectories
from eureka_agent.analysis.trajectories.excerpt import (
    BEFORE_END,
    MOST_COLUMNS,
    MOST_COMPONENTS,
    OTHERS,
    ROWS,
    Excerpt,
    chosen_steps,
    excerpt,
)
from eureka_agent.analysis.trajectories.failures import diagnose
from eureka_agent.reward import Signal

PLACE = Signal("place", 2, "m", "Position of the cart", "position", ("right (x)", "up (z)"))
SPEED = Signal("speed", None, "m/s", "Speed of the cart", "velocity")
WHEELS = Signal("wheels", 8, "rad", "Angles of the wheels", "angle")
LIMIT = 60


def recorded(
    lengths: list[int],
    fitness: list[float],
    signals: tuple[Signal, ...] = (PLACE, SPEED, WHEELS),
    components: int = 2,
) -> Trajectories:
    """Episodes whose cells are all different: a cell of another place would be seen."""
    count, width = len(lengths), sum(signal.size or 1 for signal in signals)
    states = np.arange((LIMIT + 1) * count * width).reshape(LIMIT + 1, count, width) / 7.0
    actions = np.sin(np.arange(LIMIT * count)).reshape(LIMIT, count, 1)
    return trajectories(
        signals,
        states=states,
        actions=actions,
        lengths=np.array(lengths),
        fitness=np.array(fitness),
        component_rewards={f"part_{i}": (i + 1) * actions[:, :, 0] for i in range(components)},
    )


def everything(recordings: Trajectories) -> np.ndarray:
    return np.ones(recordings.count, dtype=np.bool_)


def cells(found: Excerpt, episode: int, column: str) -> list[float]:
    """A column of the table of one episode, without the mean."""
    shown = next(one for one in found.shown if one.episode == episode)
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in shown.rows]
    place = rows[0].index(column)
    return [float(row[place]) for row in rows[2:-1]]


@pytest.mark.parametrize("length", [1, 2, 5, ROWS - 1, ROWS, ROWS + 1, 57, 1000])
@pytest.mark.parametrize("terminated", [True, False])
def test_an_excerpt_shows_few_steps_of_an_episode_with_the_first_and_the_end(
    length: int, terminated: bool
) -> None:
    steps = chosen_steps(length, terminated)
    assert len(steps) == min(length, ROWS)
    assert steps[0] == 0
    assert steps[-1] == length - 1
    assert list(steps) == sorted(set(steps))
    if terminated:
        near = {length - 1 - before for before in BEFORE_END if before < length // 2}
        assert near <= set(steps)


def test_steps_are_spread_evenly_and_lie_closer_before_an_early_end() -> None:
    gaps = np.diff(chosen_steps(1000, terminated=False))
    assert gaps.max() - gaps.min() <= 1
    assert chosen_steps(1000, terminated=True)[-5:] == (974, 987, 994, 997, 999)


def test_an_excerpt_shows_fewer_steps_of_another_policy() -> None:
    found = excerpt(recorded([60, 60], [0.1, 0.9]), np.array([True, False]))
    assert [len(one.steps) for one in found.shown] == [ROWS, OTHERS]


def test_the_worst_the_median_and_the_best_are_shown_each_once() -> None:
    recordings = recorded([60] * 6, [0.3, 0.9, 0.1, 0.5, 0.2, 0.4])
    found = excerpt(recordings, everything(recordings))
    labels = {one.label: one.episode for one in found.shown}
    assert labels == {
        "the worst episode": 2,
        "the second worst episode": 4,
        "the median episode": 5,
        "the best episode": 1,
    }


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_no_episode_is_shown_twice(count: int) -> None:
    recordings = recorded([60] * count, [0.5] * count)
    shown = [one.episode for one in excerpt(recordings, everything(recordings)).shown]
    assert len(shown) == len(set(shown)) == min(count, 4)


def test_the_only_episode_is_shown_as_that() -> None:
    recordings = recorded([60, 60], [0.1, 0.9])
    shown = excerpt(recordings, np.array([True, False])).shown
    assert [(one.episode, one.label) for one in shown] == [
        (0, "the only episode"),
        (1, "the best known episode, of another policy"),
    ]


def test_a_better_episode_of_another_policy_stands_beside_them() -> None:
    recordings = recorded([60, 60, 60, 60], [0.9, 0.1, 0.8, 0.2])
    own = np.array([False, True, False, True])
    shown = [(one.episode, one.place, one.own) for one in excerpt(recordings, own).shown]
    assert shown == [(1, 0, True), (3, 1, True), (0, None, False)]


def test_an_episode_of_another_policy_that_is_hardly_better_is_not_shown() -> None:
    recordings = recorded([60, 60, 60, 60], [0.0, 0.9, 0.91, np.nan])
    assert all(one.own for one in excerpt(recordings, np.array([True, True, False, False])).shown)


def test_without_a_fitness_episodes_rank_by_what_the_program_pays() -> None:
    recordings = recorded([60, 10, 60], [np.nan] * 3)
    returns = [
        float(
            sum(
                paid[: recordings.lengths[e], e].sum()
                for paid in recordings.evaluated.component_rewards.values()
            )
        )
        for e in range(3)
    ]
    found = excerpt(recordings, everything(recordings))
    assert found.shown[-1].episode == int(np.argmax(returns))
    assert all("fitness" not in one.head for one in found.shown)


def test_a_row_holds_what_followed_the_step_and_what_was_paid_for_it() -> None:
    recordings = recorded([60, 41], [0.1, 0.9])
    found = excerpt(recordings, everything(recordings))
    steps = list(found.shown[-1].steps)
    assert cells(found, 1, "step") == steps
    after = recordings.states[1:, 1, 2]
    assert cells(found, 1, "speed") == pytest.approx(after[steps], abs=0.05)
    paid = recordings.evaluated.component_rewards["part_1"][steps, 1]
    assert cells(found, 1, "pays part_1") == pytest.approx(paid, abs=1e-3)
    total = 3 * recordings.actions[steps, 1, 0]
    assert cells(found, 1, "pays in all") == pytest.approx(total, abs=1e-3)


def test_the_last_row_is_the_mean_over_all_steps_and_none_after_the_end() -> None:
    recordings = recorded([30], [0.1])
    last = excerpt(recordings, everything(recordings)).shown[0].rows[-1].strip("|").split("|")
    assert last[0].strip() == "mean of 30"
    assert float(last[-1]) == pytest.approx(3 * recordings.actions[:30, 0, 0].mean(), abs=1e-3)


def test_signals_that_the_program_reads_are_shown_before_others() -> None:
    many = tuple(Signal(f"s_{i}", None, "m", "A place", "position") for i in range(30))
    recordings = recorded([60], [0.1], many)
    read = {"s_21", "s_29"}
    heads = excerpt(recordings, everything(recordings), read).shown[0].rows[0].split(" | ")
    assert read <= set(heads)
    assert sum(head.startswith("s_") for head in heads) == MOST_COLUMNS


def test_a_wide_signal_is_one_column_and_the_legend_says_which() -> None:
    recordings = recorded([60], [0.1])
    found = excerpt(recordings, everything(recordings))
    size = np.sqrt(np.square(recordings.states[1:, 0, 3:]).mean(axis=1))
    shown = list(found.shown[0].steps)
    assert cells(found, 0, "rms(wheels)") == pytest.approx(size[shown], rel=1e-3)
    assert any("8 columns of `wheels`" in line for line in found.legend)


def test_an_orientation_is_shown_whole_as_its_size_is_always_the_same() -> None:
    turned = Signal("turned", 4, "1", "Orientation of the cart", "orientation")
    recordings = recorded([60], [0.1], (turned, WHEELS))
    heads = excerpt(recordings, everything(recordings)).shown[0].rows[0]
    assert all(f"turned[:, {i}]" in heads for i in range(4))


def test_the_largest_components_are_shown_and_all_are_in_the_sum() -> None:
    recordings = recorded([60], [0.1], components=12)
    heads = excerpt(recordings, everything(recordings)).shown[0].rows[0]
    assert heads.count("pays part_") == MOST_COMPONENTS
    assert "part_11" in heads
    assert "part_0 " not in heads


def test_without_a_program_no_rewards_are_shown() -> None:
    recordings = recorded([60], [0.1], components=0)
    found = excerpt(recordings, everything(recordings))
    assert "pays" not in "\n".join([*found.legend, found.shown[0].head, *found.shown[0].rows])


def test_numbers_of_a_column_have_the_same_decimals_and_no_sign_of_zero() -> None:
    recordings = recorded([3], [0.1], (SPEED,), components=0)
    states = recordings.states.copy()
    states[1:4, 0, 0] = [123.456789, -1e-9, 0.126]
    found = excerpt(altered(recordings, states=states), everything(recordings))
    column = [row.split(" | ")[1] for row in found.shown[0].rows[2:5]]
    assert column == ["123.5", "0", "0.1"]


def test_steps_that_look_alike_share_a_row() -> None:
    recordings = recorded([LIMIT], [0.1], (SPEED,), components=0)
    states, actions = np.zeros_like(recordings.states), np.zeros_like(recordings.actions)
    states[1:4, 0, 0] = [3.0, 2.0, 1e-9]
    still = altered(recordings, states=states, actions=actions)
    (shown,) = excerpt(still, everything(still)).shown
    assert len(shown.steps) == ROWS
    assert [row.split(" | ")[0] for row in shown.rows[2:]] == ["| 0", "| 3 to 59", "| mean of 60"]


def test_two_of_the_episodes_that_are_alike_are_shown() -> None:
    recordings = recorded([LIMIT] * 6, [0.101, 0.102, 0.103, 0.104, 0.1, 0.9])
    found = excerpt(recordings, np.arange(6) < 5)
    assert [one.episode for one in found.shown] == [4, 3, 5]


def test_values_that_are_not_finite_do_not_break_the_table() -> None:
    recordings = recorded([3], [0.1], (SPEED,), components=0)
    states = recordings.states.copy()
    states[1, 0, 0] = np.nan
    rows = excerpt(altered(recordings, states=states), everything(recordings)).shown[0].rows
    assert "| nan |" in rows[2]


def test_the_rules_phases_and_their_measure_stand_beside_the_numbers() -> None:
    target = Signal("goal_distance", None, "m", "Distance to the goal", "distance")
    recordings = recorded([60, 60], [0.9, 0.1], (target, SPEED), components=0)
    states = recordings.states.copy()
    states[:, 0, 0] = np.linspace(1, 0, LIMIT + 1)
    states[:, 1, 0] = np.maximum(states[:, 0, 0], 0.6)
    recordings = altered(recordings, states=states)
    good = np.array([True, False])
    diagnosis = diagnose(recordings, ~good, good)
    found = excerpt(recordings, ~good, diagnosis=diagnosis)
    first, last = diagnosis.phases[1]
    assert f"{first.regime} in steps 0 to {first.stop - 1}, {last.regime}" in found.shown[0].head
    assert cells(found, 1, "progress")[-1] == -0.6
    assert any("the rules take for progress" in line for line in found.legend)
