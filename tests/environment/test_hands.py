"""The hands turn cubes to goals that change: what counts as reached, and its reward."""

import itertools

import mujoco
import numpy as np
import pytest
import torch
from peers import loaded, started
from torch import Tensor

from eureka_agent.environment import (
    Memory,
    MujocoWorlds,
    ResetNoise,
    Step,
    Transitions,
    load_fitness,
    mix,
)
from eureka_agent.reward import parse

HANDS = {"allegro_hand": 69, "shadow_hand": 154}
hands = pytest.mark.parametrize("name", HANDS)


def put_cube(worlds: MujocoWorlds, world: int, position: Tensor, orientation: Tensor) -> None:
    """Put the cube of one world at rest somewhere, the hand as it is."""
    qpos, qvel = (worlds.simulator.view(field).clone() for field in ("qpos", "qvel"))
    qpos[world, 0:3], qpos[world, 3:7], qvel[world] = position, orientation, 0.0
    chosen = torch.arange(worlds.n) == world
    worlds.simulator.reset_where(chosen, qpos, qvel)


def put_at_goal(worlds: MujocoWorlds, world: int) -> None:
    """Put the cube of one world into its goal orientation, above the fingers."""
    goal = worlds.layout.read(worlds.signals, "goal_orientation")[world].double()
    put_cube(worlds, world, torch.from_numpy(worlds.environment.model.qpos0[:3]), goal)


def still(worlds: MujocoWorlds) -> Step:
    return worlds.step(torch.zeros(worlds.n, worlds.action_size))


@hands
def test_a_goal_is_counted_in_the_step_that_reaches_it_and_another_follows(name: str) -> None:
    worlds = started(name, 2)
    for reached in (1, 2):
        put_at_goal(worlds, 0)
        goal = worlds.layout.read(worlds.signals, "goal_orientation")
        step = still(worlds)
        assert worlds.layout.read(step.before, "goals_reached").tolist() == [reached - 1, 0]
        assert worlds.layout.read(step.after, "goals_reached").tolist() == [reached, 0]
        assert worlds.layout.read(step.after, "goal_angle")[0] < 0.1
        assert torch.equal(worlds.layout.read(step.after, "goal_orientation"), goal)
        assert worlds.layout.read(worlds.signals, "goals_reached").tolist() == [reached, 0]
        assert worlds.layout.read(worlds.signals, "goal_angle")[0] > 0.1
        changed = worlds.layout.read(worlds.signals, "goal_orientation") != goal
        assert changed.any(1).tolist() == [True, False]


@hands
def test_a_dropped_cube_ends_the_episode_and_keeps_what_was_reached(name: str) -> None:
    worlds = started(name, 2)
    measure = load_fitness(worlds.environment.fitness_path)
    steps = []
    put_at_goal(worlds, 0)
    for drop in (False, True):
        if drop:
            put_cube(worlds, 0, torch.tensor([0.0, 0.0, 0.2]), torch.tensor([1.0, 0.0, 0.0, 0.0]))
        step = still(worlds)
        assert step.terminated.tolist() == [drop, False]
        names = {"goals_reached": step.after, "prev_goals_reached": step.before}
        arguments = {p: worlds.layout.read(s, "goals_reached") for p, s in names.items()}
        steps.append(measure(arguments).total)
    assert worlds.layout.read(worlds.signals, "goals_reached").tolist() == [0, 0]
    limit = torch.zeros(worlds.environment.episode_steps - 2, 2)
    episodes = measure.episode(torch.cat([torch.stack(steps), limit]), torch.tensor([2, 600]))
    assert episodes.tolist() == [1.0, 0.0]


@hands
def test_the_human_reward_is_the_published_sum(name: str) -> None:
    worlds = started(name, 2)
    path = worlds.environment.human_reward_path
    assert path is not None
    program = parse(path.read_text(), worlds.environment.signals_described).compile()
    put_at_goal(worlds, 0)
    action = torch.full((2, worlds.action_size), 0.5)
    step = worlds.step(action)
    transitions = Transitions(
        *(value[None] for value in (step.before, step.after, action, step.prev_action)),
        *(value[None] for value in (step.terminated, step.time_left, step.fresh)),
    )
    memory = Memory.empty(2, worlds.layout)
    paid = program(transitions.arguments(worlds.layout, program.parameters, memory)).total
    qpos = worlds.simulator.view("qpos")
    start = torch.from_numpy(worlds.environment.model.qpos0[:3])
    away = (qpos[:, :3] - start + torch.tensor([0.0, 0.0, 0.04])).norm(dim=1)
    angle = worlds.layout.read(step.after, "goal_angle").double()
    expected = -10.0 * away + 1.0 / (angle + 0.1) - 0.0002 * action.square().sum(1)
    assert (paid - expected).tolist() == pytest.approx([250.0, 0.0], abs=1e-3)


@hands
def test_rotations_are_measured_as_mujoco_measures_them(name: str) -> None:
    worlds = started(name, 16)
    step = still(worlds)
    read = {
        name: worlds.layout.read(step.after, name).double().numpy()
        for name in ("cube_orientation", "goal_orientation", "rotation_from_goal", "goal_angle")
    }
    for cube, goal, rotation, angle in zip(*read.values(), strict=True):
        turned, vector = np.zeros(4), np.zeros(3)
        mujoco.mju_mulQuat(turned, rotation, goal)
        assert turned * np.sign(turned @ cube) == pytest.approx(cube, abs=1e-5)
        mujoco.mju_quat2Vel(vector, rotation, 1.0)
        assert angle == pytest.approx(np.linalg.norm(vector), abs=1e-5)


