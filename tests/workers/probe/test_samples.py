"""Sampled transitions show first steps, last steps and early ends, the same ones every time."""

from pathlib import Path

import pytest
import torch

from eureka_agent.environment import Environment, Transitions, find_environment
from eureka_agent.workers.probe.samples import sample_transitions


def test_the_same_seed_gives_the_same_rows_and_another_does_not(
    cartpole: Environment, transitions: Transitions
) -> None:
    again = sample_transitions(cartpole, seed=0)
    for name, value in vars(transitions).items():
        assert torch.equal(value, getattr(again, name)), name
    assert not torch.equal(transitions.action, sample_transitions(cartpole, seed=1).action)


@pytest.mark.parametrize("name", ["cartpole", "half_cheetah"])
def test_beginnings_ends_and_all_ages_are_there(name: str) -> None:
    environment = find_environment(name)
    found = sample_transitions(environment, seed=0)
    assert 500 <= found.fresh.numel() <= 4096
    steps_left = found.time_left * environment.episode_steps
    assert (steps_left < 0.5).any()
    assert ((found.time_left > 0.9) & found.fresh).any()
    assert torch.histc(found.time_left, 10, 0.0, 1.0).min() > 0
    assert not found.terminated.any()


def test_actions_are_legal_held_extreme_and_absent(transitions: Transitions) -> None:
    action = transitions.action
    assert action.abs().max() <= 1.0
    same = (action[1:] == action[:-1]).all(-1).float().mean()
    assert 0.5 < same < 0.99
    for steady in (1.0, -1.0, 0.0):
        assert (action == steady).all(-1).all(0).any()
    continued = ~transitions.fresh[1:]
    assert torch.equal(transitions.prev_action[1:][continued], action[:-1][continued])
    assert (transitions.prev_action[transitions.fresh] == 0.0).all()


def test_early_ends_are_among_the_rows(tmp_path: Path, cartpole: Environment) -> None:
    source = (cartpole.folder / "env.py").read_text()
    ends = "\n    def terminated(self, state: State) -> Tensor:\n"
    ends += "        return state.qpos[:, 0].abs() > 0.5\n"
    (tmp_path / "env.py").write_text(source.rstrip("\n") + "\n" + ends)
    for name in ("fitness.py", "scene.xml"):
        (tmp_path / name).write_text((cartpole.folder / name).read_text())
    found = sample_transitions(find_environment(str(tmp_path)), seed=0)
    assert found.terminated.any()
    assert found.fresh[1:][found.terminated[:-1]].all()
