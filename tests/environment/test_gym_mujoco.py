"""Hopper, ant and humanoid behave as Gymnasium's, and their fitness pays for distance alone."""

from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor

from eureka_agent.environment import (
    Episodes,
    Memory,
    SignalLayout,
    State,
    Transitions,
    Worlds,
    find_environment,
    load_fitness,
    pools,
)
from eureka_agent.environment.worlds import Step
from eureka_agent.reward import parse

# What ours leave out: see the docstrings of the environments.
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "hopper": ("Hopper-v5", {}),
    "ant": ("Ant-v5", {"include_cfrc_ext_in_observation": False, "contact_cost_weight": 0.0}),
    "humanoid": (
        "Humanoid-v5",
        {
            "include_cfrc_ext_in_observation": False,
            "include_cinert_in_observation": False,
            "include_cvel_in_observation": False,
            "include_qfrc_actuator_in_observation": False,
            "contact_cost_weight": 0.0,
        },
    ),
}
STEPS = 60
TOLERANCE = 1e-4  # ours are float32


def started(name: str, n: int = 1) -> Worlds:
    worlds = Worlds(find_environment(name), n, threads=1)
    streams = pools.streams(pools.TRAINING, 0, n)
    worlds.start(slice(0, n), streams, torch.zeros(n, dtype=torch.int64))
    return worlds


def peer_of(worlds: Worlds) -> Any:
    """Gymnasium's environment with our options, in the state of our first world."""
    pytest.importorskip("imageio", reason="Gymnasium's MuJoCo environments import it")
    name, options = PEERS[worlds.environment.name]
    peer: Any = gymnasium.make(name, **options).unwrapped
    for option in ("integrator", "solver", "jacobian"):
        setattr(peer.model.opt, option, getattr(worlds.simulator.model.opt, option))

    def simulate(control: np.ndarray, substeps: int) -> None:
        """Gymnasium reads derived positions one physics step late; here they are up to date."""
        peer.data.ctrl[:] = control
        mujoco.mj_step(peer.model, peer.data, substeps)
        mujoco.mj_step1(peer.model, peer.data)

    peer._step_mujoco_simulation = simulate
    peer.reset(seed=0)
    put(peer, worlds)
    return peer


def put(peer: Any, worlds: Worlds) -> None:
    """Put Gymnasium's environment into the state of our first world."""
    peer.set_state(*(worlds.simulator.view(field)[0].numpy() for field in ("qpos", "qvel")))


def paid(worlds: Worlds, action: Tensor, step: Step) -> float:
    """What the human reward pays for a step of the only world."""
    path = worlds.environment.human_reward_path
    assert path is not None
    program = parse(path.read_text(), worlds.environment.signals_described).compile()
    transitions = Transitions(
        *(value[None] for value in (step.before, step.after, action, step.prev_action)),
        *(value[None] for value in (step.terminated, step.time_left, step.fresh)),
    )
    memory = Memory.empty(1, worlds.layout)
    return program(transitions.arguments(worlds.layout, program.parameters, memory)).total.item()


@pytest.mark.parametrize("name", PEERS)
def test_steps_agree_with_gymnasium(name: str) -> None:
    worlds = started(name)
    peer = peer_of(worlds)
    generator = torch.Generator().manual_seed(0)
    low, high = worlds.environment.action_range()
    assert worlds.environment.control_step == pytest.approx(peer.dt)
    assert worlds.environment.episode_steps == gymnasium.spec(PEERS[name][0]).max_episode_steps
    for _ in range(STEPS):
        action = torch.rand(1, worlds.action_size, generator=generator) * 2 - 1
        step = worlds.step(action)
        control = (low + high) / 2 + (high - low) / 2 * action[0]
        observation, reward, terminated, _, _ = peer.step(control.numpy())
        assert step.terminated.item() == terminated
        assert paid(worlds, action, step) == pytest.approx(reward, abs=TOLERANCE)
        assert step.final_observation[0].numpy() == pytest.approx(observation, abs=TOLERANCE)
        if terminated:
            put(peer, worlds)


@pytest.mark.parametrize("name", PEERS)
def test_episodes_begin_as_in_gymnasium(name: str) -> None:
    worlds, peer = started(name, 400), peer_of(started(name))
    ours = worlds.observation.double().numpy()
    theirs = np.array([peer.reset()[0] for _ in range(400)])
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < 0.3 * theirs.std(0)).all()
    assert ours.std(0) == pytest.approx(theirs.std(0), rel=0.2)


@pytest.mark.parametrize("name", PEERS)
def test_episodes_end_where_gymnasium_ends_them(name: str) -> None:
    n = 200
    worlds, random = started(name, n), np.random.default_rng(0)
    peer = peer_of(worlds)
    qpos = peer.init_qpos + random.uniform(-0.3, 0.3, (n, peer.model.nq))
    qpos[:, 1 if name == "hopper" else 2] = random.uniform(0.0, 2.2, n)
    qvel = random.normal(0.0, 40.0, (n, peer.model.nv))
    everywhere = torch.ones(n, dtype=torch.bool)
    worlds.simulator.reset_where(everywhere, torch.from_numpy(qpos), torch.from_numpy(qvel))
    ended = worlds.environment.terminated(State(worlds.simulator))
    for one, *state in zip(ended.tolist(), qpos, qvel, strict=True):
        peer.set_state(*state)
        assert one == (not peer.is_healthy)
    assert 0.1 < ended.float().mean() < 0.9


@pytest.mark.parametrize("name", PEERS)
def test_a_dive_is_worth_the_distance_it_covers_and_no_more(name: str) -> None:
    environment = find_environment(name)
    layout = SignalLayout(environment.signals_described)
    measure = load_fitness(environment.fitness_path)
    limit, speeds = environment.episode_steps, torch.tensor([5.0, 0.2])  # m/s: a dive, a walk
    seconds = environment.control_step * torch.arange(limit + 1.0)
    states = torch.zeros(limit + 1, 2, layout.width)
    layout.read(states, measure.parameters[0])[:, :, 0] = seconds[:, None] * speeds
    lengths = torch.tensor([20, limit])
    episodes = Episodes(states, torch.zeros(limit, 2, 1), lengths, lengths < limit)
    steps = measure(episodes.arguments(layout, measure.parameters)).total.view(limit, 2)
    dive, walk = measure.episode(steps, lengths).tolist()
    assert dive == pytest.approx(5.0 * 20 / limit, rel=1e-3)
    assert walk == pytest.approx(0.2, rel=1e-3)
    assert dive < walk
