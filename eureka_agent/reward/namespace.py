"""The namespace in which a checked program runs: listed functions only, and no module objects."""

import builtins
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor

from eureka_agent.reward.helpers import LIBRARY
from eureka_agent.reward.language import (
    BUILTINS,
    MATH_CONSTANTS,
    MATH_FUNCTIONS,
    NN_FUNCTIONS,
    TORCH_CONSTANTS,
    TORCH_FUNCTIONS,
)
from eureka_agent.reward.rewriter import COMPONENTS, POWER, PRODUCT, SET_ITEM, SLICE

_EXACT = 2**53


class Facade:
    """Stands in for a module and holds what the language lists; it cannot be changed."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.__dict__.update(members)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} cannot be deleted")


class Components:
    """What a program has for a dict: values by name, whose names cannot be taken out of it."""

    __slots__ = ("entries",)
    __iter__ = None  # else Python would try the indices 0, 1, 2, ...

    def __init__(self, entries: dict[Any, Any]) -> None:
        self.entries = entries

    def __getitem__(self, name: Any) -> Any:
        return self.entries[name]

    def with_item(self, name: Any, value: Any) -> "Components":
        """The same with one entry more, or changed."""
        return Components({**self.entries, name: value})


def namespace() -> dict[str, Any]:
    """Fresh globals for one program."""
    return {
        "__builtins__": {
            **{name: getattr(builtins, name) for name in BUILTINS},
            "__import__": _import_nothing,
        },
        **_modules(),
        **LIBRARY,
        SET_ITEM: _set_item,
        SLICE: slice,
        POWER: _power,
        PRODUCT: _product,
        COMPONENTS: Components,
    }


def _import_nothing(name: str, *_: object) -> None:
    """Stands in for `__import__`, which torch's C++ code looks up here, in its caller's builtins.

    It then takes the module from `sys.modules` by itself; a program would get nothing. Without
    this, a process's first `torch.tensor([1.0])` fails when it stands in a program.
    """


@functools.cache
def _modules() -> dict[str, Facade]:
    """`torch`, `math` and `F`, shared by all programs: they cannot be changed."""
    functions = {path: _find(torch, path) for path in TORCH_FUNCTIONS | TORCH_CONSTANTS}
    # The originals without `dim` take the first dimension of size 3: that of the rows if M is 3.
    functions["cross"] = functions["linalg.cross"] = _cross
    nn = Facade({name: getattr(torch.nn.functional, name) for name in NN_FUNCTIONS})
    linalg = {p.removeprefix("linalg."): f for p, f in functions.items() if "." in p}
    plain = {name: function for name, function in functions.items() if "." not in name}
    return {
        "torch": Facade(
            {**plain, "linalg": Facade(linalg), "nn": Facade({"functional": nn})},
        ),
        "math": Facade({name: getattr(math, name) for name in MATH_FUNCTIONS | MATH_CONSTANTS}),
        "F": nn,
    }


def _find(module: object, path: str) -> Any:
    return functools.reduce(getattr, path.split("."), module)


def _cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """`torch.cross` along the last dimension, whatever the sizes."""
    return torch.linalg.cross(input, other, dim=dim)


def _set_item(container: Any, index: Any, value: Any) -> Any:
    """What `container` is after `container[index] = value`, which itself stays as it is."""
    if isinstance(container, Components):
        return container.with_item(index, value)
    if not isinstance(container, Tensor | list):
        kind = type(container).__name__
        raise TypeError(f"only tensors, lists and dicts have items to assign to, not a {kind}")
    changed: Any = container.clone() if isinstance(container, Tensor) else container.copy()
    changed[index] = value
    return changed


def _power(base: Any, exponent: Any) -> Any:
    """`base ** exponent`, a float where an integer would grow beyond what a float holds exactly."""
    if isinstance(base, int) and isinstance(exponent, int):
        power = float(base) ** exponent
        return base**exponent if abs(power) < _EXACT else power
    return base**exponent


def _product(left: Any, right: Any) -> Any:
    """`left * right`, a float where an integer would grow beyond what a float holds exactly."""
    if isinstance(left, list | tuple) or isinstance(right, list | tuple):
        raise TypeError("a list or tuple cannot be multiplied; write torch.tensor([...])")
    product = left * right
    return float(product) if isinstance(product, int) and abs(product) > _EXACT else product


@dataclass(frozen=True)
class TorchState:
    """Settings of torch that hold for the whole process.

    The reward language has no words to change them. That they are compared all the same costs
    some microseconds per call, and a gap in the language would otherwise stay unnoticed.

    Attributes:
        dtype: of new floating-point tensors.
        threads: of operations on the CPU.
        gradients: whether operations are recorded for derivatives.
        random: state of the CPU's generator, bytes.
    """

    dtype: torch.dtype
    threads: int
    gradients: bool
    random: Tensor

    @classmethod
    def now(cls) -> "TorchState":
        """The settings as they are."""
        return cls(
            torch.get_default_dtype(),
            torch.get_num_threads(),
            torch.is_grad_enabled(),
            torch.get_rng_state(),
        )

    def restore(self) -> str:
        """Set back what has changed since; returns what that was, empty if nothing."""
        now, changed = TorchState.now(), []
        if now.dtype != self.dtype:
            torch.set_default_dtype(self.dtype)
            changed.append("default type")
        if now.threads != self.threads:
            torch.set_num_threads(self.threads)
            changed.append("number of threads")
        if now.gradients != self.gradients:
            torch.set_grad_enabled(self.gradients)
            changed.append("gradient mode")
        if not torch.equal(now.random, self.random):
            torch.set_rng_state(self.random)
            changed.append("random state")
        return " and ".join(changed)
