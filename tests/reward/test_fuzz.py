"""No text breaks the check, and no accepted program breaks out of its call."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from eureka_agent.reward import RewardFailed, RewardRejected, parse

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SEEDS = st.integers(0, 2**32)


@pytest.fixture(scope="module")
def fuzzer() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module("fuzz_critic")


def arguments() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "x": torch.rand(5, 3, generator=generator),
        "y": torch.rand(5, generator=generator),
        "action": torch.rand(5, 2, generator=generator),
        "terminated": torch.zeros(5, dtype=torch.bool),
    }


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(SEEDS)
def test_no_text_breaks_the_check(fuzzer: ModuleType, seed: int) -> None:
    trial = fuzzer.tried(fuzzer.Author(seed).text(), fuzzer.all_signals())
    assert trial.broke == ""


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(SEEDS)
def test_an_accepted_program_evaluates_or_fails_and_changes_nothing(
    fuzzer: ModuleType, seed: int
) -> None:
    try:
        reward = parse(fuzzer.Author(seed).program(), fuzzer.all_signals()).compile()
    except RewardRejected:
        return
    given, same, state = arguments(), arguments(), torch.get_rng_state()
    try:
        assert reward(given).total.shape == (5,)
    except RewardFailed as failure:
        assert failure.message.isascii() and failure.message.isprintable()
    assert all(torch.equal(given[name], same[name]) for name in given)
    assert torch.equal(torch.get_rng_state(), state)


def test_many_of_the_texts_are_accepted_and_many_are_not(fuzzer: ModuleType) -> None:
    signals = fuzzer.all_signals()
    accepted = [fuzzer.tried(fuzzer.Author(seed).program(), signals).accepted for seed in range(60)]
    assert 10 < sum(accepted) < 50
