"""Reacher, pusher, poles, tray and quadcopter: as published, with correct signals."""

import math

import pytest
import torch
from peers import loaded, paid, started
from torch import Tensor

from eureka_agent.environment import (
    Episodes,
    MujocoWorlds,
    ResetNoise,
    SignalLayout,
    State,
    load_fitness,
    mix,
)

OURS = (
    *("reacher", "pusher", "inverted_double_pendulum", "reacher_hold"),
    *("cartpole_balance", "ball_balance", "quadcopter"),
)


def put(worlds: MujocoWorlds, qpos: Tensor, qvel: Tensor | None = None) -> State:
    """Put all worlds into states, with their actuators as at an episode's start."""
    still = torch.zeros(worlds.n, worlds.environment.model.nv, dtype=torch.float64)
    act = worlds.environment.activations(qpos)
    everywhere = torch.ones(worlds.n, dtype=torch.bool)
    worlds.simulator.reset_where(everywhere, qpos, still if qvel is None else qvel, act)
    return State(worlds.simulator)


def rest(worlds: MujocoWorlds) -> Tensor:
    return torch.from_numpy(worlds.environment.model.qpos0).repeat(worlds.n, 1)


def now(worlds: MujocoWorlds, name: str) -> Tensor:
    return worlds.layout.read(worlds.signals, name)


def test_targets_of_the_reacher_are_spread_evenly_over_the_disk() -> None:
    pose, velocity = loaded("reacher").reset(ResetNoise(mix(0, torch.arange(4000))))
    radius = pose[:, 2:].norm(dim=1)
    inner = [(radius < 0.2 * math.sqrt(share)).double().mean().item() for share in (0.25, 0.5, 1.0)]
    assert inner == pytest.approx([0.25, 0.5, 1.0], abs=0.03)
    assert (velocity[:, 2:] == 0.0).all()


def test_objects_of_the_pusher_never_begin_near_the_goal() -> None:
    pose, _ = loaded("pusher").reset(ResetNoise(mix(0, torch.arange(4000))))
    left, forward = pose[:, 7:9].T
    assert torch.hypot(left, forward).min() > 0.17
    assert left.min() > -0.3
    assert left.max() < 0.0
    assert forward.abs().max() < 0.2
    near = (forward.abs() < 0.17).double().mean()  # 0.34 m of 0.4, less the half disk
    assert near.item() == pytest.approx((0.34 * 0.3 - 0.0454) / (0.4 * 0.3 - 0.0454), abs=0.03)


RATES = [
    ("reacher", "fingertip_position", "fingertip_velocity"),
    ("reacher", "joint_angles", "joint_velocities"),
    ("pusher", "fork_position", "fork_velocity"),
    ("pusher", "object_position", "object_velocity"),
    ("inverted_double_pendulum", "pole_angles", "pole_angular_velocities"),
    ("cartpole_balance", "pole_angle", "pole_angular_velocity"),
    ("ball_balance", "ball_position", "ball_velocity"),
    ("ball_balance", "knee_angles", "knee_velocities"),
    ("quadcopter", "chassis_position", "chassis_velocity"),
]


@pytest.mark.parametrize(("name", "place", "speed"), RATES)
def test_velocities_are_the_rates_of_positions(name: str, place: str, speed: str) -> None:
    worlds = started(name, 4)
    worlds.step(torch.full((4, worlds.action_size), 0.05))
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        before, slow = now(worlds, place), now(worlds, speed)
        step = worlds.step(torch.randn(4, worlds.action_size, generator=generator) * 0.02)
        after, fast = (worlds.layout.read(step.after, signal) for signal in (place, speed))
        rate = (after - before) / worlds.environment.control_step
        rate = rate[:, : slow.shape[1]] if rate.dim() == 2 else rate
        assert (rate >= torch.minimum(slow, fast) - 0.15).all()
        assert (rate <= torch.maximum(slow, fast) + 0.15).all()


