"""The GPU simulator keeps the promises of `Simulator`; by default on Warp's own CPU device."""

import mujoco
import pytest
import torch

from eureka_agent.common.errors import UsageError
from eureka_agent.simulation import Simulator, make_simulator, warp
from eureka_agent.simulation.capacity import Capacity
from eureka_agent.simulation.warp import WarpSimulator, explain_overflow, mjw, worlds_that_fit

N = 4


@pytest.fixture(scope="module")
def made(leg_with_goal: mujoco.MjModel, device: torch.device) -> Simulator:
    simulator = make_simulator(leg_with_goal, N, device, backend="warp")
    for field in ("sensordata", "qfrc_actuator", "site_xpos", "mocap_pos", "act"):
        simulator.view(field)
    simulator.prepare(3)
    return simulator


@pytest.fixture
def simulator(made: Simulator) -> Simulator:
    """Four worlds at the model's own state."""
    made.overflow()
    reset(made, range(N))
    return made


def reset(simulator: Simulator, worlds, height: float = 0.55) -> None:
    mask = torch.zeros(N, dtype=torch.bool, device=simulator.device)
    mask[list(worlds)] = True
    start = torch.from_numpy(simulator.model.qpos0).to(simulator.device).repeat(N, 1)
    start[:, 2] = height
    simulator.reset_where(mask, start, torch.zeros(N, simulator.model.nv, device=simulator.device))