@hands
def test_progress_is_how_far_the_corners_are_from_the_goal(name: str) -> None:
    worlds = started(name, 16)
    measure = load_fitness(worlds.environment.fitness_path).progress
    assert measure is not None
    step = still(worlds)
    read = {p: worlds.layout.read(step.after, p) for p in measure.parameters}
    names = ("cube_orientation", "goal_orientation")
    quaternions = [worlds.layout.read(step.after, p).double().numpy() for p in names]
    corners = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))
    corners *= worlds.environment.model.geom("cube").size[0]
    expected = []
    for offset, *pair in zip(read["cube_offset"].double().numpy(), *quaternions, strict=True):
        now, goal = np.zeros((2, 9))
        for matrix, quaternion in zip((now, goal), pair, strict=True):
            mujoco.mju_quat2Mat(matrix, quaternion)
        away = offset + corners @ (now - goal).reshape(3, 3).T
        expected.append(-np.sqrt((away**2).sum(1).mean()))
    assert measure.function(**read).numpy() == pytest.approx(np.array(expected), abs=1e-5)


@hands
def test_velocities_of_cube_and_fingertips_are_those_of_the_world(name: str) -> None:
    worlds = started(name, 1)
    step = still(worlds)
    for _ in range(5):
        step = worlds.step(torch.rand(1, worlds.action_size) * 2 - 1)
    model = worlds.simulator.model
    data = mujoco.MjData(model)
    data.qpos[:], data.qvel[:] = (worlds.simulator.view(f)[0].numpy() for f in ("qpos", "qvel"))
    mujoco.mj_forward(model, data)

    def velocity(kind: mujoco.mjtObj, index: int) -> np.ndarray:
        """Angular, then linear velocity."""
        result = np.zeros(6)
        mujoco.mj_objectVelocity(model, data, kind, index, result, 0)
        return result

    cube = velocity(mujoco.mjtObj.mjOBJ_BODY, model.body("cube").id)
    ours = [
        worlds.layout.read(step.after, f"cube_{kind}")[0]
        for kind in ("angular_velocity", "velocity")
    ]
    assert torch.cat(ours).numpy() == pytest.approx(cube, abs=1e-4)
    if name == "shadow_hand":
        tips = [velocity(mujoco.mjtObj.mjOBJ_SITE, i)[3:] for i in range(model.nsite)]
        ours = worlds.layout.read(step.after, "fingertip_velocities")[0]
        assert ours.numpy() == pytest.approx(np.concatenate(tips), abs=1e-4)


@hands
def test_bending_a_finger_lifts_its_tip(name: str) -> None:
    model = loaded(name).model
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    straight = data.site_xpos.copy()
    for finger in ("index", "middle", "ring"):
        for joint in ("knuckle", "middle", "tip"):
            data.qpos[:] = model.qpos0
            data.joint(f"{finger} {joint}").qpos = 0.3
            mujoco.mj_forward(model, data)
            tip = model.site(f"{finger} tip").id
            assert data.site_xpos[tip, 2] - straight[tip, 2] > 0.005


@hands
def test_episodes_begin_above_the_fingers_in_any_orientation(name: str) -> None:
    environment = loaded(name)
    noise = ResetNoise(mix(torch.arange(500)))
    qpos, qvel = environment.reset(noise)
    low, high = torch.from_numpy(environment.model.jnt_range[1:].T.copy())
    assert ((qpos[:, 7:] >= low) & (qpos[:, 7:] <= high)).all()
    assert not qvel.any()
    assert (qpos[:, :3] - torch.from_numpy(environment.model.qpos0[:3])).abs().max() <= 0.01
    assert qpos[:, 3:7].norm(dim=1).numpy() == pytest.approx(np.ones(500))
    matrices = np.zeros((500, 9))
    for matrix, quaternion in zip(matrices, qpos[:, 3:7].numpy(), strict=True):
        mujoco.mju_quat2Mat(matrix, quaternion)
    up = np.abs(matrices[:, 6:]).argmax(1)  # which of the cube's axes is nearest to the vertical
    assert (np.bincount(up, minlength=3) > 50).all()


@hands
def test_nothing_fails_under_random_actions_and_the_cube_is_dropped_at_times(name: str) -> None:
    worlds = started(name, 16)
    assert worlds.observation.shape == (16, HANDS[name])
    generator = torch.Generator().manual_seed(0)
    dropped, action = 0, torch.zeros(16, worlds.action_size)
    for t in range(300):
        if t % 20 < 2:  # shaken, then held
            action = torch.rand(16, worlds.action_size, generator=generator) * 2 - 1
        step = worlds.step(action)
        assert not step.diverged.any()
        assert torch.isfinite(step.after).all()
        dropped += int(step.terminated.sum())
    assert 0 < dropped < 100


@hands
def test_the_models_need_no_files_but_their_own(name: str) -> None:
    model = loaded(name).model
    assert model.nmesh == 0
    assert {int(kind) for kind in model.geom_type} <= {
        int(mujoco.mjtGeom.mjGEOM_BOX),
        int(mujoco.mjtGeom.mjGEOM_CAPSULE),
    }
