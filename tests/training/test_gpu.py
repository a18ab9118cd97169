"""On a GPU a rollout is collected without waiting for the device, and training works there."""

import pytest
import torch

from eureka_agent.environment import find_environment
from eureka_agent.reward import parse
from eureka_agent.simulation import gpu_obstacle, make_simulator
from eureka_agent.training import Population

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(gpu_obstacle() is not None, reason=f"no GPU: {gpu_obstacle()}"),
]
DEVICE = torch.device("cuda", 0)


@pytest.fixture(scope="module")
def population() -> Population:
    environment = find_environment("cartpole")
    path = environment.human_reward_path
    assert path is not None
    reward = parse(path.read_text(), environment.signals_described).compile()
    population = Population(environment, 2, 64, device=DEVICE)
    for lane in range(2):
        population.load(lane, reward, seed=lane)
    return population


def test_a_population_trains(population: Population) -> None:
    before = population.weights(0)
    reports = population.advance(3 * population.rollout_steps)
    assert [report.evicted for report in reports] == [None, None]
    after = population.weights(0)
    assert all(value.isfinite().all() for value in after.values())
    assert any(not torch.equal(after[name], before[name]) for name in after)
    assert population.overflow is None


def test_no_rollout_waits_for_the_device(population: Population) -> None:
    (group,) = population._groups
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        with torch.no_grad():
            group._collect()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_physics_keep_their_order_on_any_stream() -> None:
    environment = find_environment("cartpole")
    simulator = make_simulator(environment.model, 8, DEVICE)
    everywhere = torch.ones(8, dtype=torch.bool, device=DEVICE)
    zeros = torch.zeros(8, environment.model.nv, device=DEVICE)

    def drive() -> torch.Tensor:
        simulator.reset_where(everywhere, zeros, zeros)
        for step in range(20):
            simulator.view("ctrl").fill_(0.1 * step)
            simulator.step(2)
        return simulator.view("qpos").clone()

    expected = drive()
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        positions = drive()
    torch.cuda.synchronize()
    torch.testing.assert_close(positions, expected)
