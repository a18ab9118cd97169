"""Rewriting: nothing is changed in place, and the result is what in-place code would have given."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from eureka_agent.reward import Signal, parse

SIGNALS = (
    Signal("x", 3, "1", "Vector", "other"),
    Signal("y", None, "1", "Number", "other"),
)
BODIES = {
    "item": "r = x.clone()\nr[:, 1] = 2.0\na = r.sum(-1)",
    "item of an item": "r = x.clone()\nr[:, 1:][:, 0] = y\na = r.sum(-1)",
    "augmented item": "r = x.clone()\nr[..., 0] += y\nr[:, 1:] *= 3.0\na = r.sum(-1)",
    "mask": "r = y.clone()\nr[r < 0.0] = 0.5\nr[y > 1.0] -= 1.0\na = r",
    "augmented name": "a = y.clone()\na += x[:, 0]\na /= 2.0\na **= 2",
    "power in an index": "r = x.clone()\nr[:, 2 ** 1 - 1] -= 1.0\na = r.sum(-1)",
    "step": "r = x.clone()\nr[:, ::2] = y[:, None]\na = r.sum(-1)",
    "list": "r = [y, y]\nr[1] = x[:, 0]\na = r[0] + r[1]",
    "dict": 'r = {"p": y}\nr["q"] = x[:, 2]\nr["p"] += 1.0\na = r["p"] * r["q"]',
    "loop": "a = y.clone()\nfor i in range(3):\n    a += x[:, i] * i\n    a[a > 2.0] = 2.0",
}
HEAD = '"""Idea."""\nWEIGHTS = {"a": 1.0}\n'


def program(body: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    return f'{HEAD}def compute_reward(x, y):\n{lines}    return {{"a": a}}\n'


def arguments() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"x": torch.randn(8, 3, generator=generator), "y": torch.randn(8, generator=generator)}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_rewritten_code_gives_what_in_place_code_gives(body: str) -> None:
    # Trusted text: these few programs are run as they stand, to compare.
    scope: dict[str, Any] = {"torch": torch, "math": math}
    exec(program(body), scope)
    expected = scope["compute_reward"](**arguments())["a"]
    assert torch.equal(parse(program(body), SIGNALS).compile()(arguments()).total, expected)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_writing_to_arguments_leaves_them_as_they_are(body: str) -> None:
    given, same = arguments(), arguments()
    parse(program(body.replace(".clone()", "")), SIGNALS).compile()(given)
    assert all(torch.equal(given[name], same[name]) for name in given)


def test_honest_programs_leave_their_arguments_as_they_are(
    honest: str,
    signals: tuple[Signal, ...],
    make_arguments: Callable[[int], dict[str, Tensor]],
) -> None:
    given, same = make_arguments(16), make_arguments(16)
    evaluation = parse(honest, signals).compile()(given)
    for value in (evaluation.total, *evaluation.components.values()):
        value.zero_()  # what comes out is no part of what went in
    assert all(torch.equal(given[name], same[name]) for name in given)


def test_annotations_and_decorators_are_never_evaluated() -> None:
    text = HEAD + (
        "@torch.jit.script\n"
        'def compute_reward(x: torch.os.mkdir("pwned"), y: nothing) -> 1 / 0:\n'
        "    a: nothing[y] = y\n"
        '    return {"a": a}\n'
    )
    assert torch.equal(parse(text, SIGNALS).compile()(arguments()).total, arguments()["y"])


def test_powers_of_integers_cannot_grow_without_bound() -> None:
    text = program("n = 9\nfor i in range(3):\n    n = n ** n\na = y * n")
    with pytest.raises(Exception, match="OverflowError"):
        parse(text, SIGNALS).compile()(arguments())
