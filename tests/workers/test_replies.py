"""No reply of a worker is believed before it was read word by word."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sledge import policy, sledge

from eureka_agent.workers.protocol import InvalidReply, Message
from eureka_agent.workers.trainer_client import (
    Expected,
    policy_shapes,
    read_progress,
    read_reports,
    read_returns,
    read_weights,
)

EXPECTED = {0: Expected(("up",), 128, 256), 2: Expected(("up", "still"), 128, 256)}
COMPONENT = {"mean": 1.0, "minimum": 0.0, "maximum": 2.0, "share": 1.0}


def report(lane: int, **changes: Any) -> dict[str, Any]:
    return {
        "lane": lane,
        "steps": 256,
        "evicted": None,
        "line": 0,
        "diagnostics": {"kl": 0.01},
        "components": {"up": dict(COMPONENT)},
    } | changes


def advanced(*reports: object) -> Message:
    return Message("advanced", {"reports": list(reports)})


def test_an_honest_report_is_read() -> None:
    evicted = report(2, steps=128, evicted="It \x1b[31mbroke", line=7, diagnostics={"kl": math.inf})
    reports = read_reports(advanced(report(0), evicted), EXPECTED)
    assert reports[0].components == {"up": {"mean": 1.0, "min": 0.0, "max": 2.0, "share": 1.0}}
    assert (reports[0].steps, reports[0].evicted) == (256, None)
    assert (reports[2].evicted, reports[2].line) == ("It [31mbroke", 7)
    assert math.isnan(reports[2].diagnostics["kl"])


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"reports": None},
        {"reports": "all is well"},
        {"reports": [report(0)]},
        {"reports": [report(0), report(0)]},
        {"reports": [report(0), report(1)]},
        {"reports": [report(0), report(2), report(3)]},
        {"reports": [report(0), "lane 2 is well"]},
        {"reports": [report(0), report(2) | {f"more{i}": 0 for i in range(9)}]},
    ],
)
def test_reports_of_other_lanes_than_the_loaded_ones_are_garbage(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidReply):
        read_reports(Message("advanced", fields), EXPECTED)


@pytest.mark.parametrize(
    "changes",
    [
        {"lane": True},
        {"lane": "2"},
        {"lane": [2]},
        {"steps": 255},
        {"steps": 257},
        {"steps": 1e300},
        {"steps": -1},
        {"steps": None},
        {"steps": 100, "evicted": "early"},
        {"evicted": 3},
        {"evicted": ["no"]},
        {"line": -1},
        {"line": 10**12},
        {"line": "5"},
        {"diagnostics": None},
        {"diagnostics": {"kl": "high"}},
        {"diagnostics": {"kl": True}},
        {"diagnostics": {"kl": [1.0]}},
        {"diagnostics": {"\x1b[2J": 1.0}},
        {"diagnostics": {f"d{i}": 1.0 for i in range(1000)}},
        {"components": []},
        {"components": {"foreign": COMPONENT}},
        {"components": {"up": 1.0}},
        {"components": {"up": {"mean": 1.0}}},
        {"components": {"up": COMPONENT | {"mean": {}}}},
        {"components": {"up": COMPONENT | {"more": 1.0}}},
    ],
)
def test_a_report_with_a_false_entry_is_garbage(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidReply):
        read_reports(advanced(report(0), report(2) | changes), EXPECTED)


def test_numbers_that_are_not_finite_are_no_numbers() -> None:
    odd = {"a": math.nan, "b": -math.inf, "c": None, "d": 10**400}
    read = read_reports(advanced(report(0, diagnostics=odd)), {0: EXPECTED[0]})
    assert all(math.isnan(value) for value in read[0].diagnostics.values())


def test_a_long_reason_is_cut() -> None:
    read = read_reports(advanced(report(0, evicted="x" * 100_000)), {0: EXPECTED[0]})
    assert len(read[0].evicted or "") == 1000


@pytest.mark.parametrize("done", [None, -1, 129, 5.0, "5", True, [1]])
def test_progress_that_is_no_count_of_steps_is_garbage(done: object) -> None:
    assert read_progress({"done": 128}, 128) == 128
    with pytest.raises(InvalidReply):
        read_progress({"done": done}, 128)


def test_weights_must_be_those_of_the_environments_policy(tmp_path: Path) -> None:
    environment = sledge(tmp_path / "sledge")
    shapes = policy_shapes(environment)
    sound = {f"1/{name}": value.numpy() for name, value in policy(environment, 0).items()}
    assert read_weights(Message("weights", {}, sound), [1], shapes)[1].keys() == shapes.keys()
    name = "1/action_net.bias"
    for crooked in (
        {k: v for k, v in sound.items() if k != name},
        sound | {"2/action_net.bias": sound[name]},
        sound | {"1/more": sound[name]},
        sound | {name: sound[name].astype(np.float64)},
        sound | {name: np.zeros(2, np.float32)},
        sound | {name: np.full(1, np.nan, np.float32)},
        sound | {name: np.full(1, np.inf, np.float32)},
    ):
        with pytest.raises(InvalidReply):
            read_weights(Message("weights", {}, crooked), [1], shapes)


def test_returns_are_one_number_per_episode_finite_or_not() -> None:
    returns = np.array([1.0, np.nan])
    assert read_returns(Message("scored", {}, {"returns": returns}), 2) is returns
    for crooked in (
        {},
        {"returns": np.zeros(3)},
        {"returns": np.zeros((2, 1))},
        {"returns": np.zeros(2, np.float32)},
    ):
        with pytest.raises(InvalidReply):
            read_returns(Message("scored", {}, crooked), 2)
