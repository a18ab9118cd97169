"""A call leaves torch as it was, even if the language has a gap."""

import ast

import pytest
import torch

from eureka_agent.reward import RewardFailed, RewardFunction
from eureka_agent.reward.parser import lower
from eureka_agent.reward.program import TorchState


def unchecked(body: str) -> RewardFunction:
    """A program that was never checked, as if a gap had let it pass."""
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    tree = lower(ast.parse(f'def compute_reward(y):\n{lines}    return {{"a": y}}\n'))
    return RewardFunction(tree, {"a": 1.0}, {}, ("y",))


def test_changed_settings_are_named_and_set_back() -> None:
    before = TorchState()
    assert before.restore() == ""
    torch.rand(1)
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(torch.get_num_threads() + 1)
    assert before.restore() == "default type and number of threads and random state"
    assert before.restore() == ""
    with torch.no_grad():
        assert before.restore() == "gradient mode"
        assert torch.is_grad_enabled()


def test_a_program_that_draws_random_numbers_fails_and_leaves_the_random_state() -> None:
    state = torch.get_rng_state()
    with pytest.raises(RewardFailed, match="changed torch's random state"):
        unchecked("z = y.normal_()")({"y": torch.ones(4)})
    assert torch.equal(torch.get_rng_state(), state)


def test_the_state_is_set_back_when_the_program_raises() -> None:
    state = torch.get_rng_state()
    with pytest.raises(RewardFailed, match="IndexError"):
        unchecked("z = y.normal_()[9]")({"y": torch.ones(4)})
    assert torch.equal(torch.get_rng_state(), state)


def test_a_program_gets_copies_of_its_arguments() -> None:
    given = {"y": torch.ones(4)}
    assert unchecked("z = y.zero_()")(given).total.tolist() == [0.0] * 4
    assert given["y"].tolist() == [1.0] * 4
