"""What a policy does is told from the steps of its episodes, and from no others."""

import numpy as np

from eureka_agent.analysis.reflection import signal_statistics


def test_halves_spread_and_range_are_those_of_the_living_steps() -> None:
    states = np.zeros((5, 2, 1), dtype=np.float32)
    states[:, 0, 0] = [0, 1, 2, 3, 4]
    states[:, 1, 0] = [10, 20, 30, 999, 999]  # ended after two steps
    _, heading, line = signal_statistics(["pole_up"], states, np.array([4, 2])).split("\n")
    assert heading.split() == ["1st", "half", "2nd", "half", "spread", "from", "to"]
    name, first, second, _, low, high = line.split()
    assert (name, first, second, low, high) == ("pole_up", "6.6", "12.3", "0", "30")


def test_many_columns_are_cut() -> None:
    states = np.zeros((3, 1, 100), dtype=np.float32)
    text = signal_statistics([f"x[:, {i}]" for i in range(100)], states, np.array([2]))
    assert "x[:, 23]" in text and "x[:, 24]" not in text
