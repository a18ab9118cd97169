"""Programs read recorded steps and episodes under the right names, shapes and memory."""

import pytest
import torch

from eureka_agent.environment import Episodes, Memory, SignalLayout, Transitions
from eureka_agent.reward import RewardValues, Signal

LAYOUT = SignalLayout(
    [
        Signal("height", None, "m", "a height", "position"),
        Signal("velocity", 2, "m/s", "a velocity", "velocity"),
    ]
)


def episode(values: list[float], fresh: list[bool]) -> Transitions:
    """One world whose height is `values[t]` after step t, and `values[t] - 1` before it."""
    after = torch.tensor(values).view(-1, 1, 1) * torch.ones(1, 1, LAYOUT.width)
    steps = len(values)
    return Transitions(
        before=after - 1,
        after=after,
        action=torch.zeros(steps, 1, 1),
        prev_action=torch.zeros(steps, 1, 1),
        terminated=torch.zeros(steps, 1, dtype=torch.bool),
        time_left=torch.ones(steps, 1),
        fresh=torch.tensor(fresh).view(-1, 1),
    )


def read(part: Transitions, name: str, memory: Memory | None = None) -> torch.Tensor:
    memory = memory or Memory.empty(1, LAYOUT)
    return part.arguments(LAYOUT, (name,), memory)[name]


def test_shapes_are_one_row_per_transition() -> None:
    part = episode([1.0, 2.0, 3.0], [True, False, False])
    assert read(part, "height").shape == (3,)
    assert read(part, "prev_velocity").shape == (3, 2)


def test_names_that_are_not_signals_are_left_to_the_program() -> None:
    part = episode([1.0], [True])
    assert part.arguments(LAYOUT, ("height", "width"), Memory.empty(1, LAYOUT)).keys() == {"height"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("height", [1.0, 5.0, 2.0, 4.0]),
        ("prev_height", [0.0, 4.0, 1.0, 3.0]),
        ("start_height", [0.0, 0.0, 1.0, 1.0]),
        ("max_height", [1.0, 5.0, 2.0, 4.0]),
        ("min_height", [0.0, 0.0, 1.0, 1.0]),
    ],
)
def test_memory_begins_anew_with_each_episode(name: str, expected: list[float]) -> None:
    part = episode([1.0, 5.0, 2.0, 4.0], [True, False, True, False])
    assert read(part, name).tolist() == expected


def test_memory_continues_in_the_next_rollout() -> None:
    memory = Memory.empty(1, LAYOUT)
    read(episode([1.0, 9.0], [True, False]), "max_height", memory)
    later = read(episode([2.0, 3.0], [False, False]), "max_height", memory)
    assert later.tolist() == [9.0, 9.0]


def test_arguments_are_copies() -> None:
    part = episode([1.0], [True])
    read(part, "height")[:] = 7.0
    assert part.after[0, 0, 0] == 1.0


HEIGHT = SignalLayout([Signal("height", None, "m", "a height", "position")])


def recorded() -> Episodes:
    """Two episodes of up to four steps with heights 0, 1, 2, …; the second ends after two."""
    states = torch.arange(5.0).view(5, 1, 1).repeat(1, 2, 1)
    states[3:, 1] = float("nan")
    return Episodes(
        states=states,
        actions=torch.arange(4.0).view(4, 1, 1).repeat(1, 2, 1),
        lengths=torch.tensor([4, 2]),
        terminated=torch.tensor([False, True]),
    )


def test_programs_never_see_what_lies_beyond_the_end() -> None:
    names = ("height", "prev_height", "start_height", "max_height", "terminated", "time_left")
    arguments = recorded().arguments(HEIGHT, (*names, "prev_action"))
    assert all(torch.isfinite(value.float()).all() for value in arguments.values())
    assert arguments["height"].view(4, 2)[:, 0].tolist() == [1, 2, 3, 4]
    assert arguments["prev_height"].view(4, 2)[:2, 1].tolist() == [0, 1]
    assert arguments["terminated"].view(4, 2)[:2, 1].tolist() == [False, True]
    assert not arguments["terminated"].view(4, 2)[:, 0].any()
    assert arguments["time_left"].view(4, 2)[:, 0].tolist() == [0.75, 0.5, 0.25, 0.0]
    assert arguments["prev_action"].view(4, 2)[:, 0].tolist() == [0, 0, 1, 2]


def test_sums_end_with_the_episode() -> None:
    episodes = recorded()
    heights = episodes.arguments(HEIGHT, ("height",))["height"]
    sums = episodes.sums(RewardValues(total=heights, components={"height": heights}))
    assert sums.tolist() == [10.0, 3.0]


def test_episodes_survive_conversion_to_arrays() -> None:
    episodes = recorded()
    again = Episodes.from_arrays(episodes.arrays())
    assert torch.equal(again.lengths, episodes.lengths)
    assert torch.equal(again.actions, episodes.actions)
