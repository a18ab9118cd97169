"""Reward programs: what they compute, their contract, and the line that breaks it."""

import re
import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from eureka_agent.reward import RewardFailed, Signal, check, parse, read_program, split_prefix
from eureka_agent.reward.program import BadRows, namespace

MakeArguments = Callable[[int], dict[str, Tensor]]
SIGNALS = (
    Signal("x", 3, "1", "Vector", "other"),
    Signal("y", None, "1", "Number", "other"),
)


def program(expression: str, weights: str = '{"a": 1.0}') -> str:
    """A program whose component `a` is returned on line 6, and computed on line 5."""
    return (
        f'"""Idea.\n\nMore."""\nWEIGHTS = {weights}\ndef compute_reward(x, y):\n'
        f"    a = {expression}\n"
        '    return {"a": a}\n'
    )


def evaluate(text: str, rows: int = 4) -> Tensor:
    arguments = {"x": torch.ones(rows, 3), "y": torch.arange(float(rows))}
    return parse(text, SIGNALS).compile()(arguments).total


def test_honest_programs_evaluate(
    honest: str, signals: tuple[Signal, ...], make_arguments: MakeArguments
) -> None:
    program = parse(honest, signals)
    for rows in (1, 3, 64):
        evaluation = program.compile()(make_arguments(rows))
        assert list(evaluation.components) == list(program.weights)
        for value in (evaluation.total, *evaluation.components.values()):
            assert value.shape == (rows,)
            assert value.dtype == torch.float32
            assert not value.requires_grad


def test_rows_do_not_depend_on_each_other(
    honest: str, signals: tuple[Signal, ...], make_arguments: MakeArguments
) -> None:
    reward, arguments = parse(honest, signals).compile(), make_arguments(64)
    whole = reward(arguments).total
    order = torch.randperm(64, generator=torch.Generator().manual_seed(1))[:9]
    part = reward({name: value[order] for name, value in arguments.items()}).total
    torch.testing.assert_close(part, whole[order])


def test_scaling_all_weights_scales_the_total_exactly(
    honest: str, signals: tuple[Signal, ...], make_arguments: MakeArguments
) -> None:
    program, arguments = parse(honest, signals), make_arguments(257)
    total = program.compile()(arguments).total
    scaled = {name: 1024 * weight for name, weight in program.weights.items()}
    line = next(line for line in honest.split("\n") if line.startswith("WEIGHTS"))
    larger = parse(honest.replace(line, f"WEIGHTS = {scaled}"), signals).compile()
    assert torch.equal(larger(arguments).total, 1024 * total)


def test_components_are_unweighted_and_the_total_is_their_weighted_sum() -> None:
    text = program("y", '{"a": 3.0, "b": -0.5, "shown": 0}').replace(
        '{"a": a}', '{"shown": x[:, 0] * 9, "a": y, "b": x.sum(-1)}'
    )
    evaluation = parse(text, SIGNALS).compile()({"x": torch.ones(2, 3), "y": torch.arange(2.0)})
    assert list(evaluation.components) == ["a", "b", "shown"]
    assert evaluation.components["shown"].tolist() == [9.0, 9.0]
    assert evaluation.total.tolist() == [-1.5, 1.5]


@pytest.mark.parametrize("expression", ["y > 1.0", "(y > 1.0).long()", "(y > 1.0).double()"])
def test_other_number_types_become_float32(expression: str) -> None:
    total = evaluate(program(expression))
    assert total.dtype == torch.float32
    assert total.tolist() == [0.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("expression", "line", "words"),
    [
        ("x[:, :1]", 7, 'component "a" has shape [4, 1]; expected [4]: squeeze or index it'),
        ("x", 7, 'component "a" has shape [4, 3]; expected [4]: choose one of its columns'),
        ("torch.tensor(1.0)", 7, 'component "a" has shape []; expected [4]: it is one number'),
        ("y[:2]", 7, 'component "a" has shape [2]; expected [4].'),
        ("[y]", 7, 'component "a" is a list; expected a tensor [4].'),
        ("1 / y", 7, 'component "a" is not finite in 1 of 4 rows: row 0 is inf.'),
        ("torch.log(y - 2.5)", 7, 'component "a" is not finite in 3 of 4 rows: row 0 is nan.'),
        ("x[:, y.long()[0] + 5]", 6, "IndexError: index 5 is out of bounds"),
        ("y.gather(0, y.long() + 100000)", 6, "RuntimeError: index 100000 is out of bounds"),
        ("x @ x", 6, "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x3 and 4x3)"),
        ("y / (1 - 1)", 7, 'component "a" is not finite in 4 of 4 rows'),
        ("{'b': y}", 7, 'component "a" is a dict; expected a tensor [4].'),
        ("max({'b': y})", 6, "TypeError: 'Components' object is not iterable"),
        ("y * [1.0, 2.0][0:1]", 6, "TypeError: a list or tuple cannot be multiplied"),
        ("x.view((y > 0).dtype)", 6, "TypeError: reshape()"),
        ("1.0 / math.floor(0.5) * y", 6, "ZeroDivisionError: "),
    ],
)
def test_failures_name_what_is_wrong_and_the_line(expression: str, line: int, words: str) -> None:
    with pytest.raises(RewardFailed) as caught:
        evaluate(program(expression))
    assert words in caught.value.message
    assert caught.value.line == line
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("expression", "rule", "component"),
    [
        ("x", "shape", "a"),
        ("1 / y", "not-finite", "a"),
        ("torch.zeros(1000000, 1000000).sum() + y", "memory", ""),
        ("x[:, y.long()[0] + 5]", "exception", ""),
    ],
)
def test_failures_have_a_rule(expression: str, rule: str, component: str) -> None:
    with pytest.raises(RewardFailed) as caught:
        evaluate(program(expression))
    assert (caught.value.rule, caught.value.component) == (rule, component)
    bad = BadRows(1, 0, float("inf")) if rule == "not-finite" else None
    assert caught.value.bad_rows == bad


