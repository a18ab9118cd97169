"""Walkers, swimmers and runners behave as published, and their fitness cannot be gamed."""

import math

import mujoco
import numpy as np
import pytest
import torch
from peers import loaded, paid, peer_of, started
from torch import Tensor

from eureka_agent.environment import (
    Environment,
    Episodes,
    SignalLayout,
    State,
    load_fitness,
)
from eureka_agent.simulation import CpuSimulator

ISAAC = ("ant_isaac", "humanoid_isaac")


def placed(environment: Environment, qpos: Tensor, qvel: Tensor | None = None) -> State:
    """The environment's state in given positions `[N, nq]` and velocities `[N, nv]`, or at rest."""
    simulator = CpuSimulator(environment.model, len(qpos), threads=1)
    if qvel is None:
        qvel = torch.zeros(len(qpos), environment.model.nv)
    simulator.reset_where(torch.ones(len(qpos), dtype=torch.bool), qpos, qvel)
    return State(simulator)


def rest(environment: Environment, n: int = 1) -> Tensor:
    return torch.from_numpy(environment.model.qpos0).repeat(n, 1)


def measured(environment: Environment, state: State) -> Tensor:
    """The fitness of a step that ends in a state and began in it, `[N]`."""
    measure = load_fitness(environment.fitness_path)
    now = environment.signals(state)
    return measure({name: now[name.removeprefix("prev_")] for name in measure.parameters}).total


def episode_measured(name: str, signal: str, values: Tensor, lengths: Tensor) -> Tensor:
    """Fitness of episodes `[E]` with a signal's first column `[L + 1, E]` and all else 0."""
    environment = loaded(name)
    layout = SignalLayout(environment.signals_described)
    measure = load_fitness(environment.fitness_path)
    states = torch.zeros(*values.shape, layout.width)
    column = layout.read(states, signal)
    (column if column.dim() == 2 else column[:, :, 0]).copy_(values)
    actions = torch.zeros(environment.episode_steps, len(lengths), 1)
    early = lengths < environment.episode_steps
    episodes = Episodes(states, actions, lengths, early)
    steps = measure(episodes.arguments(layout, measure.parameters)).total.view(actions.shape[:2])
    return measure.episode(steps, lengths)


# --- Gymnasium's -------------------------------------------------------------------------------


def test_walker2d_ends_where_gymnasium_ends_it() -> None:
    worlds, random, n = started("walker2d"), np.random.default_rng(0), 200
    peer = peer_of(worlds, "Walker2d-v5")
    qpos = peer.init_qpos + random.uniform(-1.3, 1.3, (n, 9))
    ended = worlds.environment.terminated(placed(worlds.environment, torch.from_numpy(qpos)))
    for one, pose in zip(ended.tolist(), qpos, strict=True):
        peer.set_state(pose, np.zeros(9))
        assert one == (not peer.is_healthy)
    assert 0.1 < ended.float().mean() < 0.9


# --- Isaac's -----------------------------------------------------------------------------------


def isaacs(name: str, seen: np.ndarray, action: np.ndarray, progress: np.ndarray) -> np.ndarray:
    """The published reward, computed from the observation `[N, D]` after a step as Isaac does."""
    up, heading = seen[:, 10], seen[:, 11]
    joints = 8 if name == "ant_isaac" else 21
    position, velocity = seen[:, 12 : 12 + joints], seen[:, 12 + joints : 12 + 2 * joints]
    total = progress + 0.1 * (up > 0.93) + np.where(heading > 0.8, 0.5, 0.5 * heading / 0.8)
    if name == "ant_isaac":
        motors = np.roll(action, -2, axis=1)  # ours begin with the last leg
        total += 0.5 - 0.005 * (action**2).sum(1) - 0.1 * (position > 0.99).sum(1)
        total -= 0.05 * np.abs(motors * velocity).sum(1)
        return np.where(seen[:, 0] < 0.31, -2.0, total)
    gear = loaded(name).model.actuator_gear[:, 0]
    share = gear / gear.max()
    beyond = np.where(np.abs(position) > 0.98, 0.25 * (np.abs(position) - 0.98) / 0.02, 0.0)
    total += 2.0 - 0.01 * (action**2).sum(1) - (beyond * share).sum(1)
    total -= 0.05 * (np.abs(action * velocity) * share).sum(1)
    return np.where(seen[:, 0] < 0.8, -1.0, total)


@pytest.mark.parametrize("name", ISAAC)
def test_the_human_reward_is_isaacs(name: str) -> None:
    worlds = started(name, 16)
    generator = torch.Generator().manual_seed(0)
    ends = 0
    for _ in range(150):
        action = torch.rand(16, worlds.action_size, generator=generator) * 2 - 1
        step = worlds.step(action)
        before, after = (
            worlds.layout.read(packed, "target_distance") for packed in (step.before, step.after)
        )
        progress = ((before - after) * 60).numpy()
        expected = isaacs(name, step.final_observation.numpy(), action.numpy(), progress)
        assert paid(worlds, action, step).total.numpy() == pytest.approx(expected, abs=1e-3)
        ends += int(step.terminated.sum())
    assert ends


