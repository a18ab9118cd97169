"""Environments on Gymnasium's models behave as Gymnasium's; no early end gains fitness."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from peers import TOLERANCE, loaded, paid, peer_of, put, started

from eureka_agent.environment import Episodes, SignalLayout, State, load_fitness

# Parts of Gymnasium's observation that ours leave out: see the environments' docstrings.
PEERS: dict[str, tuple[str, dict[str, Any]]] = {
    "hopper": ("Hopper-v5", {}),
    "walker2d": ("Walker2d-v5", {}),
    "swimmer": ("Swimmer-v5", {}),
    "reacher": ("Reacher-v5", {}),
    "pusher": ("Pusher-v5", {}),
    "inverted_double_pendulum": ("InvertedDoublePendulum-v5", {}),
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
RUNNERS = ("hopper", "ant", "humanoid")
STEPS = 80


@pytest.mark.parametrize("name", PEERS)
def test_steps_agree_with_gymnasium(name: str) -> None:
    worlds = started(name)
    peer = peer_of(worlds, *PEERS[name])
    generator = torch.Generator().manual_seed(0)
    low, high = worlds.environment.action_range()
    assert worlds.environment.control_step == pytest.approx(peer.dt)
    assert worlds.environment.episode_steps == gymnasium.spec(PEERS[name][0]).max_episode_steps
    ends = 0
    for _ in range(STEPS):
        action = torch.rand(1, worlds.action_size, generator=generator) * 2 - 1
        put(peer, worlds)
        step = worlds.step(action)
        control = (low + high) / 2 + (high - low) / 2 * action[0]
        observation, reward, terminated, _, _ = peer.step(control.numpy())
        seen = step.final_observation[0].numpy()
        assert step.terminated.item() == terminated
        assert paid(worlds, action, step).total.item() == pytest.approx(reward, abs=TOLERANCE)
        assert seen == pytest.approx(observation[: len(seen)], abs=TOLERANCE)
        ends += terminated
    assert ends or name not in ("walker2d", "inverted_double_pendulum")


@pytest.mark.parametrize("name", PEERS)
def test_episodes_begin_as_in_gymnasium(name: str) -> None:
    worlds, peer = started(name, 400), peer_of(started(name), *PEERS[name])
    ours = worlds.observation.double().numpy()
    theirs = np.array([peer.reset()[0] for _ in range(400)])[:, : ours.shape[1]]
    assert (np.abs(ours.mean(0) - theirs.mean(0)) <= 0.3 * theirs.std(0) + 1e-6).all()
    assert ours.std(0) == pytest.approx(theirs.std(0), rel=0.2, abs=1e-6)


@pytest.mark.parametrize("name", RUNNERS)
def test_episodes_end_where_gymnasium_ends_them(name: str) -> None:
    n = 200
    worlds, random = started(name, n), np.random.default_rng(0)
    peer = peer_of(worlds, *PEERS[name])
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


@pytest.mark.parametrize("name", RUNNERS)
def test_a_dive_is_worth_the_distance_it_covers_and_no_more(name: str) -> None:
    environment = loaded(name)
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
