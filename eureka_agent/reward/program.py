"""Reward programs: a text that passed the check, and what it can be compiled to."""

import ast
import builtins
import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn

import torch
from torch import Tensor

from eureka_agent.common.errors import EurekaError, describe
from eureka_agent.reward.check import read_program
from eureka_agent.reward.findings import RewardRejected
from eureka_agent.reward.language import (
    BUILTINS,
    MATH_CONSTANTS,
    MATH_FUNCTIONS,
    NN_FUNCTIONS,
    TORCH_CONSTANTS,
    TORCH_FUNCTIONS,
)
from eureka_agent.reward.library import LIBRARY
from eureka_agent.reward.parser import (
    COMPONENTS,
    FILE,
    POWER,
    PRODUCT,
    SET_ITEM,
    SLICE,
    compile_tree,
)
from eureka_agent.reward.signals import Signal

_MAX_MESSAGE = 300
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
_PATH = re.compile(r"(?:/[\w.+-]+){2,}/?")


class RewardFailed(EurekaError):
    """Raised when a program raises, or returns what the contract does not allow.

    Attributes:
        line: the line of the program's text that is to blame.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass
class RewardValues:
    """What a reward pays for `M` transitions.

    Attributes:
        total: weighted sum of the components `[M]` float32.
        components: each without its weight `[M]` float32.
    """

    total: Tensor
    components: dict[str, Tensor]


class RewardFunction:
    """A compiled reward program; made by `RewardProgram.compile`.

    Attributes:
        weights: weight of each component.
        parameters: names of the arguments that it reads, without the keys of SCALES.
    """

    def __init__(
        self,
        tree: ast.Module,
        weights: Mapping[str, float],
        scales: Mapping[str, float],
        parameters: tuple[str, ...],
    ) -> None:
        self.weights: Mapping[str, float] = MappingProxyType(dict(weights))
        self.parameters = tuple(name for name in parameters if name not in scales)
        self._scales = {name: scales[name] for name in parameters if name in scales}
        self._lines = _component_lines(tree, weights)
        scope: dict[str, Any] = namespace()
        exec(compile_tree(tree), scope)
        self._compute = scope["compute_reward"]

    def __call__(self, arguments: Mapping[str, Tensor]) -> RewardValues:
        """Evaluate `M` transitions; the arguments stay as they are.

        Whatever a program does, and whatever it returns, ends in its evaluation or in
        `RewardFailed`: nothing else that it brings about reaches the caller.

        Args:
            arguments: a tensor `[M]` or `[M, d]` for each of `parameters`; others are ignored.

        Raises:
            RewardFailed: the program raised, or broke the contract.
            ValueError: an argument is missing, or numbers of rows differ.
        """
        missing = [name for name in self.parameters if name not in arguments]
        if missing:
            raise ValueError(f"missing arguments: {', '.join(missing)}")
        # Copies: whatever a program does, nobody else's data changes.
        asked = {name: arguments[name].clone() for name in self.parameters}
        rows = {len(value) for value in asked.values()}
        if len(rows) != 1:
            raise ValueError(f"the arguments have different numbers of rows: {sorted(rows)}")
        before = TorchState.now()
        try:
            with torch.no_grad():
                result = self._compute(**asked, **self._scales)
                evaluation = self._evaluate(result, next(iter(asked.values())))
        except (RewardFailed, KeyboardInterrupt):
            raise
        except BaseException as error:
            line = _line(error.__traceback__) or self._lines[""]
            raise RewardFailed(_clean(describe(error)), line) from None
        finally:
            changed = before.restore()
        if changed:
            raise RewardFailed(f"The program changed torch's {changed}.", self._lines[""])
        return evaluation

    def _evaluate(self, result: object, like: Tensor) -> RewardValues:
        """Hold what the program returned to the contract, and weigh it.

        Args:
            result: what `compute_reward` returned.
            like: an argument: it has the number of rows and the device that components must have.
        """
        if type(result) is not Components:
            message = f"compute_reward returned a {_type_name(result)}; expected a dict."
            raise RewardFailed(message, self._lines[""])
        self._check_names(result.entries)
        components = {
            name: self._component(name, result.entries[name], like) for name in self.weights
        }
        self._check_finite(components)
        total = torch.zeros_like(next(iter(components.values())))
        # One after the other in the order of WEIGHTS: scaling all weights by a power of two then
        # scales every intermediate result, and so the total, exactly.
        for name, weight in self.weights.items():
            total = total + components[name] * weight
        if not bool(total.isfinite().all()):
            message = "The weighted sum of the components is too large for float32."
            raise RewardFailed(message, self._lines[""])
        return RewardValues(total, components)

    def _check_names(self, result: dict[Any, Any]) -> None:
        missing = [name for name in self.weights if name not in result]
        extra = [name for name in result if name not in self.weights]
        if missing:
            message = f'The component "{missing[0]}" of WEIGHTS was not returned.'
            raise RewardFailed(message, self._lines[missing[0]])
        if extra:
            # What is no text may have none: see `describe`.
            name = _clean(extra[0]) if type(extra[0]) is str else _type_name(extra[0])
            message = f'The returned component "{name}" has no weight in WEIGHTS.'
            raise RewardFailed(message, self._lines[""])

    def _component(self, name: str, value: object, like: Tensor) -> Tensor:
        """A component as float32 `[M]`, in memory of its own."""
        line, rows = self._lines[name], len(like)
        if type(value) is not Tensor:
            message = (
                f'The component "{name}" is a {_type_name(value)}; expected a tensor [{rows}].'
            )
            raise RewardFailed(message, line)
        if tuple(value.shape) != (rows,):
            message = f'The component "{name}" has shape {list(value.shape)}; expected [{rows}]'
            raise RewardFailed(f"{message}{_shape_advice(value, rows)}.", line)
        if value.device != like.device or value.layout is not torch.strided:
            message = f'The component "{name}" is on {value.device}; expected {like.device}.'
            raise RewardFailed(message, line)
        if value.is_complex():
            raise RewardFailed(f'The component "{name}" is complex; expected real numbers.', line)
        return value.to(torch.float32).clone(memory_format=torch.contiguous_format)

    def _check_finite(self, components: Mapping[str, Tensor]) -> None:
        finite = torch.stack(list(components.values())).isfinite()
        if bool(finite.all()):  # the only wait for a GPU
            return
        name, good = next((n, g) for n, g in zip(components, finite, strict=True) if not g.all())
        first = int((~good).nonzero()[0])
        value, count = float(components[name][first]), int((~good).sum())
        message = f'The component "{name}" is not finite in {count} of {len(good)} rows'
        raise RewardFailed(f"{message}: row {first} is {value}.", self._lines[name])


def _component_lines(tree: ast.Module, weights: Mapping[str, float]) -> dict[str, int]:
    """The line on which each component is returned; "" stands for the return itself."""
    entry = next(
        f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == "compute_reward"
    )
    returns = [node.lineno for node in ast.walk(entry) if isinstance(node, ast.Return)]
    lines = dict.fromkeys((*weights, ""), returns[-1])
    for node in ast.walk(entry):
        if isinstance(node, ast.Constant) and node.value in weights and isinstance(node.value, str):
            lines[node.value] = node.lineno
    return lines


def _line(traceback: TracebackType | None) -> int:
    """The innermost line of the program in a traceback; 0 if it has none."""
    line = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == FILE:
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line


def _shape_advice(value: Tensor, rows: int) -> str:
    """What to do about a wrong shape."""
    if value.dim() == 0:
        return ": it is one number for all rows"
    if tuple(value.shape) == (rows, 1):
        return ": squeeze or index it, as in x[:, 0]"
    if value.dim() == 2 and value.shape[0] == rows:
        return ": choose one of its columns, as in x[:, 0], or reduce them, as in x.sum(-1)"
    return ""


def _type_name(value: object) -> str:
    if isinstance(value, Components):
        return "dict"
    return "tensor" if isinstance(value, Tensor) else type(value).__name__


def _clean(message: str) -> str:
    """The first sentence of an error, safe to print and to show to a language model."""
    first = message.strip().split("\n")[0]
    plain = "".join(c if " " <= c <= "~" else " " for c in first)
    plain = _PATH.sub("(path)", _ADDRESS.sub("(address)", plain))
    return " ".join(plain.split())[:_MAX_MESSAGE] or "no reason given"


@dataclass(frozen=True)
class RewardProgram:
    """A reward program that passed the check.

    Attributes:
        text: as it was written.
        thought: the idea behind it: the docstring's first paragraph.
        weights: what each component is multiplied by, in the order of the text.
        scales: numbers that the program asks for by name.
        parameters: those of `compute_reward` in order, keys of `scales` among them.
        tree: the checked and rewritten functions, with the lines of `text`.
    """

    text: str
    thought: str
    weights: dict[str, float]
    scales: dict[str, float]
    parameters: tuple[str, ...]
    tree: ast.Module

    def compile(self) -> RewardFunction:
        """A function that evaluates transitions; its own namespace, nothing shared."""
        return RewardFunction(self.tree, self.weights, self.scales, self.parameters)

    @cached_property
    def fingerprint(self) -> str:
        """A name for what the program computes: docstrings, comments and layout do not matter."""
        numbers = json.dumps([list(self.weights.items()), sorted(self.scales.items())])
        return hashlib.sha256(f"{ast.unparse(self.tree)}\n{numbers}".encode()).hexdigest()


def parse(text: str, signals: Sequence[Signal]) -> RewardProgram:
    """Check and rewrite a program. Nothing of it is executed.

    Args:
        text: the program.
        signals: what the environment offers.

    Raises:
        RewardRejected: the text is no acceptable program; its findings say why.
    """
    parts = read_program(text, signals)
    if any(finding.severity == "error" for finding in parts.findings):
        raise RewardRejected(parts.findings)
    return RewardProgram(
        text, parts.thought, parts.weights, parts.scales, parts.parameters, parts.tree
    )


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
