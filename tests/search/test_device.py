"""A run knows the device that its results come from, and does not go on elsewhere."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support import TINY

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.environment import find_environment
from eureka_agent.search.setup import new_search, resumed_search
from eureka_agent.simulation import devices
from eureka_agent.workers.protocol import InvalidReply, Message
from eureka_agent.workers.trainer_client import read_overflow


def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpu_obstacle", lambda index=0: MissingError("No GPU.", "Buy."))


def with_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpu_obstacle", lambda index=0: None)


def configured(**changes: Any) -> SearchConfig:
    return SearchConfig.for_environment(find_environment("cartpole"), **changes)


def test_a_new_run_takes_the_gpu_if_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    assert configured().device == "cuda"
    assert configured(device="auto").device == "cuda"
    assert configured(device="cuda:1").device == "cuda:1"
    assert configured(device="cpu").device == "cpu"
    without_gpu(monkeypatch)
    assert configured().device == "cpu"


def test_a_gpu_that_is_not_there_is_refused_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_gpu(monkeypatch)
    with pytest.raises(MissingError, match=r"No GPU\. Buy"):
        new_search("cartpole", tmp_path, lambda found: configured(device="cuda"))
    assert not list(tmp_path.iterdir())


def test_stable_baselines3_trains_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    assert configured(trainer="sb3", candidates=1).device == "cpu"
    with pytest.raises(UsageError, match="--device cpu"):
        configured(trainer="sb3", candidates=1, device="cuda")


def test_a_run_of_a_gpu_goes_on_only_with_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_gpu(monkeypatch)
    launch = new_search("cartpole", tmp_path, lambda found: configured(**TINY | {"device": "cuda"}))
    launch.run.close()
    without_gpu(monkeypatch)
    with pytest.raises(MissingError, match=r"This run trains on cuda\. No GPU"):
        resumed_search(launch.run.path)
    with_gpu(monkeypatch)
    assert resumed_search(launch.run.path).config.device == "cuda"


def test_a_run_from_before_there_was_a_choice_is_one_of_the_cpu() -> None:
    stored = {name: value for name, value in SearchConfig().as_dict().items() if name != "device"}
    assert SearchConfig.from_dict(stored).device == "cpu"


def test_what_a_worker_says_of_an_overflow_is_read_as_text() -> None:
    assert read_overflow(Message("advanced", {})) is None
    said = read_overflow(Message("advanced", {"overflow": "too \x1b[31mmany " + "x" * 5000}))
    assert said is not None
    assert said.startswith("too [31mmany")
    assert len(said) <= 1000
    with pytest.raises(InvalidReply):
        read_overflow(Message("advanced", {"overflow": 7}))


def test_the_cpu_needs_no_gpu_to_be_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*arguments: object) -> bool:
        raise AssertionError("looked for a GPU")

    monkeypatch.setattr(torch.cuda, "is_available", looked)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert configured(device="cpu").device == "cpu"
