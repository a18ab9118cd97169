"""The table of what a program pays counts steps of episodes only, and weighs components."""

import numpy as np

from eureka_agent.critic.review import Income, reward_table

WEIGHTS = {"forward": 2.0, "a|b": 0.0}


def income(who: str, components: np.ndarray, alive: np.ndarray) -> Income:
    weights = np.array([*WEIGHTS.values()])[:, None, None]
    total = (weights * components).sum(0).astype(np.float32)
    return Income(who, components, total, alive, ended=np.array([True, False]))


def cells(lines: list[str], row: int) -> list[str]:
    return [cell.strip() for cell in lines[row].strip("|").split("|")]


def test_components_are_weighted_and_rows_beyond_an_end_are_left_out() -> None:
    components = np.zeros((2, 4, 2), dtype=np.float32)
    components[0] = 1.0
    components[0, 2:, 0] = 99.0  # after the first episode's end
    alive = np.array([[True, True], [True, True], [False, True], [False, True]])
    lines = reward_table(
        {"forward": 2.0, "still": 0.0}, [income("standing idle", components, alive)]
    )
    assert cells(lines, 0) == ["", "standing idle"]
    assert cells(lines, 2) == ["`forward` (weight 2)", "2"]
    assert cells(lines, 3) == ["`still` (weight 0)", "0"]
    assert cells(lines, 4) == ["reward per step", "2"]
    assert cells(lines, 5) == ["reward per episode", "6 (4.2 to 7.8)"]
    assert cells(lines, 6) == ["steps per episode", "3"]
    assert cells(lines, 7) == ["episodes that end early", "50%"]


def test_what_is_next_to_nothing_is_shown_as_nothing() -> None:
    components = np.array([[[1.0, 1.0]], [[1e-9, 2e-12]]])
    alive = np.ones((1, 2), dtype=np.bool_)
    one = Income("swinging", components, components.sum(0), alive, np.array([False, False]))
    lines = reward_table({"all": 1.0, "little": 1.0}, [one])
    assert cells(lines, 3) == ["`little` (weight 1)", "0"]


def test_without_an_early_end_lengths_are_left_out() -> None:
    components = np.ones((1, 3, 2))
    alive = np.ones((3, 2), dtype=np.bool_)
    one = Income("swinging", components, components[0], alive, np.array([False, False]))
    labels = [cells([line], 0)[0] for line in reward_table({"all": 1.0}, [one])[2:]]
    assert labels == ["`all` (weight 1)", "reward per step", "reward per episode"]


def test_what_is_no_number_is_shown_as_none() -> None:
    components = np.full((1, 3, 2), np.nan)
    alive = np.ones((3, 2), dtype=np.bool_)
    one = Income("swinging", components, components[0], alive, np.array([False, False]))
    assert cells(reward_table({"all": 1.0}, [one]), 2) == ["`all` (weight 1)", "-"]


def test_without_episodes_there_is_no_table() -> None:
    assert reward_table(WEIGHTS, []) == []
