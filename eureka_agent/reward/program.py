"""Reward programs: a text that passed the check, and the function that it compiles to."""

import ast
import builtins
import functools
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any, NoReturn

import torch
from torch import Tensor

from eureka_agent.common.errors import EurekaError, describe
from eureka_agent.common.text import prompt_line
from eureka_agent.reward import language
from eureka_agent.reward.check import ENTRY, CheckedText, check_program
from eureka_agent.reward.findings import Finding, RewardRejected
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

_EXACT = 2**53
"""Integers up to here are exact as floats."""
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
_PATH = re.compile(r"(?:/[\w.+-]+){2,}/?")
_OUT_OF_MEMORY = re.compile(r"^MemoryError|can't allocate memory|not enough memory")
"""How Python and torch say it; torch has no type for it on a CPU."""
GRACE_S = 5.0
"""Seconds of processor time that calls of a program may take in any case, whatever else takes."""


@dataclass(frozen=True)
class BadRows:
    """Where a component is not finite.

    Attributes:
        count: number of rows.
        first: the first of them, from 0.
        value: the component there.
    """

    count: int
    first: int
    value: float


class RewardFailed(EurekaError):
    """Raised when a program raises, or returns what the contract does not allow.

    Attributes:
        line: the line of the program's text that is to blame.
        rule: id of the rule that it breaks, as of a `Finding`.
        component: the component that is to blame; empty for the whole program.
        bad_rows: where that is not finite; None for all other failures.
    """

    def __init__(
        self,
        message: str,
        line: int,
        rule: str,
        component: str = "",
        bad_rows: BadRows | None = None,
    ) -> None:
        super().__init__(message)
        self.line, self.rule = line, rule
        self.component, self.bad_rows = component, bad_rows


@dataclass
class RewardValues:
    """What a reward pays for `M` transitions.

    Attributes:
        total: weighted sum of the components `[M]` float32.
        components: each without its weight `[M]` float32.
    """

    total: Tensor
    components: dict[str, Tensor]


class RewardProgram(CheckedText):
    """A reward program that passed the check; made by `parse`."""

    def compile(self) -> "RewardFunction":
        """A function that evaluates transitions, with a namespace of its own."""
        return RewardFunction(self.tree, self.weights, self.scales, self.parameters)

    @functools.cached_property
    def fingerprint(self) -> str:
        """A hash of what the program computes: docstrings, comments and layout do not matter."""
        numbers = json.dumps([list(self.weights.items()), sorted(self.scales.items())])
        return hashlib.sha256(f"{ast.unparse(self.tree)}\n{numbers}".encode()).hexdigest()


def read_program(text: str, signals: Sequence[Signal]) -> CheckedText:
    """Check and rewrite a program, without executing anything of it.

    A process does this once for each text: later calls get the same object.

    Args:
        text: the program; any other object is refused.
        signals: what the environment offers.

    Returns:
        A `RewardProgram` if the text is acceptable.
    """
    if type(text) is not str:  # it may have no hash
        return check_program(text, signals)
    # The check reads names and sizes only.
    return _read(text, tuple(Signal(s.name, s.size, "", "", "other") for s in signals))


@functools.lru_cache(maxsize=1024)  # an entry takes about 30 kB
def _read(text: str, signals: tuple[Signal, ...]) -> CheckedText:
    found = check_program(text, signals)
    return found if found.refused else RewardProgram(**vars(found))


def parse(text: str, signals: Sequence[Signal]) -> RewardProgram:
    """Read a program that must be acceptable; see `read_program`.

    Raises:
        RewardRejected: the text is not an acceptable program; its findings say why.
    """
    program = read_program(text, signals)
    if not isinstance(program, RewardProgram):
        raise RewardRejected(program.findings)
    return program


