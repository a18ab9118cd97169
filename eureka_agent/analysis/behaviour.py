"""What a policy does, read off the signals of the episodes that it was judged on."""

from collections.abc import Sequence

import numpy as np

from eureka_agent.analysis.layout import number, table

MOST = 24
"""Columns that are told of; a program can hardly use more."""


def behaviour(columns: Sequence[str], states: np.ndarray, lengths: np.ndarray) -> str:
    """A line per column of the signals: how it begins, how it goes on, and how far it gets.

    Args:
        columns: names of the `S` columns.
        states: signals at the reset and after each step `[L + 1, E, S]`.
        lengths: steps of each episode `[E]`.
    """
    steps = np.arange(len(states))[:, None]
    lived = steps <= lengths
    halves = (lived & (steps * 2 <= lengths), lived & (steps * 2 > lengths))
    rows = [("", ["1st half", "2nd half", "spread", "from", "to"])]
    for index, name in enumerate(columns[:MOST]):
        column = states[:, :, index].astype(np.float64)
        first, second = (column[half].mean() for half in halves)
        values = column[lived]
        figures = (first, second, column[halves[1]].std(), values.min(), values.max())
        rows.append((name, [number(float(figure)) for figure in figures]))
    count = len(lengths)
    title = f"What the policy does in {count} episode{'s' if count != 1 else ''} without noise"
    return "\n".join([f"{title} (means over each half, spread over the second):", *table(rows)])
