"""Devices by name, and clear reasons why a GPU cannot be used."""

import mujoco
import pytest
import torch

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.simulation import (
    CpuSimulator,
    devices,
    gpu_obstacle,
    make_simulator,
    resolve_device,
)


def pretend_gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


def test_an_unknown_device_is_refused() -> None:
    for name in ("gpu", "cuda:", "cuda:x", "CPU", ""):
        with pytest.raises(UsageError, match="auto, cpu, cuda"):
            resolve_device(name)


def test_cpu_is_always_there() -> None:
    assert resolve_device("cpu") == torch.device("cpu")


def test_auto_takes_the_gpu_only_when_all_of_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpu_obstacle", lambda index: None)
    assert resolve_device("auto") == torch.device("cuda", 0)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    monkeypatch.setattr(devices, "gpu_obstacle", lambda index: MissingError("No.", "Buy one."))
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(MissingError, match="Buy one"):
        resolve_device("cuda")


def test_a_build_of_pytorch_without_cuda_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "without CUDA" in str(gpu_obstacle())


def test_a_machine_without_a_gpu_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpus(monkeypatch, 0)
    assert "finds no GPU" in str(gpu_obstacle())


def test_a_gpu_beyond_the_last_is_refused_with_those_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpus(monkeypatch, 2)
    assert "cuda:0 to cuda:1" in str(gpu_obstacle(2))


def test_missing_packages_are_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpus(monkeypatch, 1)
    monkeypatch.setattr(devices.importlib.util, "find_spec", lambda name: None)
    assert "pip install" in str(gpu_obstacle())


def test_a_driver_too_old_for_warp_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_gpus(monkeypatch, 1)
    monkeypatch.setattr("warp.get_cuda_device_count", lambda: 0)
    assert "580" in str(gpu_obstacle())


def test_the_cpu_is_simulated_by_mujoco_itself(leg: mujoco.MjModel) -> None:
    assert isinstance(make_simulator(leg, 2, torch.device("cpu"), 1), CpuSimulator)