def check(text: str, signals: Sequence[Signal]) -> list[Finding]:
    """Everything that is wrong with a text, in its order; see `read_program`."""
    return list(read_program(text, signals).findings)


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
        self._compute = scope[ENTRY]

    def __call__(self, arguments: Mapping[str, Tensor]) -> RewardValues:
        """Evaluate `M` transitions; the arguments stay as they are.

        Whatever a program does or returns ends in its values or in `RewardFailed`: no other
        exception, and no change of torch's settings, reaches the caller.

        Args:
            arguments: a tensor `[M]` or `[M, d]` for each of `parameters`; others are ignored.

        Raises:
            RewardFailed: the program raised, or broke the contract.
            ValueError: an argument is missing, or numbers of rows differ.
        """
        missing = [name for name in self.parameters if name not in arguments]
        if missing:
            raise ValueError(f"missing arguments: {', '.join(missing)}")
        # Copies: a program cannot change the caller's data.
        asked = {name: arguments[name].clone() for name in self.parameters}
        rows = {len(value) for value in asked.values()}
        if len(rows) != 1:
            raise ValueError(f"the arguments have different numbers of rows: {sorted(rows)}")
        before = TorchState()
        try:
            with torch.no_grad():
                result = self._compute(**asked, **self._scales)
                values = self._values(result, next(iter(asked.values())))
        except (RewardFailed, KeyboardInterrupt):
            raise
        except BaseException as error:
            line = _line(error.__traceback__) or self._lines[""]
            message = _clean(describe(error))
            rule = "memory" if _OUT_OF_MEMORY.search(message) else "exception"
            raise RewardFailed(message, line, rule) from None
        finally:
            changed = before.restore()
        if changed:
            raise self._failure("torch-settings", f"The program changed torch's {changed}.")
        return values

    def _failure(
        self, rule: str, message: str, component: str = "", bad_rows: BadRows | None = None
    ) -> RewardFailed:
        """The error about a component, or about the whole program."""
        return RewardFailed(message, self._lines[component], rule, component, bad_rows)

    def _values(self, result: object, like: Tensor) -> RewardValues:
        """Check the result of `compute_reward` against the contract, and sum its components.

        Args:
            result: what `compute_reward` returned.
            like: an argument, which has the components' number of rows and device.
        """
        if type(result) is not Components:
            message = f"compute_reward returned a {_type_name(result)}; expected a dict."
            raise self._failure("return", message)
        entries = result.entries
        for name in self.weights:
            if name not in entries:
                message = f'The component "{name}" of WEIGHTS was not returned.'
                raise self._failure("weight-without-component", message, name)
        for name in entries:
            if name not in self.weights:
                # Other types than text may have no text: see `describe`.
                shown = _clean(name) if type(name) is str else _type_name(name)
                message = f'The returned component "{shown}" has no weight in WEIGHTS.'
                raise self._failure("component-without-weight", message)
        components = {name: self._component(name, entries[name], like) for name in self.weights}
        total = torch.zeros_like(next(iter(components.values())))
        # One after the other in the order of WEIGHTS: scaling all weights by a power of two then
        # scales every intermediate result, and so the total, exactly.
        for name, weight in self.weights.items():
            total = total + components[name] * weight
        # A component that is not finite makes the sum so, whatever its weight: 0 * inf is NaN.
        if not bool(total.isfinite().all()):  # the only wait for a GPU
            self._check_finite(components)
            message = "The weighted sum of the components is too large for float32."
            raise self._failure("not-finite", message)
        return RewardValues(total, components)

    def _component(self, name: str, value: object, like: Tensor) -> Tensor:
        """A component as float32 `[M]`, in memory of its own."""
        rows, what = len(like), f'The component "{name}"'
        if type(value) is not Tensor:
            message = f"{what} is a {_type_name(value)}; expected a tensor [{rows}]."
            raise self._failure("shape", message, name)
        if tuple(value.shape) != (rows,):
            message = f"{what} has shape {list(value.shape)}; expected [{rows}]"
            raise self._failure("shape", f"{message}{_shape_advice(value, rows)}.", name)
        if value.device != like.device or value.layout is not torch.strided:
            message = f"{what} is on {value.device}; expected {like.device}."
            raise self._failure("shape", message, name)
        if value.is_complex():
            message = f"{what} is complex; expected real numbers."
            raise self._failure("shape", message, name)
        return value.to(torch.float32).clone(memory_format=torch.contiguous_format)

    def _check_finite(self, components: Mapping[str, Tensor]) -> None:
        finite = {name: component.isfinite() for name, component in components.items()}
        name = next((name for name, good in finite.items() if not good.all()), None)
        if name is None:
            return
        good = finite[name]
        first = int((~good).nonzero()[0])
        bad = BadRows(int((~good).sum()), first, float(components[name][first]))
        message = f'The component "{name}" is not finite in {bad.count} of {len(good)} rows'
        message += f": row {first} is {bad.value}."
        raise self._failure("not-finite", message, name, bad)