def test_offsets_point_from_the_first_to_the_second() -> None:
    worlds = started("pusher", 4)
    away = now(worlds, "object_position") - now(worlds, "fork_position")
    assert torch.allclose(now(worlds, "object_offset"), away)
    away = torch.tensor([0.45, -0.05, -0.323]) - now(worlds, "object_position")
    assert torch.allclose(now(worlds, "goal_offset"), away, atol=1e-6)
    worlds = started("reacher", 4)
    away = now(worlds, "target_position") - now(worlds, "fingertip_position")
    assert torch.allclose(now(worlds, "target_offset"), away)


MOVES = [  # joint, by how much, and which column of the fork's place then grows
    (0, 0.3, "fork_position", 1),
    (1, -0.3, "fork_position", 2),
    (3, -0.3, "fork_position", 2),
    (5, -0.3, "fork_direction", 2),
]


@pytest.mark.parametrize(("joint", "amount", "signal", "column"), MOVES)
def test_joints_of_the_pusher_move_it_as_their_names_say(
    joint: int, amount: float, signal: str, column: int
) -> None:
    worlds = started("pusher", 1)
    pose = rest(worlds)
    straight = worlds.environment.signals(put(worlds, pose))[signal]
    pose[0, joint] = amount
    moved = worlds.environment.signals(put(worlds, pose))[signal]
    assert moved[0, column] > straight[0, column] + 0.05


@pytest.mark.parametrize("name", ["inverted_double_pendulum", "cartpole_balance"])
def test_a_pole_that_leans_to_the_right_falls_to_the_right(name: str) -> None:
    worlds = started(name, 1)
    pose = rest(worlds)
    pose[0, 1] = 0.05
    put(worlds, pose)
    for _ in range(4):
        worlds.step(torch.zeros(1, 1))
    assert worlds.simulator.view("qvel")[0, 1] > 0.02
    if name == "inverted_double_pendulum":
        assert now(worlds, "tip_position")[0, 0] > 0.0


def test_isaacs_cartpole_fines_failure_and_nothing_else_in_that_step() -> None:
    worlds = started("cartpole_balance", 2)
    pose, velocity = rest(worlds), torch.zeros(2, 2, dtype=torch.float64)
    pose[:, 0] = torch.tensor([0.5, 2.999])
    velocity[:, 0] = 1.0
    put(worlds, pose, velocity)
    action = torch.zeros(2, 1)
    step = worlds.step(action)
    assert step.terminated.tolist() == [False, True]
    assert paid(worlds, action, step).total.tolist() == pytest.approx([0.99, -2.0], abs=1e-3)


