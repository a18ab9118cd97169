"""On the CPU simulator a world depends on no other."""

import mujoco
import pytest
import torch

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import find_environment
from eureka_agent.simulation import CpuSimulator


def make(n: int, threads: int = 1) -> CpuSimulator:
    simulator = CpuSimulator(find_environment("half_cheetah").model, n, threads)
    generator = torch.Generator().manual_seed(0)
    qpos = torch.rand(16, 9, generator=generator).double() * 0.1
    simulator.reset_where(torch.ones(n, dtype=torch.bool), qpos[:n], torch.zeros(n, 9))
    return simulator


def drive(simulator: CpuSimulator, steps: int = 10) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        controls = torch.rand(16, 6, generator=generator).double() * 2 - 1
        simulator.view("ctrl")[:] = controls[: simulator.n]
        simulator.step(5)
    return simulator.view("qpos").clone()


def test_physics_do_not_depend_on_the_number_of_worlds_or_threads() -> None:
    few, many = drive(make(3, threads=1)), drive(make(16, threads=2))
    assert torch.equal(few, many[:3])


def test_positions_read_after_a_step_describe_the_new_state() -> None:
    simulator = make(2)
    simulator.view("geom_xpos")
    drive(simulator)
    model = simulator.model
    data = mujoco.MjData(model)
    data.qpos[:] = simulator.view("qpos")[1].numpy()
    mujoco.mj_forward(model, data)
    torch.testing.assert_close(simulator.view("geom_xpos")[1], torch.from_numpy(data.geom_xpos))


def test_a_view_asked_for_late_describes_the_present_state() -> None:
    simulator = make(2)
    before = drive(simulator)
    late = simulator.view("geom_xpos").clone()
    assert late.abs().sum() > 0
    assert torch.equal(simulator.view("qpos"), before)


def test_only_the_given_worlds_are_stepped() -> None:
    simulator = make(4)
    before = simulator.view("qpos").clone()
    simulator.view("ctrl")[:] = 1.0
    simulator.step(5, [1, 3])
    moved = (simulator.view("qpos") != before).any(1)
    assert moved.tolist() == [False, True, False, True]


def test_a_diverged_world_is_found_stays_alone_and_recovers_by_a_reset() -> None:
    simulator, twin = make(4), make(4)
    simulator.view("qvel")[2, 0] = float("nan")
    after, expected = drive(simulator, 1), drive(twin, 1)
    assert simulator.diverged().tolist() == [False, False, True, False]
    assert torch.equal(after[[0, 1, 3]], expected[[0, 1, 3]])
    simulator.reset_where(torch.arange(4) == 2, torch.zeros(4, 9), torch.zeros(4, 9))
    drive(simulator, 1)
    assert not simulator.diverged().any()


def test_a_runaway_world_counts_as_diverged_before_it_is_not_a_number() -> None:
    simulator = make(2)
    simulator.view("qvel")[0, 0] = 1e8
    assert simulator.diverged().tolist() == [True, False]


def test_the_engine_neither_resets_by_itself_nor_uses_its_sparse_solver() -> None:
    model = make(1).model
    assert model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_AUTORESET
    assert model.opt.jacobian == mujoco.mjtJacobian.mjJAC_DENSE


def test_no_log_file_is_written(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    simulator = make(1)
    simulator.view("qvel")[0, 0] = float("nan")
    simulator.step(1)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_field_is_refused_with_its_name() -> None:
    with pytest.raises(UsageError, match="qposs"):
        make(1).view("qposs")