def _component_lines(tree: ast.Module, weights: Mapping[str, float]) -> dict[str, int]:
    """The line on which each component is returned; "" stands for the return itself."""
    entry = next(f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name == ENTRY)
    returns = [node.lineno for node in ast.walk(entry) if isinstance(node, ast.Return)]
    lines = dict.fromkeys((*weights, ""), returns[-1])
    for node in ast.walk(entry):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in weights:
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
    """The first line of an error, safe to print and to show to a language model."""
    first = message.strip().split("\n")[0]
    return prompt_line(_PATH.sub("(path)", _ADDRESS.sub("(address)", first))) or "no reason given"


class Facade:
    """Stands in for a module: has the members that the language lists, and cannot be changed."""

    def __init__(self, members: Mapping[str, Any]) -> None:
        self.__dict__.update(members)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{name} cannot be deleted")


class Components:
    """A program's dict: values by name, which does not give out its names."""

    __slots__ = ("entries",)
    __iter__ = None  # else Python would try the indices 0, 1, 2, ...

    def __init__(self, entries: dict[Any, Any]) -> None:
        self.entries = entries

    def __getitem__(self, name: Any) -> Any:
        return self.entries[name]


def namespace() -> dict[str, Any]:
    """New globals for one program: listed functions only, and no module objects."""
    return {
        "__builtins__": {
            **{name: getattr(builtins, name) for name in language.BUILTINS},
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
    """Stands in for `__import__`, which torch's C++ code looks up in its caller's builtins.

    It then takes the module from `sys.modules` by itself; a program gets nothing. Without this, a
    process's first `torch.tensor([1.0])` fails if a program calls it.
    """


@functools.cache
def _modules() -> dict[str, Facade]:
    """`torch`, `math` and `F`, shared by all programs, which cannot change them."""
    functions: dict[str, Any] = {
        path: functools.reduce(getattr, path.split("."), torch)
        for path in language.TORCH_FUNCTIONS | language.TORCH_CONSTANTS
    }
    # The originals without `dim` take the first dimension of size 3: that of the rows if M is 3.
    functions["cross"] = functions["linalg.cross"] = _cross
    nn = Facade({name: getattr(torch.nn.functional, name) for name in language.NN_FUNCTIONS})
    linalg = {p.removeprefix("linalg."): f for p, f in functions.items() if "." in p}
    plain = {name: function for name, function in functions.items() if "." not in name}
    return {
        "torch": Facade({**plain, "linalg": Facade(linalg), "nn": Facade({"functional": nn})}),
        "math": Facade(
            {
                name: getattr(math, name)
                for name in language.MATH_FUNCTIONS | language.MATH_CONSTANTS
            }
        ),
        "F": nn,
    }


def _cross(input: Tensor, other: Tensor, dim: int = -1) -> Tensor:
    """`torch.cross` along the last dimension, whatever the sizes."""
    return torch.linalg.cross(input, other, dim=dim)


def _set_item(container: Any, index: Any, value: Any) -> Any:
    """A copy of `container` after `container[index] = value`."""
    if isinstance(container, Components):
        return Components({**container.entries, index: value})
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


# Each setting's name, and how to read and to set it.
_TORCH_SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], object]]] = {
    "default type": (torch.get_default_dtype, torch.set_default_dtype),
    "number of threads": (torch.get_num_threads, torch.set_num_threads),
    "gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "random state": (torch.get_rng_state, torch.set_rng_state),
}


class TorchState:
    """Settings of torch that hold for the whole process, as they were when this was made.

    The reward language offers no way to change them. Comparing them costs some microseconds per
    call, and without it a gap in the language would stay unnoticed.
    """

    def __init__(self) -> None:
        self._values = {name: read() for name, (read, _) in _TORCH_SETTINGS.items()}

    def restore(self) -> str:
        """Set back what has changed; returns what that was, empty if nothing."""
        changed = []
        for name, before in self._values.items():
            read, write = _TORCH_SETTINGS[name]
            now = read()
            same = torch.equal(now, before) if isinstance(now, Tensor) else now == before
            if not same:
                write(before)
                changed.append(name)
        return " and ".join(changed)