@pytest.mark.parametrize("name", ["inverted_double_pendulum", "cartpole_balance", "ball_balance"])
def test_duration_is_the_fraction_of_the_time_limit_survived(name: str) -> None:
    environment = loaded(name)
    measure = load_fitness(environment.fitness_path)
    layout = SignalLayout(environment.signals_described)
    limit = environment.episode_steps
    lengths = torch.tensor([limit // 4, limit])
    states = torch.zeros(limit + 1, 2, layout.width)
    episodes = Episodes(states, torch.zeros(limit, 2, 1), lengths, lengths < limit)
    steps = measure(episodes.arguments(layout, measure.parameters)).total.view(limit, 2)
    lived = measure.episode(steps, lengths).tolist()
    assert lived == pytest.approx([0.25, 1.0], abs=1.5 / limit)


def test_a_crash_of_the_quadcopter_is_worse_than_any_flight() -> None:
    environment = loaded("quadcopter")
    measure = load_fitness(environment.fitness_path)
    lengths = torch.tensor([10, 500])
    steps = measure.function(target_offset=torch.tensor([[0.1, 0.0, 0.0], [0.0, 2.9, 0.0]]))
    crash, flight = measure.episode(steps.repeat(500, 1), lengths).tolist()
    assert crash < flight == pytest.approx(-2.9)


def test_feet_of_the_tray_stay_in_place_whatever_the_knees_do() -> None:
    worlds = started("ball_balance", 8)
    generator = torch.Generator().manual_seed(0)
    angles = torch.arange(3) * 2 * math.pi / 3
    places = 0.4 * torch.stack([angles.cos(), angles.sin(), torch.full((3,), 0.02)], dim=1)
    for _ in range(30):
        worlds.step(torch.randn(8, 3, generator=generator).sign())
        state = State(worlds.simulator)
        for leg, place in enumerate(places):
            below = state.body_rotation(f"lower leg {leg}")[:, :, 2] * -0.36
            foot = state.body_position(f"lower leg {leg}") + below
            assert (foot - place).norm(dim=1).max() < 0.03


def test_a_stretched_knee_lifts_its_side_of_the_tray() -> None:
    worlds = started("ball_balance", 3)
    put(worlds, rest(worlds))
    for _ in range(8):
        worlds.step(0.2 * torch.eye(3))
    up, knees = now(worlds, "tray_up"), now(worlds, "knee_angles")
    assert (knees.diagonal() > 0.1).all()
    assert up[0, 0] < -0.05  # leg 0 stands under +x
    assert up[1, 1] < -0.05  # leg 1 under +y, a little to -x
    assert up[2, 1] > 0.05


def test_balls_fly_in_towards_the_middle() -> None:
    pose, velocity = loaded("ball_balance").reset(ResetNoise(mix(0, torch.arange(500))))
    place, speed = pose[:, 13:15], velocity[:, 12:14]
    across = place[:, 0] * speed[:, 1] - place[:, 1] * speed[:, 0]
    assert ((place * speed).sum(1) <= 0.0).all()
    assert across.abs().max() < 1e-9
    assert 0.45 < place.norm(dim=1).max() <= 0.5
    assert (velocity[:, 14] == -5.0).all()
    assert (pose[:, 15] >= 1.0).all()
    assert (pose[:, 15] <= 2.0).all()


def test_the_quadcopter_begins_without_thrust_and_with_tilts_at_their_targets() -> None:
    worlds = started("quadcopter", 4)
    assert (now(worlds, "thrusts") == 0.0).all()
    before = now(worlds, "tilt_angles")
    assert before.abs().max() > 0.1
    worlds.step(torch.zeros(4, 12))
    assert torch.allclose(now(worlds, "tilt_angles"), before, atol=0.02)


def test_thrusts_that_carry_the_weight_hold_the_quadcopter_in_its_place() -> None:
    worlds = started("quadcopter", 1)
    put(worlds, rest(worlds))
    weight = float(worlds.environment.model.body_mass.sum()) * 9.81
    rise = weight / 4 / (200.0 * worlds.environment.control_step)
    action = torch.zeros(1, 12)
    action[:, 8:] = rise
    worlds.step(action)
    for _ in range(20):
        worlds.step(torch.zeros(1, 12))
    assert now(worlds, "thrusts")[0].tolist() == pytest.approx([weight / 4] * 4, rel=1e-3)
    assert now(worlds, "chassis_velocity").abs().max() < 0.1
    action[:, 8:] = 1.0
    worlds.step(action)
    worlds.step(action)
    assert now(worlds, "thrusts").max() == 2.0


def test_tilted_rotors_push_outwards_and_turn_the_chassis_clockwise() -> None:
    worlds = started("quadcopter", 8)
    pose = rest(worlds)
    pose[:, 7:15] = 0.3 * torch.eye(8)
    put(worlds, pose)
    lift = torch.zeros(8, 12)
    lift[:, 8:] = 0.3
    worlds.step(lift)
    for _ in range(3):
        worlds.step(torch.zeros(8, 12))
    outwards = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    assert (now(worlds, "chassis_velocity")[::2, :2] * outwards > 0.01).all()
    assert (now(worlds, "angular_velocity")[1::2, 2] < -0.05).all()


@pytest.mark.parametrize("name", OURS)
def test_violent_actions_break_no_physics(name: str) -> None:
    worlds = started(name, 8)
    generator = torch.Generator().manual_seed(0)
    for _ in range(120):
        step = worlds.step(torch.randn(8, worlds.action_size, generator=generator).sign())
        assert not step.diverged.any()
        assert torch.isfinite(step.after).all()