def test_a_component_that_is_shown_must_be_finite_as_well() -> None:
    text = program("y", '{"a": 1.0, "b": 0}').replace('"a": a', '"a": a, "b": 1 / y')
    with pytest.raises(RewardFailed, match='"b" is not finite in 1 of 4 rows'):
        evaluate(text)


NEST = "n = (1,)\n    for i in range(100):\n        for j in range(60):\n            n = (n,)\n    "
GROW = "n = 1\n    for i in range(100):\n        for j in range(150):\n            n += n\n    "


@pytest.mark.parametrize(
    ("make", "use", "words"),
    [
        (NEST, "{'a': y}[n]", "KeyError: (a text that cannot be made: RecursionError)"),
        (GROW, "{'a': y}[n]", "KeyError: (a text that cannot be made: ValueError)"),
        (NEST, "max(n, (n,))", "RecursionError: "),
        (NEST, "y[n]", "ValueError: too many dimensions"),
        (GROW, "y * n", "OverflowError: "),
        (NEST, "returned", 'component "tuple" has no weight'),
        (GROW, "returned", 'component "int" has no weight'),
    ],
)
def test_values_that_cannot_be_printed_fail_only_their_program(
    make: str, use: str, words: str
) -> None:
    text = program("y").replace("    a = y\n", f"    {make}a = {use}\n")
    if use == "returned":
        text = program("y").replace('{"a": a}', "d").replace("    a = y", f"    {make}d = {{}}")
        text = text.replace("    return d", '    d["a"] = y\n    d[n] = y\n    return d')
    with pytest.raises(RewardFailed, match=re.escape(words)):
        evaluate(text)


class _Mute(Exception):
    def __str__(self) -> str:
        raise RecursionError


