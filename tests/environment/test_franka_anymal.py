"""The arm at the cabinet and the commanded quadruped do what their signals and sources say."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
import torch
from peers import loaded, paid, started
from torch import Tensor

from eureka_agent.environment import (
    Episodes,
    MujocoWorlds,
    SignalLayout,
    Step,
    load_fitness,
)
from eureka_agent.environment.state import State
from eureka_agent.simulation import CpuSimulator

QUADRUPED, ARM = "anymal", "franka_cabinet"
LEGS = ("front left", "front right", "back left", "back right")


def put(worlds: MujocoWorlds, qpos: Tensor, qvel: Tensor | None = None) -> State:
    """Put every world into a state of its own: `[n, nq]`, and `[n, nv]` or at rest."""
    qvel = torch.zeros(worlds.n, worlds.environment.model.nv) if qvel is None else qvel
    everywhere = torch.ones(worlds.n, dtype=torch.bool)
    simulator = worlds.simulator
    assert isinstance(simulator, CpuSimulator)
    activations = worlds.environment.activations(qpos.double())
    simulator.reset_where(everywhere, qpos.double(), qvel.double(), activations)
    return State(simulator, task={"command": torch.zeros(worlds.n, 3)})


def read(worlds: MujocoWorlds, packed: Tensor, name: str) -> Tensor:
    return worlds.layout.read(packed, name)


@pytest.mark.parametrize("name", [QUADRUPED, ARM])
def test_nothing_breaks_under_random_and_under_held_extreme_actions(name: str) -> None:
    worlds = started(name, 16)
    generator = torch.Generator().manual_seed(0)
    held = torch.zeros(16, worlds.action_size)
    for step in range(200):
        random = torch.rand(16, worlds.action_size, generator=generator) * 2 - 1
        held = random.sign() if step % 40 == 0 else held
        result = worlds.step(torch.cat([random[:8], held[8:]]))
        assert not result.diverged.any()
        assert result.after.isfinite().all()
        assert result.final_observation.isfinite().all()


# The quadruped.


def standing(worlds: MujocoWorlds) -> Tensor:
    return torch.from_numpy(worlds.environment.model.qpos0).repeat(worlds.n, 1)


@pytest.mark.parametrize("leg", range(4))
def test_a_positive_joint_angle_moves_the_foot_as_its_name_says(leg: int) -> None:
    worlds = started(QUADRUPED, 4)
    pose = standing(worlds)
    for joint in range(3):
        pose[joint + 1, 7 + 3 * leg + joint] = 0.2
    feet = worlds.environment.signals(put(worlds, pose))["foot_positions"].view(4, 4, 3)
    sideways, swung, bent = (feet[1:] - feet[0])[:, leg]
    assert sideways[1] > 0.05 and swung[0] < -0.05 and bent[0] < -0.04
    others = [other for other in range(4) if other != leg]
    assert (feet[1:, others] == feet[0, others]).all()


def test_the_quadruped_measures_along_its_own_axes() -> None:
    worlds = started(QUADRUPED, 2)
    pose, speed = standing(worlds), torch.zeros(2, 18)
    pose[0, 3:7] = torch.tensor([0.5**0.5, 0.0, 0.0, 0.5**0.5])  # turned to the left
    pose[1, 3:7] = torch.tensor([np.cos(0.1), 0.0, np.sin(0.1), 0.0])  # nose down by 0.2 rad
    speed[:, 1] = 1.0
    signals = worlds.environment.signals(put(worlds, pose, speed))
    velocity, down = signals["base_velocity"], signals["gravity_direction"]
    assert velocity[0].tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)
    assert down[0].tolist() == pytest.approx([0.0, 0.0, -1.0], abs=1e-6)
    assert down[1].tolist() == pytest.approx([np.sin(0.2), 0.0, -np.cos(0.2)], abs=1e-6)


def test_torques_are_those_of_the_motors() -> None:
    worlds = started(QUADRUPED)
    model = worlds.environment.model
    random = np.random.default_rng(0)
    for _ in range(5):
        worlds.step(torch.from_numpy(random.uniform(-1, 1, (1, 12))).float())
        data = mujoco.MjData(model)
        for field in ("qpos", "qvel", "ctrl"):
            getattr(data, field)[:] = worlds.simulator.view(field)[0]
        mujoco.mj_forward(model, data)
        ours = read(worlds, worlds.signals, "joint_torques")[0]
        assert ours.numpy() == pytest.approx(data.actuator_force, abs=1e-3)


def test_the_quadruped_falls_on_base_hips_and_knees_but_stands_on_its_feet() -> None:
    worlds = started(QUADRUPED, 5)
    pose = standing(worlds)
    pose[:, 2] = torch.tensor([0.51, 0.32, 0.08, 0.4, 0.2])
    pose[1, 7:] = torch.tensor([0.0, -0.4, -1.2] * 2 + [0.0, 0.4, 1.2] * 2)  # kneels
    pose[2, 3:7] = torch.tensor([0.0, 1.0, 0.0, 0.0])  # on its back
    pose[3, 3:7] = torch.tensor([np.cos(0.4), 0.0, np.sin(0.4), 0.0])  # on its nose
    pose[4, 3:7] = torch.tensor([0.5**0.5, 0.5**0.5, 0.0, 0.0])  # on its side
    down = worlds.environment.terminated(put(worlds, pose))
    assert down.tolist() == [False, True, True, True, True]


def test_commands_are_drawn_for_an_episode_and_stay() -> None:
    worlds = started(QUADRUPED, 300, age=498)  # two steps are left
    command = worlds.observation[:, 9:12]
    assert command.abs().amax(0).tolist() == pytest.approx([2.0, 1.0, 1.0], rel=0.05)
    assert command.mean(0).abs().max() < 0.2
    for _ in range(2):
        assert (worlds.observation[:, 9:12] == command).all()
        after = worlds.step(torch.zeros(300, 12)).after
        assert (read(worlds, after, "command_velocity") == command[:, :2]).all()
        assert (read(worlds, after, "command_yaw_rate") == command[:, 2]).all()
    assert (worlds.observation[:, 9:12] != command).all()  # the next episode has begun


def test_the_policy_sees_the_targets_of_its_last_action() -> None:
    worlds = started(QUADRUPED)
    assert (worlds.observation[:, 36:48] == 0.0).all()
    action = torch.linspace(-1, 1, 12)[None]
    seen = worlds.step(action).final_observation[0, 36:48]
    assert seen.tolist() == pytest.approx(action[0].tolist(), abs=1e-6)


def test_the_quadruped_is_paid_as_published() -> None:
    worlds = started(QUADRUPED, 64)
    generator = torch.Generator().manual_seed(0)
    for scale in (0.1, 1.0, 4.0):  # the last one costs more than following the command pays
        action = (torch.randn(64, 12, generator=generator) * scale).clamp(-1, 1)
        step = worlds.step(action)
        names = ("command_velocity", "command_yaw_rate", "base_velocity", "base_angular_velocity")
        command, yaw, velocity, spin = (read(worlds, step.after, name) for name in names)
        torque = read(worlds, step.after, "joint_torques")
        follow = torch.exp(-((command - velocity[:, :2]) ** 2).sum(1) / 0.25)
        turn = torch.exp(-((yaw - spin[:, 2]) ** 2) / 0.25)
        total = 0.02 * (follow + 0.5 * turn - 0.000025 * (torque**2).sum(1))
        assert paid(worlds, action, step).total.numpy() == pytest.approx(
            total.clamp(min=0), abs=1e-6
        )


def test_a_fall_is_worth_no_more_than_standing_still() -> None:
    environment = loaded(QUADRUPED)
    layout = SignalLayout(environment.signals_described)
    measure = load_fitness(environment.fitness_path)
    limit = environment.episode_steps
    states = torch.zeros(limit + 1, 2, layout.width)  # standing still
    layout.read(states, "command_velocity")[:] = torch.tensor([-2.0, 1.0])
    layout.read(states, "command_yaw_rate")[:] = 0.99
    lengths = torch.tensor([20, limit])
    episodes = Episodes(states, torch.zeros(limit, 2, 12), lengths, lengths < limit)
    steps = measure(episodes.arguments(layout, measure.parameters)).total.view(limit, 2)
    fall, stand = measure.episode(steps, lengths).tolist()
    assert fall < stand == pytest.approx(-5.98, abs=0.01)


# The arm.


def test_without_actions_the_arm_stays_where_it_begins() -> None:
    worlds = started(ARM, 8)
    before = worlds.simulator.view("qpos").clone()
    for _ in range(20):
        worlds.step(torch.zeros(8, 9))
    assert worlds.simulator.view("qpos").numpy() == pytest.approx(before.numpy(), abs=1e-9)
    assert before[:, :9].std(0).min() > 0.005


def test_a_full_action_moves_a_target_by_the_published_step() -> None:
    worlds = started(ARM)
    before = worlds.simulator.view("act").clone()
    action = torch.tensor([[1.0, -1.0, 1.0, 1.0, -1.0, 1.0, -1.0, -1.0, -1.0]])
    worlds.step(action)
    moved = worlds.simulator.view("act") - before
    assert moved[0, :7].numpy() == pytest.approx(7.5 / 60 * action[0, :7].numpy())
    assert moved[0, 7:].numpy() == pytest.approx([-0.0125] * 2)


def pinch(model: mujoco.MjModel, qpos: np.ndarray, act: np.ndarray, step: int) -> Tensor:
    """Action of a scripted hand: to before the handle, to it, close the fingers, pull."""
    data = mujoco.MjData(model)
    data.qpos[:] = qpos
    mujoco.mj_forward(model, data)
    ahead = 0.12 if step < 100 else -0.005 if step < 200 else 0.06
    handle = data.geom("handle").xpos + np.array([ahead, 0.0, 0.0])
    linear, angular = np.zeros((2, 3, model.nv))
    mujoco.mj_jacSite(model, data, linear, angular, model.site("fingertips").id)
    upright = np.array([[0.0, 0, -1], [-1, 0, 0], [0, 1, 0]])  # its axes are the columns
    turned = data.body("hand").xmat.reshape(3, 3)
    turn = 2.0 * np.cross(turned, upright, axis=0).sum(1)
    wanted = np.concatenate([4.0 * (handle - data.site("fingertips").xpos), turn])
    jacobian = np.vstack([linear, angular])[:, :7]
    speed = jacobian.T @ np.linalg.solve(jacobian @ jacobian.T + 0.001 * np.eye(6), wanted)
    lead = qpos[:7] + speed / 5.0 - act[:7]  # a joint's speed is 5 times its target's lead
    fingers = [-1.0 if step >= 160 else 1.0] * 2
    return torch.from_numpy(np.clip([*(lead * 8.0), *fingers], -1.0, 1.0)).float()[None]


@pytest.fixture(scope="module")
def pull() -> tuple[Tensor, list[Step]]:
    """An episode of the scripted hand: positions `[L, nq]` and steps until it ends."""
    worlds = started(ARM)
    poses, steps = [], []
    for number in range(worlds.environment.episode_steps):
        qpos, act = (worlds.simulator.view(field)[0].numpy() for field in ("qpos", "act"))
        poses.append(torch.from_numpy(qpos.copy()))
        steps.append(worlds.step(pinch(worlds.environment.model, qpos, act, number)))
        if steps[-1].terminated:
            break
    return torch.stack(poses), steps


def test_a_hand_that_pinches_the_handle_can_pull_the_drawer_open(
    pull: tuple[Tensor, list[Step]],
) -> None:
    environment = loaded(ARM)
    layout = SignalLayout(environment.signals_described)
    poses, steps = pull
    assert steps[-1].terminated and poses[:160, 9].abs().max() < 1e-3
    measure = load_fitness(environment.fitness_path)
    after = torch.cat([step.after for step in steps])
    opened = measure.function(layout.read(after, "drawer_opening"))
    assert opened.sum() == opened[-1] == 1.0
    assert measure.progress is not None
    names = measure.progress.parameters
    progress = measure.progress.function(**{name: layout.read(after, name) for name in names})
    assert progress[[0, 150, -1]].diff().min() > 0.3
    values = torch.zeros(environment.episode_steps, 1)
    values[: len(steps), 0] = opened
    assert measure.episode(values, torch.tensor([len(steps)])) == 1.0


def published_pay(data: mujoco.MjData, action: np.ndarray) -> float:
    """The human reward from the physics alone, in the source's order."""
    opening, grasp = data.joint("drawer").qpos[0], data.site("handle grasp").xpos
    axes = data.body("hand").xmat.reshape(3, 3)
    left, right = data.body("left finger").xpos, data.body("right finger").xpos
    distance = np.linalg.norm(data.site("grip").xpos - grasp)
    reach = (1.0 / (1.0 + distance**2)) ** 2 * (2.0 if distance <= 0.02 else 1.0)
    facing, level = axes[:, 2] @ [-1.0, 0, 0], axes[:, 1] @ [0, 0, 1.0]
    turn = 0.5 * (np.sign(facing) * facing**2 + np.sign(level) * level**2)
    around = 0.5 if left[2] > grasp[2] > right[2] else 0.0
    gaps = abs(left[2] - grasp[2]), abs(right[2] - grasp[2])
    fingers = sum(0.04 - gap for gap in gaps) if around else 0.0
    pull = opening * around + opening
    pay = 2.0 * reach + 0.5 * turn + 0.25 * around + 7.5 * pull + 5.0 * fingers
    pay -= 0.01 * (action**2).sum()
    pay += 0.5 * (opening > 0.01) + around * (opening > 0.2) + 2.0 * around * (opening > 0.39)
    return -1.0 if min(left[0], right[0]) < grasp[0] - 0.04 else float(pay)


def test_the_arm_is_paid_as_published(pull: tuple[Tensor, list[Step]]) -> None:
    poses = pull[0][::2]
    n = len(poses)
    random = np.random.default_rng(0)
    poses[:, :7] += torch.from_numpy(random.normal(0.0, 0.01, (n, 7)))
    poses[::4, 9] = torch.from_numpy(random.choice([0.0, 0.05, 0.3, 0.395], len(poses[::4])))
    worlds = started(ARM, n)
    signals = worlds.layout.pack(worlds.environment.signals(put(worlds, poses)))
    action = torch.from_numpy(random.uniform(-1, 1, (n, 9))).float()
    pay = paid(worlds, action, replace(worlds.step(action), before=signals, after=signals)).total
    expected = []
    for pose, row in zip(poses, action.double().numpy(), strict=True):
        data = mujoco.MjData(worlds.environment.model)
        data.qpos[:] = pose
        mujoco.mj_kinematics(worlds.environment.model, data)
        expected.append(published_pay(data, row))
    assert pay.numpy() == pytest.approx(expected, abs=1e-4)
    assert min(expected) == -1.0 and max(expected) > 6.0
