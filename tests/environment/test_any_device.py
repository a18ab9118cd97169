"""Worlds compute where their state lies, and never wait: PyTorch's `meta` device acts as a GPU.

It holds shapes without numbers. So mixing in a tensor of the CPU fails there as on a GPU, and so
does whatever needs a number on the host, for which a GPU would have to be waited for.
"""

from collections.abc import Callable

import mujoco
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from eureka_agent.environment import Environment, MujocoWorlds, find_environment, list_environments

N = 3
ELSEWHERE = torch.device("meta")


class Elsewhere:
    """A simulator that has only the shapes of fields."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self.model, self.n, self.device = model, N, ELSEWHERE

    def view(self, field: str) -> Tensor:
        shape = np.shape(getattr(mujoco.MjData(self.model), field))
        return torch.zeros(N, *shape, device=ELSEWHERE)

    def prepare(self, substeps: int) -> None: ...

    def step(self, substeps: int, worlds: object = None) -> None: ...

    def reset_where(self, *arguments: Tensor) -> None: ...

    def diverged(self) -> Tensor:
        return torch.zeros(N, dtype=torch.bool, device=ELSEWHERE)


class NothingFromTheHost(TorchDispatchMode):
    """Refuses tensors of the CPU: what they hold would have to be sent, and waited for."""

    def __torch_dispatch__(
        self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None
    ) -> object:
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Tensor) and value.device != ELSEWHERE:
                raise AssertionError(f"{func} was given a tensor of the {value.device}")
        return func(*args, **(kwargs or {}))


@pytest.fixture(params=list_environments())
def environment(request: pytest.FixtureRequest) -> Environment:
    return find_environment(request.param)


@pytest.fixture
def worlds(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> MujocoWorlds:
    """Worlds elsewhere. The host chooses between rollouts which of them are stepped."""
    monkeypatch.setattr(
        "eureka_agent.environment.worlds.make_simulator",
        lambda model, *arguments, **options: Elsewhere(model),
    )
    monkeypatch.setattr(MujocoWorlds, "_set_active", lambda *arguments: None)
    return MujocoWorlds(environment, N, device=ELSEWHERE)


def test_a_control_step_never_waits_for_the_device(worlds: MujocoWorlds) -> None:
    action = torch.zeros(N, worlds.action_size, device=ELSEWHERE)
    worlds.step(action)
    with NothingFromTheHost():
        step = worlds.step(action)
    for name, value in vars(step).items():
        assert value.device == ELSEWHERE, name
    assert worlds.observation.device == worlds.signals.device == ELSEWHERE