@pytest.mark.parametrize("name", ISAAC)
def test_the_observation_is_relative_to_torso_and_target(name: str) -> None:
    environment = loaded(name)
    pose, speed = rest(environment), torch.zeros(1, environment.model.nv, dtype=torch.float64)
    turned = math.radians(90.0)  # to the left, so that the target is to the right
    pose[0, 3], pose[0, 6] = math.cos(turned / 2), math.sin(turned / 2)
    speed[0, 0:6] = torch.tensor([0.0, 2.0, 0.5, 0.4, 0.0, 0.0])  # left in the world is ahead
    seen = environment.observation(placed(environment, pose, speed))[0]
    roll_rate = 0.4 if name == "ant_isaac" else 0.1
    expected = torch.tensor([2.0, 0.0, 0.5, roll_rate, 0.0, 0.0, turned, 0.0, -turned, 1.0, 0.0])
    assert torch.allclose(seen[1:12], expected, atol=1e-5)


def test_ant_isaac_begins_with_its_ankles_at_the_limit_or_inside() -> None:
    worlds = started("ant_isaac", 200)
    angles = worlds.layout.read(worlds.signals, "joint_angles")
    bent = angles[:, 1::2] * torch.tensor([1.0, -1.0, -1.0, 1.0])
    limit = math.radians(30.0)
    assert torch.allclose(worlds.observation[:, 0], torch.tensor(0.44))
    assert bent.min().item() == pytest.approx(limit, abs=1e-6)
    assert limit + 0.15 < bent.max().item() <= limit + 0.2
    assert angles[:, 0::2].abs().max() <= 0.2


def test_the_motors_of_humanoid_isaac_stand_in_the_order_of_its_joints() -> None:
    model = loaded("humanoid_isaac").model
    assert model.actuator_trnid[:, 0].tolist() == list(range(1, model.njnt))
    assert (model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT).all()


@pytest.mark.parametrize("name", ISAAC)
def test_control_runs_at_60_hertz(name: str) -> None:
    assert loaded(name).control_step == pytest.approx(1 / 60)


# --- Fitness -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "signal", "sign"),
    [
        ("walker2d", "torso_position", 1.0),
        ("swimmer", "centre_of_mass", 1.0),
        ("half_cheetah_backward", "torso_position", -1.0),
        ("ant_isaac", "target_distance", -1.0),
        ("humanoid_isaac", "target_distance", -1.0),
    ],
)
def test_a_dive_is_worth_the_distance_it_covers_and_no_more(
    name: str, signal: str, sign: float
) -> None:
    environment = loaded(name)
    limit, speeds = environment.episode_steps, torch.tensor([5.0, 0.2])  # m/s: a dive, a walk
    way = environment.control_step * torch.arange(limit + 1.0)[:, None] * speeds
    dive, walk = episode_measured(name, signal, sign * way, torch.tensor([20, limit])).tolist()
    assert dive == pytest.approx(5.0 * 20 / limit, rel=1e-2)
    assert walk == pytest.approx(0.2, rel=1e-2)


def test_a_speed_other_than_the_target_counts_as_its_difference() -> None:
    name, limit = "half_cheetah_target_speed", 1000
    speeds = torch.tensor([2.0, 0.0, 5.0, -1.0])
    way = loaded(name).control_step * torch.arange(limit + 1.0)[:, None] * speeds
    values = episode_measured(name, "torso_position", way, torch.full((4,), limit))
    assert values.tolist() == pytest.approx([0.0, -2.0, -3.0, -3.0], abs=1e-3)


HIP, KNEE, ANKLE = 3, 4, 5


@pytest.mark.parametrize(
    ("pose", "height"),
    [
        pytest.param({1: 1.21}, 0.0, id="standing"),
        pytest.param({1: 1.21 + 0.3}, 0.3, id="in the air"),
        pytest.param({1: 1.21 + 0.3, 0: 0.6}, 0.0, id="in the air elsewhere"),
        pytest.param({1: 1.36, ANKLE: -0.78}, 0.0, id="on tiptoe"),
        pytest.param({1: 0.75, KNEE: -2.6}, 0.0, id="on the knee, the foot up"),
        pytest.param({1: 1.25, HIP: -1.0, KNEE: -1.0}, 0.04, id="the leg pulled up"),
    ],
)
def test_only_a_hop_on_the_spot_counts_as_height(pose: dict[int, float], height: float) -> None:
    environment = loaded("hopper_hop_in_place")
    qpos = rest(environment)
    for index, value in pose.items():
        qpos[0, index] = value
    value = measured(environment, placed(environment, qpos)).item()
    assert value == pytest.approx(height, abs=2e-3)


def test_the_ground_clearance_is_that_of_the_lowest_geom() -> None:
    environment = loaded("hopper_hop_in_place")
    generator = torch.Generator().manual_seed(0)
    qpos = rest(environment, 100)
    qpos[:, 1] = 1.5
    low, high = torch.tensor(environment.model.jnt_range[3:]).clamp(min=-1.5).T  # thigh downwards
    qpos[:, 3:] = low + (high - low) * torch.rand(100, 3, generator=generator).double()
    state = placed(environment, qpos)
    size = torch.from_numpy(environment.model.geom_size).float()
    axis = state.geom_xmat.reshape(100, -1, 3, 3)[:, :, 2, 2].abs()
    lowest = state.geom_xpos[:, :, 2] - axis * size[:, 1] - size[:, 0]
    robot = environment.model.geom_bodyid > 0
    clearance = environment.signals(state)["ground_clearance"]
    assert torch.allclose(clearance, lowest[:, robot].amin(1), atol=1e-5)


def test_the_position_is_seen_where_it_matters() -> None:
    environment = loaded("hopper_hop_in_place")
    qpos = rest(environment, 2)
    qpos[1, 0] = 0.3
    here, there = environment.observation(placed(environment, qpos))
    assert (here != there).any()
