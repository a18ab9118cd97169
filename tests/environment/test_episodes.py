"""Recorded episodes are scored as they were lived."""

import torch

from eureka_agent.environment import Episodes, SignalLayout
from eureka_agent.reward import RewardValues, Signal

LAYOUT = SignalLayout([Signal("height", None, "m", "a height", "position")])


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
    arguments = recorded().arguments(LAYOUT, (*names, "prev_action"))
    assert all(torch.isfinite(value.float()).all() for value in arguments.values())
    assert arguments["height"].view(4, 2)[:, 0].tolist() == [1, 2, 3, 4]
    assert arguments["prev_height"].view(4, 2)[:2, 1].tolist() == [0, 1]
    assert arguments["terminated"].view(4, 2)[:2, 1].tolist() == [False, True]
    assert not arguments["terminated"].view(4, 2)[:, 0].any()
    assert arguments["time_left"].view(4, 2)[:, 0].tolist() == [0.75, 0.5, 0.25, 0.0]
    assert arguments["prev_action"].view(4, 2)[:, 0].tolist() == [0, 0, 1, 2]


def test_sums_end_with_the_episode() -> None:
    episodes = recorded()
    heights = episodes.arguments(LAYOUT, ("height",))["height"]
    sums = episodes.sums(RewardValues(total=heights, components={"height": heights}))
    assert sums.tolist() == [10.0, 3.0]


def test_they_survive_the_way_through_arrays() -> None:
    episodes = recorded()
    again = Episodes.from_arrays(episodes.arrays())
    assert torch.equal(again.lengths, episodes.lengths)
    assert torch.equal(again.actions, episodes.actions)
