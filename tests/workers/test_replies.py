"""No reply of a worker is believed before every part of it is checked."""

import io
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sledge import policy, sledge

from eureka_agent.environment import Environment, pools
from eureka_agent.workers.judge_client import read_judgements
from eureka_agent.workers.judge_server import JudgeServer
from eureka_agent.workers.probe_client import Score, read_scores
from eureka_agent.workers.protocol import InvalidReply, Message, done
from eureka_agent.workers.serve import Reporter
from eureka_agent.workers.trainer_client import (
    Lane,
    LaneReply,
    policy_shapes,
    read_advance,
    read_progress,
    read_returns,
    read_weights,
)

LANES = {0: Lane(("up",), 128), 2: Lane(("up", "still"), 128)}
TRAINED = 128
COMPONENT = {"mean": 1.0, "min": 0.0, "max": 2.0, "share": 1.0}


def report(lane: int, **changes: Any) -> dict[str, Any]:
    return {
        "lane": lane,
        "steps": 256,
        "evicted": None,
        "line": 0,
        "diagnostics": {"kl": 0.01},
        "components": {"up": dict(COMPONENT)},
    } | changes


def advanced(*reports: object, overflow: object = None) -> Message:
    return done({"reports": list(reports), "overflow": overflow})


def read(*reports: object, overflow: object = None) -> dict[int, LaneReply]:
    lanes = LANES if len(reports) > 1 else {0: LANES[0]}
    found = read_advance(advanced(*reports, overflow=overflow), lanes, TRAINED).reports
    return {report.lane: report for report in found}


def test_an_honest_report_is_read() -> None:
    evicted = report(2, steps=128, evicted="It \x1b[31mbroke", line=7, diagnostics={"kl": math.inf})
    reports = read(report(0), evicted)
    assert reports[0].components == {"up": COMPONENT}
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
        {"reports": [report(0), report(2)], "more": 1},
    ],
)
def test_reports_of_other_lanes_than_the_loaded_ones_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidReply):
        read_advance(done({"overflow": None} | fields), LANES, TRAINED)


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
        {"diagnostics": {"kl\n": 1.0}},
        {"diagnostics": {f"d{i}": 1.0 for i in range(1000)}},
        {"components": []},
        {"components": {"foreign": COMPONENT}},
        {"components": {"up": 1.0}},
        {"components": {"up": {"mean": 1.0}}},
        {"components": {"up": COMPONENT | {"mean": {}}}},
        {"components": {"up": COMPONENT | {"more": 1.0}}},
    ],
)
def test_a_report_with_a_false_entry_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidReply):
        read(report(0), report(2) | changes)


def test_numbers_that_are_not_finite_become_nan() -> None:
    odd = {"a": math.nan, "b": -math.inf, "c": None, "d": 10**400}
    diagnostics = read(report(0, diagnostics=odd))[0].diagnostics
    assert diagnostics.keys() == odd.keys()
    assert all(math.isnan(value) for value in diagnostics.values())


def test_a_long_reason_is_cut() -> None:
    assert len(read(report(0, evicted="x" * 100_000))[0].evicted or "") == 1000


def test_an_overflow_is_read_as_printable_text() -> None:
    lanes = {0: LANES[0]}
    assert read_advance(advanced(report(0)), lanes, TRAINED).overflow is None
    message = advanced(report(0), overflow="too \x1b[31mmany " + "x" * 5000)
    said = read_advance(message, lanes, TRAINED).overflow or ""
    assert said.startswith("too [31mmany")
    assert len(said) <= 1000
    with pytest.raises(InvalidReply):
        read_advance(advanced(report(0), overflow=7), lanes, TRAINED)


@pytest.mark.parametrize(
    "fields",
    [
        {"reports": [report(0, diagnostics={f"\x1b{i}": {} for i in range(50_000)})]},
        {"reports": [0] * 300_000},
        {"reports": [report(0)], "overflow": None} | {f"more{i}": 0 for i in range(50_000)},
    ],
)
def test_a_flood_of_wrong_entries_is_refused_at_once(fields: dict[str, Any]) -> None:
    begun = time.process_time()
    with pytest.raises(InvalidReply) as caught:
        read_advance(done(fields), {0: LANES[0]}, TRAINED)
    assert time.process_time() - begun < 0.5
    assert len(caught.value.message) <= 300


@pytest.mark.parametrize("steps", [None, -1, 129, 5.0, "5", True, [1]])
def test_progress_that_is_no_count_of_steps_is_refused(steps: object) -> None:
    assert read_progress({"done": 128}, 128) == 128
    with pytest.raises(InvalidReply):
        read_progress({"done": steps}, 128)


