"""Calls everything that the reward language lists, with whatever arguments each takes.

Run as a program of the worker without a check. A call may fail, but not for want of a file: that
would be a part of torch that loads on first use.
"""

import warnings
from collections.abc import Callable

import torch

from eureka_agent.reward import LIBRARY, language
from eureka_agent.reward.program import namespace

x, y, v = torch.rand(6, 3), torch.rand(6, 3), torch.rand(6)
q, b, i = torch.rand(6, 4), x > 0.5, torch.arange(6)
ARGUMENTS = (
    *((x,), (x, y), (v, v), (x, 1), (x, 0, 1), (b,), (b, b), (b, x, y), (x, (6, 3)), ([x, y],)),
    *(((6, 3),), (v, -1), (x, i[:3]), (x, 0, i[:3]), (x, 0, i.view(6, 1)), ("ij,ij->i", x, y)),
    *((3,), (2.0,), (0.0, 1.0, 5), (x[None], y[None].mT), (x, y.mT), (x, v[:3]), (x, 0, 0, 2)),
    *((x, -1, (3, 1)), (x, 0.5), (x, b, 0.0), (x, [2, 4]), (i,), (i, 6), (2.0, 3.0), (x, [0])),
    *((x, x.argsort(0), 0), (x, y, 0.5), (x, (1, 0)), ((6,), 1.0), (q,), (q, q), (q, x)),
)
worked: set[str] = set()
missing: dict[str, str] = {}


def call(name: str, function: Callable[..., object]) -> None:
    for arguments in ARGUMENTS:
        try:
            with warnings.catch_warnings(action="ignore"):
                function(*arguments)
            worked.add(name)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            if isinstance(error, ImportError | OSError) or "ermission" in said or "module" in said:
                missing[name] = said


def method(name: str) -> Callable[..., object]:
    return lambda tensor, *rest: getattr(tensor, name)(*rest)


torch_facade, nn = namespace()["torch"], namespace()["F"]
for path in language.TORCH_FUNCTIONS:
    found = torch_facade
    for part in path.split("."):
        found = getattr(found, part)
    call(f"torch.{path}", found)
for name in language.NN_FUNCTIONS:
    call(f"F.{name}", getattr(nn, name))
for name in language.TENSOR_METHODS:
    call(f".{name}", method(name))
for name, function in LIBRARY.items():
    call(name, function)
listed = len(language.TORCH_FUNCTIONS | set(language.NN_FUNCTIONS) | language.TENSOR_METHODS)
if missing or len(worked) < listed:
    raise RuntimeError(f"{len(worked)} functions worked, and these are missing: {missing}")
