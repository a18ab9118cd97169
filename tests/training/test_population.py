"""The population trainer: lanes are alone in the world, whatever shares it with them."""

import pytest
import torch
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import find_environment
from eureka_agent.reward import RewardFunction, parse
from eureka_agent.training import Population
from eureka_agent.training import population as population_module

LANES, WORLDS, SEED = 5, 4, 11


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Populations this small would be one group."""
    monkeypatch.setattr(population_module, "LEAST_WORLDS", 1)


def program(body: str, weights: str, name: str = "half_cheetah") -> RewardFunction:
    text = f'"""A test."""\nWEIGHTS = {weights}\n\n{body}\n'
    return parse(text, find_environment(name).signals_described).compile()


def runner(weight: float = 1.0) -> RewardFunction:
    body = (
        "def compute_reward(torso_velocity, prev_torso_velocity, max_torso_pitch, action):\n"
        '    return {"forward": torso_velocity[:, 0] - 0.1 * max_torso_pitch.abs(),\n'
        '            "steady": -(torso_velocity - prev_torso_velocity).square().sum(-1),\n'
        '            "effort": -action.square().sum(-1)}'
    )
    return program(body, f'{{"forward": {weight}, "steady": {weight / 8}, "effort": {weight / 4}}}')


def jumper() -> RewardFunction:
    body = 'def compute_reward(torso_position):\n    return {"up": torso_position[:, 1]}'
    return program(body, '{"up": 3.0}')


def crasher() -> RewardFunction:
    """Works until a torso has moved: then the reward is not finite."""
    body = (
        "def compute_reward(torso_position):\n"
        "    gone = torso_position[:, 0].abs() > 0.02\n"
        '    return {"here": torch.where(gone, torch.inf, 0.0)}'
    )
    return program(body, '{"here": 1.0}')


def trained(
    loads: dict[int, RewardFunction], lane: int, rollouts: int = 4, threads: int = 2
) -> dict[str, Tensor]:
    """Weights of a lane that began with `SEED`; other lanes begin with other seeds."""
    population = Population(find_environment("half_cheetah"), LANES, WORLDS, threads=threads)
    for other, reward in loads.items():
        population.load(other, reward, SEED if other == lane else 100 + other)
    for _ in range(rollouts // 2):
        population.advance(2 * population.rollout_steps)
    return population.weights(lane)


def assert_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


@pytest.fixture(scope="module")
def alone() -> dict[str, Tensor]:
    return trained({0: runner()}, 0)


def test_training_moves_the_weights_and_repeats_exactly(alone: dict[str, Tensor]) -> None:
    assert_equal(alone, trained({0: runner()}, 0))
    untrained = trained({0: runner()}, 0, rollouts=0)
    assert not torch.equal(alone["action_net.weight"], untrained["action_net.weight"])


def test_a_lane_is_not_affected_by_its_neighbours(alone: dict[str, Tensor]) -> None:
    assert_equal(alone, trained({0: runner(), 1: jumper(), 2: runner(0.5)}, 0))


def test_a_lane_is_not_affected_by_a_neighbour_that_crashes(alone: dict[str, Tensor]) -> None:
    assert_equal(alone, trained({0: runner(), 1: crasher(), 2: jumper()}, 0))


@pytest.mark.parametrize("lane", [1, 2, 4])
def test_every_lane_gives_the_same_result(alone: dict[str, Tensor], lane: int) -> None:
    assert_equal(alone, trained({lane: runner(), 0: jumper()}, lane))


@pytest.mark.parametrize("threads", [1, 4])
def test_a_result_does_not_depend_on_the_number_of_threads(
    alone: dict[str, Tensor], threads: int
) -> None:
    assert_equal(alone, trained({0: runner(), 3: jumper()}, 0, threads=threads))
    assert_equal(alone, trained({3: runner(), 0: jumper()}, 3, threads=threads))


def test_a_lane_that_is_loaded_late_begins_like_any_other(alone: dict[str, Tensor]) -> None:
    population = Population(find_environment("half_cheetah"), LANES, WORLDS, threads=2)
    population.load(1, jumper(), 5)
    population.advance(population.rollout_steps)
    population.load(0, runner(), SEED)
    for _ in range(2):
        population.advance(2 * population.rollout_steps)
    assert_equal(alone, population.weights(0))


def test_a_reloaded_lane_keeps_nothing_of_its_last_run(alone: dict[str, Tensor]) -> None:
    population = Population(find_environment("half_cheetah"), LANES, WORLDS, threads=2)
    for reward, seed in ((jumper(), 5), (runner(), SEED)):
        population.load(0, reward, seed)
        for _ in range(2):
            population.advance(2 * population.rollout_steps)
    assert_equal(alone, population.weights(0))


def test_a_run_resumed_from_a_checkpoint_gives_the_same_result(
    alone: dict[str, Tensor],
) -> None:
    environment = find_environment("half_cheetah")
    before = Population(environment, LANES, WORLDS, threads=2)
    before.load(0, runner(), SEED)
    before.load(1, jumper(), 5)
    before.advance(2 * before.rollout_steps)
    state = before.state()
    before.advance(2 * before.rollout_steps)  # what is stored does not move on with it

    after = Population(environment, LANES, WORLDS, threads=2)
    after.load(2, jumper(), 9)
    after.resume(state, {0: runner(), 1: jumper()})
    reports = after.advance(2 * after.rollout_steps)
    assert {report.lane: report.steps for report in reports} == {
        lane: 4 * after.rollout_steps for lane in (0, 1)
    }
    assert_equal(alone, after.weights(0))
    assert_equal(before.weights(1), after.weights(1))


def test_a_reward_times_1024_trains_the_same_policy_bit_by_bit(alone: dict[str, Tensor]) -> None:
    scaled = trained({0: runner(1024.0)}, 0)
    for name in alone:
        if name.startswith("value_net"):  # it predicts returns, in the reward's own unit
            assert torch.equal(scaled[name], alone[name] * 1024.0)
        else:
            assert torch.equal(scaled[name], alone[name]), name


def test_a_failing_program_is_evicted_with_its_reason_and_the_others_continue() -> None:
    population = Population(find_environment("half_cheetah"), LANES, WORLDS, threads=2)
    population.load(0, runner(), 1)
    population.load(1, crasher(), 1)
    reports = {report.lane: report for report in population.advance(4 * population.rollout_steps)}
    assert "here" in (reports[1].evicted or "")
    assert reports[0].evicted is None
    assert reports[0].steps == 4 * population.rollout_steps
    assert [report.lane for report in population.advance(1)] == [0]


def test_a_report_has_component_statistics_and_diagnostics() -> None:
    population = Population(find_environment("half_cheetah"), LANES, WORLDS, threads=2)
    population.load(0, runner(), 1)
    (report,) = population.advance(3 * population.rollout_steps)
    assert report.components.keys() == {"forward", "steady", "effort"}
    assert sum(c.share for c in report.components.values()) == pytest.approx(1.0)
    effort = report.components["effort"]
    assert effort.minimum <= effort.mean <= effort.maximum <= 0.0
    for name in ("kl", "learning_rate", "entropy", "action_spread", "clip_share"):
        assert torch.isfinite(torch.tensor(report.diagnostics[name]))
    assert report.diagnostics["action_spread"] > 0
    assert report.diagnostics["explained_variance"] <= 1.0


def test_the_running_lane_is_visible_from_outside() -> None:
    seen: list[int] = []
    environment = find_environment("half_cheetah")
    population = Population(environment, LANES, WORLDS, threads=1, watch=seen.append)
    population.load(2, runner(), 1)
    population.advance(1)
    assert seen == [2, -1]


def test_a_lane_that_does_not_exist_is_refused() -> None:
    population = Population(find_environment("cartpole"), 1, WORLDS, threads=1)
    with pytest.raises(UsageError, match="no lane 1"):
        population.load(1, runner(), 0)


def test_a_lane_whose_physics_fail_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    population = Population(find_environment("half_cheetah"), 1, WORLDS, threads=1)
    population.load(0, runner(), 1)
    simulator = population._groups[0]._worlds.simulator
    step = simulator.step

    def broken(*arguments) -> None:
        step(*arguments)
        simulator.view("qvel")[0] = float("nan")

    monkeypatch.setattr(simulator, "step", broken)
    (report,) = population.advance(population.rollout_steps)
    assert "diverged" in (report.evicted or "")


@pytest.mark.long
@pytest.mark.slow
def test_the_population_learns_to_swing_the_pole_up() -> None:
    environment = find_environment("cartpole")
    path = environment.human_reward_path
    assert path is not None
    reward = parse(path.read_text(), environment.signals_described).compile()
    population = Population(environment, 2, 64)
    for lane in range(2):
        population.load(lane, reward, lane)
    (first, _) = population.advance(10_000)
    population.advance(200_000)
    (last, other) = population.advance(10_000)
    assert max(r.diagnostics["reward"] for r in (last, other)) > 3 * first.diagnostics["reward"]
