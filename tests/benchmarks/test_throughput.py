"""The benchmark of throughput measures what it says, and loses no measurement."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

from rates.phases import ENVIRONMENT, INFERENCE, PHYSICS, UPDATE, PhaseClock  # noqa: E402
from rates.physics import replay  # noqa: E402
from rates.population import watched  # noqa: E402
from rates.processes import measurement_of  # noqa: E402
from rates.recording import Recording, record, spread_over  # noqa: E402
from rates.report import report  # noqa: E402
from rates.setting import PEERS, Cell, Measurement, Setting, human_reward, plan  # noqa: E402
from throughput import Results  # noqa: E402

from eureka_agent.common.errors import EurekaError, UsageError  # noqa: E402
from eureka_agent.simulation import CpuSimulator  # noqa: E402
from eureka_agent.training import Population  # noqa: E402

TINY = Setting(
    worlds=2,
    horizon=4,
    epochs=1,
    minibatches=2,
    threads=1,
    seconds=0.0,
    rollouts=1,
    training=8,
    recorded=300,
)
NETWORKS = (8, 8)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return record("cartpole", NETWORKS, TINY)


@pytest.fixture
def file(recording: Recording, tmp_path: Path) -> Path:
    path = tmp_path / "recording.npz"
    recording.save(path)
    return path


def measurement(rate: float) -> Measurement:
    return Measurement(rate, idle_rate=2 * rate, memory_mb=100.0, cores=2.0, shares={})


def test_a_replay_does_what_was_recorded_resets_included(recording: Recording, file: Path) -> None:
    assert len(recording.when) > 0  # at least the time limit ended episodes
    read = Recording.load(file)
    environment = TINY.environment("cartpole", NETWORKS)
    simulator = CpuSimulator(environment.model, 3 * TINY.worlds, threads=1)
    for _ in range(2):
        replay(simulator, environment.substeps, read)
        assert np.array_equal(simulator.state(), np.tile(recording.end, (3, 1)))


def test_a_replay_that_differs_gives_no_limit(recording: Recording, tmp_path: Path) -> None:
    path = tmp_path / "changed.npz"
    replace(recording, controls=-recording.controls).save(path)
    with pytest.raises(EurekaError, match="does not end where the recording ended"):
        measurement_of(Cell("cartpole", "limit", 1, NETWORKS), TINY, path)


def test_every_lane_continues_where_the_recorded_training_run_stopped(recording: Recording) -> None:
    environment = TINY.environment("cartpole", NETWORKS)
    single, many = (Population(environment, lanes, TINY.worlds, threads=1) for lanes in (1, 4))
    single.load(0, human_reward(environment), seed=0)
    single.advance(TINY.training)
    for lane in range(4):
        many.load(lane, human_reward(environment), seed=lane)
    rewards = {lane: human_reward(environment) for lane in range(4)}
    many.resume(spread_over(recording.checkpoint, many.state()), rewards)
    for lane in range(4):
        for name, value in single.weights(0).items():
            torch.testing.assert_close(many.weights(lane)[name], value, rtol=0, atol=0)


def test_a_recording_of_other_networks_is_refused(recording: Recording) -> None:
    environment = TINY.environment("cartpole", (16,))
    population = Population(environment, 1, TINY.worlds, threads=1)
    population.load(0, human_reward(environment), seed=0)
    with pytest.raises(EurekaError, match=r"has no .* that fits"):
        spread_over(recording.checkpoint, population.state())


def test_time_counts_as_the_innermost_phase_but_the_update_keeps_its_own() -> None:
    def work() -> None:
        sum(range(10_000))

    part = SimpleNamespace(inner=work)
    part.outer = lambda: (work(), part.inner())
    part.update = lambda: part.inner()
    clock = PhaseClock()
    for name, phase in (("inner", INFERENCE), ("outer", ENVIRONMENT), ("update", UPDATE)):
        clock.watch(part, name, phase)
    part.update()
    assert clock.seconds[UPDATE] > 0 and clock.seconds[INFERENCE] == 0
    clock.reset()
    part.outer()
    assert clock.seconds[ENVIRONMENT] > 0 and clock.seconds[INFERENCE] > 0
    assert clock.seconds[UPDATE] == clock.seconds[PHYSICS] == 0


def test_a_population_built_differently_is_refused_by_name() -> None:
    with pytest.raises(EurekaError, match=r"SimpleNamespace has no 'advance'.*Name in"):
        watched(SimpleNamespace(_groups=[SimpleNamespace()]))  # pyright: ignore


@pytest.mark.parametrize("lanes", [1, 2])
def test_our_training_is_measured_with_all_its_time_assigned(file: Path, lanes: int) -> None:
    found = measurement_of(Cell("cartpole", "ours", lanes, NETWORKS), TINY, file)
    assert found.rate > 0 and found.idle_rate > 0 and found.memory_mb > 0
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert all(found.shares[phase] > 0 for phase in (PHYSICS, ENVIRONMENT, INFERENCE, UPDATE))


def test_the_limit_is_measured(file: Path) -> None:
    found = measurement_of(Cell("cartpole", "limit", 2, NETWORKS), TINY, file)
    assert found.rate > 0 and found.idle_rate > 0 and found.memory_mb > 0


def test_the_peer_is_measured(file: Path) -> None:
    pytest.importorskip("imageio", reason="Gymnasium's MuJoCo environments import it")
    found = measurement_of(Cell("half_cheetah", "sb3", peer=PEERS[0]), TINY, file)
    assert found.rate > 0 and found.idle_rate > 0 and found.memory_mb > 0


def test_a_cell_is_found_again_by_its_key() -> None:
    cells = plan("ant", (1, 16), PEERS)
    assert [Cell.from_key(cell.key) for cell in cells] == cells
    with pytest.raises(UsageError, match="is not a cell"):
        Cell.from_key("ant/ours/many/64-64")


def test_a_measured_cell_is_not_measured_again(tmp_path: Path) -> None:
    path, cell = tmp_path / "new" / "out.json", Cell("ant", "ours", 8)
    Results(path, TINY, going_on=True).add(cell, 0, measurement(10.0))
    again = Results(path, TINY, going_on=True)
    assert again.done(cell, 0) and not again.done(cell, 1)
    assert again.rounds() == {cell.key: {0: measurement(10.0)}}


def test_results_of_another_setting_are_shown_but_not_mixed(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    Results(path, TINY, going_on=True).add(Cell("ant", "ours", 8), 0, measurement(10.0))
    assert Results(path, Setting(), going_on=False).rounds()
    with pytest.raises(UsageError, match="another setting"):
        Results(path, Setting(), going_on=True)


def test_ratios_are_taken_within_a_round() -> None:
    ours = {0: measurement(50.0), 1: measurement(9.0), 2: measurement(80.0)}
    limit = {0: measurement(100.0), 1: measurement(10.0), 2: measurement(100.0)}
    slow = {number: measurement(1.0) for number in ours}
    peer = {0: measurement(10.0), 1: measurement(1.0), 2: measurement(10.0)}
    for one in ours.values():
        one.shares = dict.fromkeys(PhaseClock().seconds, 0.125)
    table = report(
        {
            "ant/limit/8": limit,
            "ant/ours/8/64-64": ours,
            "ant/sb3/dummy-8": peer,
            "ant/sb3/subprocess-8": slow,
        }
    )
    assert "| ant | ours | 8 | 64-64 | 50 (100) | 80% (80%) | 8.0 (8.0) |" in table
    assert report({}) == "Nothing has been measured yet."


@pytest.mark.long
@pytest.mark.slow
def test_the_script_measures_and_reports(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "throughput.py"), "--out", str(tmp_path / "o.json")]
    command += ["--environments", "cartpole", "--lanes", "1", "--rounds", "1", "--peers"]
    command += ["--recordings", str(tmp_path), "--recorded", "8", "--training", "8"]
    command += ["--worlds", "2", "--horizon", "4", "--minibatches", "2", "--seconds", "0"]
    first = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert first.count("round 1") == 3
    again = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "round 1" not in again
    assert "| cartpole | ours | 1 | 64-64 |" in again