def test_weights_must_be_those_of_the_environments_policy(tmp_path: Path) -> None:
    environment = sledge(tmp_path / "sledge")
    shapes = policy_shapes(environment)
    sound = {f"1/{name}": value.numpy() for name, value in policy(environment, 0).items()}
    assert read_weights(done(arrays=sound), [1], shapes)[1].keys() == shapes.keys()
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
            read_weights(done(arrays=crooked), [1], shapes)


def test_returns_are_one_number_per_episode_finite_or_not() -> None:
    returns = np.array([1.0, np.nan])
    assert read_returns(done(arrays={"returns": returns}), 2) is returns
    for crooked in (
        {},
        {"returns": np.zeros(3)},
        {"returns": np.zeros((2, 1))},
        {"returns": np.zeros(2, np.float32)},
    ):
        with pytest.raises(InvalidReply):
            read_returns(done(arrays=crooked), 2)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return sledge(tmp_path_factory.mktemp("environments") / "sledge")


@pytest.fixture(scope="module")
def judged(environment: Environment) -> Message:
    """An honest reply about one policy on two episodes."""
    server, reporter = JudgeServer(), Reporter(io.BytesIO(), lambda lane: None)
    fields = {"environment": environment.source, "fitness": str(environment.fitness_path)}
    server.open(Message("open", fields | {"lanes": 1, "threads": 1}), reporter)
    arrays = {f"0/{name}": value.numpy() for name, value in policy(environment, 0).items()}
    asked = {"policies": 1, "episodes": 2, "pool": pools.RANKING, "seed": 3}
    return server.judge(Message("judge", asked, arrays), reporter)


@pytest.mark.parametrize(
    "crooked",
    [
        lambda sent: {"fitness": np.full_like(sent["fitness"], np.nan)},
        lambda sent: {"fitness": sent["fitness"].astype(np.float32)},
        lambda sent: {"fitness": sent["fitness"][:, :1]},
        lambda sent: {"diverged": sent["diverged"].astype(np.uint8)},
        lambda sent: {"0/states": sent["0/states"][1:]},
        lambda sent: {"0/lengths": np.zeros_like(sent["0/lengths"])},
        lambda sent: {"0/lengths": sent["0/lengths"] + 1000},
        lambda sent: {"1/states": sent["0/states"]},
        lambda sent: {"more": sent["fitness"]},
    ],
)
def test_a_judgement_must_be_of_the_episodes_that_were_asked_for(
    environment: Environment,
    judged: Message,
    crooked: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]],
) -> None:
    assert len(read_judgements(judged, 1, 2, environment)) == 1
    with pytest.raises(InvalidReply):
        arrays = judged.arrays | crooked(judged.arrays)
        read_judgements(done(arrays=arrays), 1, 2, environment)


SCORES = {
    "0/total": np.zeros((3, 2), np.float32),
    "0/components": np.zeros((1, 3, 2), np.float32),
}


def test_honest_scores_are_read() -> None:
    (found,) = read_scores(done({"failures": {}}, SCORES), [1], (3, 2), still=False)
    assert isinstance(found, Score)
    assert found.components.shape == (1, 3, 2)
    assert found.here.shape == found.there.shape == (0, 3, 2)
    failed = done({"failures": {"0": "\x1b[31mred"}})
    assert read_scores(failed, [1], (3, 2), still=False) == ["[31mred"]


@pytest.mark.parametrize(
    ("fields", "arrays"),
    [
        ({}, {}),
        ({"failures": {"1": "not asked"}}, {}),
        ({"failures": {"first": "no number"}}, {}),
        ({"failures": {"0": 7}}, {}),
        ({"failures": {}}, {"0/total": np.zeros((2, 2), np.float32)}),
        ({"failures": {}}, {"0/total": np.zeros((3, 2), np.float64)}),
        ({"failures": {}}, {"0/components": np.zeros((2, 3, 2), np.float32)}),
        ({"failures": {}}, {"0/here": np.zeros((1, 3, 2), np.float32)}),
    ],
)
def test_scores_must_be_those_of_the_programs(
    fields: dict[str, Any], arrays: dict[str, np.ndarray]
) -> None:
    with pytest.raises(InvalidReply):
        read_scores(done(fields, SCORES | arrays), [1], (3, 2), still=False)


def test_standing_still_is_demanded_where_it_was_asked_for() -> None:
    with pytest.raises(InvalidReply):
        read_scores(done({"failures": {}}, SCORES), [1], (3, 2), still=True)