@pytest.mark.parametrize(
    "error",
    [_Mute(), SystemExit(3), GeneratorExit(), StopIteration(), MemoryError(), OSError("\ud800")],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_program_raises_is_its_failure(error: BaseException) -> None:
    function = parse(program("y"), SIGNALS).compile()

    def fail(**arguments: object) -> None:
        raise error

    function._compute = fail
    with pytest.raises(RewardFailed, match=type(error).__name__) as caught:
        function({"x": torch.ones(2, 3), "y": torch.ones(2)})
    assert caught.value.message.isascii()


def test_failures_inside_helpers_name_the_helpers_line() -> None:
    text = (
        'WEIGHTS = {"a": 1.0}\ndef pick(v):\n    w = v\n    return w[:, 7]\n'
        'def compute_reward(x):\n    return {"a": pick(x)}\n'
    )
    with pytest.raises(RewardFailed, match="IndexError") as caught:
        evaluate(text)
    assert caught.value.line == 4


def test_lines_survive_rewriting() -> None:
    text = program("y").replace(
        "    a = y\n", "    a = x.clone()\n    a[:, 0] = 1.0\n    a[:, 9] += 1\n"
    )
    with pytest.raises(RewardFailed, match="IndexError") as caught:
        evaluate(text)
    assert caught.value.line == 8


@pytest.mark.parametrize(
    ("returned", "words", "rule"),
    [
        ("c", 'component "b" of WEIGHTS was not returned', "weight-without-component"),
        ("wrap(y)", "returned a tensor; expected a dict", "return"),
        (
            "wrap({'a': y, 'b': y, 'c': y})",
            'returned component "c" has no weight',
            "component-without-weight",
        ),
    ],
)
def test_components_that_the_text_hides_are_checked_at_run_time(
    returned: str, words: str, rule: str
) -> None:
    text = (
        'WEIGHTS = {"a": 1.0, "b": 1.0}\ndef wrap(v):\n    return v\n'
        f'def compute_reward(y):\n    c = wrap({{"a": y}})\n    return {returned}\n'
    )
    with pytest.raises(RewardFailed, match=words) as caught:
        evaluate(text)
    assert caught.value.rule == rule


def test_a_sum_beyond_float32_fails() -> None:
    with pytest.raises(RewardFailed, match="too large"):
        evaluate(program("y * 1e30", '{"a": 1e12}'))


def test_missing_arguments_are_the_callers_mistake() -> None:
    reward = parse(program("y"), SIGNALS).compile()
    assert reward.parameters == ("x", "y")
    with pytest.raises(ValueError, match="missing arguments: y"):
        reward({"x": torch.ones(4, 3)})
    with pytest.raises(ValueError, match="different numbers of rows"):
        reward({"x": torch.ones(4, 3), "y": torch.ones(5)})


def test_the_parts_of_a_program_can_be_read(example: str, signals: tuple[Signal, ...]) -> None:
    program = parse(example, signals)
    assert program.text == example
    assert program.thought == "Run forward, stay upright, waste no effort."
    assert program.weights == {"forward": 1.0, "upright": 0.3, "effort": 0.01}
    assert program.scales == {"upright_width": 0.25}
    assert program.parameters[-2:] == ("prev_action", "upright_width")
    assert program.compile().parameters == program.parameters[:-1]


def test_a_process_reads_each_text_once(example: str, signals: tuple[Signal, ...]) -> None:
    program = parse(example, signals)
    other_words = [replace(signal, meaning="Something", axes=()) for signal in signals]
    assert parse(example, other_words) is read_program(example, signals) is program
    assert parse(example + "\n", signals) is not program
    assert check(example, signals) == list(program.findings)
    assert read_program(example, []).refused


def test_the_thought_is_the_docstrings_first_paragraph() -> None:
    assert parse(program("y"), SIGNALS).thought == "Idea."


def test_equal_programs_have_equal_fingerprints() -> None:
    text = program("(y + 1.0) * 2")
    same = [
        text.replace("Idea", "Another idea"),
        text.replace("(y + 1.0) * 2", "((y+1.0)*2)  # comment"),
        text.replace("x, y", "x: torch.Tensor, y"),
        text.replace("    a =", '    """Doc."""\n    pass\n    a: float ='),
        "import torch\n" + text.replace("def ", "@torch.jit.script\ndef ", 1),
        text.replace("\n", "\r\n"),
    ]
    other = [
        text.replace("1.0}", "2.0}"),
        text.replace("* 2", "* 3"),
        text.replace("def", "SCALES = {'w': 1.0}\ndef"),
    ]
    fingerprint = parse(text, SIGNALS).fingerprint
    assert {parse(variant, SIGNALS).fingerprint for variant in same} == {fingerprint}
    assert fingerprint not in {parse(variant, SIGNALS).fingerprint for variant in other}


def test_parameters_are_split_at_their_prefix() -> None:
    assert split_prefix("prev_torso_up") == ("prev", "torso_up")
    assert split_prefix("max_x") == ("max", "x")
    assert split_prefix("prev_action") == ("", "prev_action")
    assert split_prefix("torso_up") == ("", "torso_up")
    assert split_prefix("prev") == ("", "prev")


def everything(value: object, depth: int = 3) -> Iterator[object]:
    """A value and what lies in it, by public names."""
    yield value
    if depth and not isinstance(value, Tensor | int | float):
        members = value if isinstance(value, dict) else getattr(value, "__dict__", {})
        for name, member in members.items():
            if not name.startswith("__") or isinstance(value, dict):
                yield from everything(member, depth - 1)


def test_the_namespace_holds_no_modules_and_cannot_be_changed() -> None:
    scope = namespace()
    assert not [value for value in everything(scope) if isinstance(value, types.ModuleType)]
    with pytest.raises(AttributeError):
        scope["torch"].exp = None
    with pytest.raises(AttributeError):
        del scope["math"].sqrt
    assert set(scope["__builtins__"]).isdisjoint({"open", "eval", "exec", "getattr", "type"})
    assert scope["__builtins__"]["__import__"]("os") is None


def test_programs_run_in_a_process_that_has_not_used_torch_yet() -> None:
    text = program("y + torch.tensor([1.0, 2.0], device=y.device).sum()")
    script = (
        "import torch; from eureka_agent.reward import Signal, parse\n"
        f"reward = parse({text!r}, {SIGNALS!r}).compile()\n"
        "reward({'x': torch.ones(4, 3), 'y': torch.ones(4)})\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