def drive(simulator: Simulator, steps: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        control = torch.rand(N, 1, generator=generator) * 2 - 1
        simulator.view("ctrl").copy_(control)
        simulator.step(3)
    return simulator.view("qpos").clone()


def test_views_read_after_a_step_describe_the_new_state(simulator: Simulator) -> None:
    drive(simulator, 20)
    model = simulator.model
    data = mujoco.MjData(model)
    data.qpos[:] = simulator.view("qpos")[1].cpu().numpy()
    data.qvel[:] = simulator.view("qvel")[1].cpu().numpy()
    mujoco.mj_forward(model, data)
    for field in ("site_xpos", "xquat", "xmat", "cvel", "subtree_com"):
        expected = torch.from_numpy(getattr(data, field)).float()
        torch.testing.assert_close(simulator.view(field)[1].cpu(), expected, atol=1e-4, rtol=1e-4)
    foot_velocity = torch.from_numpy(data.sensordata[:3]).float()
    torch.testing.assert_close(
        simulator.view("sensordata")[1, :3].cpu(), foot_velocity, atol=1e-4, rtol=1e-4
    )


def test_a_reset_leaves_the_other_worlds_alone(simulator: Simulator) -> None:
    drive(simulator, 20)
    fields = ("qpos", "qvel", "act", "time", "ctrl", "sensordata", "qfrc_actuator")
    before = {field: simulator.view(field).clone() for field in fields}
    reset(simulator, [1, 2])
    for field in fields:
        assert torch.equal(simulator.view(field)[[0, 3]], before[field][[0, 3]]), field


def test_a_world_fresh_from_a_reset_remembers_nothing(simulator: Simulator) -> None:
    expected = drive(simulator, 8)
    simulator.view("mocap_pos")[2] = 7.0
    drive(simulator, 12)
    assert simulator.view("sensordata")[2, 6:].any()  # touch and acceleration
    reset(simulator, [2])
    for field in ("time", "ctrl", "act", "qvel", "qfrc_actuator"):
        assert not simulator.view(field)[2].any(), field
    assert not simulator.view("sensordata")[2, 6:].any()
    assert simulator.view("mocap_pos")[2, 0].tolist() == [1.0, 0.0, 1.0]
    reset(simulator, range(N))
    torch.testing.assert_close(drive(simulator, 8)[2], expected[2], atol=1e-4, rtol=1e-4)


def test_a_moved_goal_is_seen_by_the_next_step(simulator: Simulator) -> None:
    simulator.view("mocap_pos")[:, 0, 0] = 2.0
    simulator.step(1)
    assert simulator.view("sensordata")[:, 3].tolist() == pytest.approx([2.0] * N)


def test_a_restored_state_continues_as_it_would_have(simulator: Simulator) -> None:
    drive(simulator, 15)
    state = simulator.state()
    expected = drive(simulator, 5)
    reset(simulator, range(N))
    simulator.restore(state)
    torch.testing.assert_close(drive(simulator, 5), expected, atol=1e-4, rtol=1e-4)


def test_a_diverged_world_is_found_stays_alone_and_recovers(simulator: Simulator) -> None:
    expected = drive(simulator, 4)
    reset(simulator, range(N))
    simulator.view("qvel")[2, 0] = float("nan")
    after = drive(simulator, 4)
    assert simulator.diverged().tolist() == [False, False, True, False]
    torch.testing.assert_close(after[[0, 1, 3]], expected[[0, 1, 3]], atol=1e-5, rtol=1e-5)
    reset(simulator, [2])
    drive(simulator, 2)
    assert not simulator.diverged().any()


def test_different_numbers_of_substeps_share_a_simulator(simulator: Simulator) -> None:
    for _ in range(3):
        simulator.step(1)
    one_by_one = simulator.view("qpos").clone()
    reset(simulator, range(N))
    simulator.step(3)
    torch.testing.assert_close(simulator.view("qpos"), one_by_one)


def test_views_have_the_shapes_of_the_cpu(simulator: Simulator, leg_with_goal) -> None:
    reference = make_simulator(leg_with_goal, N, torch.device("cpu"), threads=1)
    for field in (
        *("qpos", "qvel", "act", "ctrl", "time", "xpos", "xquat", "xmat", "xipos", "cvel"),
        *("geom_xpos", "geom_xmat", "site_xpos", "site_xmat", "subtree_com", "sensordata"),
        *("cfrc_ext", "qfrc_actuator", "mocap_pos", "mocap_quat", "xfrc_applied", "cinert"),
    ):
        assert simulator.view(field).shape == reference.view(field).shape, field


def test_an_overflow_is_reported_once_and_survives_a_reset(simulator: WarpSimulator) -> None:
    simulator._overflow[1] = int(mjw.OverflowType.NEFC)
    reset(simulator, range(N))
    said = simulator.overflow()
    assert said is not None
    assert "1 of 4 worlds" in said
    assert "njmax" in said
    assert simulator.overflow() is None


def test_an_overflow_says_what_to_raise() -> None:
    kind = mjw.OverflowType
    masks = torch.tensor([int(kind.NARROWPHASE), 0, int(kind.NEFC | kind.HFIELD)]).numpy()
    said = explain_overflow(masks, Capacity(contacts=10, rows=30))
    assert said is not None
    for words in ("2 of 3 worlds", 'nconmax="20"', 'njmax="60"', "HFIELD"):
        assert words in said
    assert explain_overflow(masks * 0 + int(kind.ITERATIONS), Capacity(10, 30)) is None


def test_a_field_that_warp_lacks_is_refused_with_its_name(simulator: Simulator) -> None:
    for field in ("qposs", "plugin_data", "nworld"):
        with pytest.raises(UsageError, match=field):
            simulator.view(field)


def test_models_beyond_warp_are_refused_with_the_reason(leg_with_goal, device) -> None:
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><option solver="PGS"/><worldbody><body><joint/><geom size="1"/></body>'
        "</worldbody></mujoco>"
    )
    with pytest.raises(UsageError, match="Newton"):
        make_simulator(model, 2, device, backend="warp")
    model.opt.solver = mujoco.mjtSolver.mjSOL_NEWTON
    model.opt.enableflags |= mujoco.mjtEnableBit.mjENBL_FWDINV
    with pytest.raises(UsageError, match=r"mjENBL_FWDINV.*--device cpu"):
        make_simulator(model, 2, device, backend="warp")


def test_more_worlds_than_fit_are_refused_with_how_many_do(
    leg_with_goal, device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1 << 20, 1 << 30))
    fit = worlds_that_fit(leg_with_goal, Capacity(8, 18), torch.device("cuda", 0))
    assert 20 < fit < 200
    monkeypatch.setattr(warp, "worlds_that_fit", lambda *arguments: fit)
    with pytest.raises(UsageError, match=f"{fit + 1} worlds.* about {fit} would"):
        make_simulator(leg_with_goal, fit + 1, device, backend="warp")
