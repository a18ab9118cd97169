"""The check accepts honest programs and says what is wrong with the others, and where."""

import ast
import random
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eureka_agent.reward import Finding, RewardRejected, Signal, check, parse

HEAD = '"""Idea."""\nWEIGHTS = {"a": 1.0}\n'
SIGNALS = (
    Signal("velocity", 3, "m/s", "Velocity", "velocity"),
    Signal("height", None, "m", "Height", "distance"),
)


def errors(text: str) -> list[Finding]:
    return [finding for finding in check(text, SIGNALS) if finding.severity == "error"]


def with_body(body: str, parameters: str = "velocity, height, action") -> str:
    """A program around lines of `compute_reward`, which begin at line 4."""
    return f"{HEAD}def compute_reward({parameters}):\n{textwrap.indent(body, '    ')}\n"


def ending(expression: str) -> str:
    """A program that returns `expression` as its component, on line 4."""
    return with_body(f'return {{"a": {expression}}}')


def test_honest_programs_have_no_findings(honest: str, signals: tuple[Signal, ...]) -> None:
    assert check(honest, signals) == []


IN_EXPRESSIONS = [
    # what a program cannot reach
    ('torch.os.system("touch x")', "unknown-function"),
    ('torch.load("policy.zip")', "unknown-function"),
    ("torch.utils.collect_env.run(height)", "unknown-function"),
    ("torch.ops.aten.zero_(height)", "unknown-function"),
    ('getattr(torch, "o" + "s")', "unknown-function"),
    ('open("/etc/passwd")', "unknown-function"),
    ("eval(height)", "unknown-function"),
    ("globals()", "unknown-function"),
    ("height.numpy()", "unknown-method"),
    ("height.untyped_storage()", "unknown-method"),
    ("height.register_hook(height)", "unknown-method"),
    ("height.apply_(height)", "unknown-method"),
    ("height.item()", "unknown-method"),
    ("height.__class__", "unknown-attribute"),
    ("height.grad", "unknown-attribute"),
    ("torch.exp.__self__", "unknown-function"),
    ('"{0.os}".format(height)', "unknown-method"),
    ('"text" + height', "string"),
    ('f"{height}"', "unknown-syntax"),
    ("(lambda x: x)(height)", "unknown-syntax"),
    ("[x for x in height]", "unknown-syntax"),
    ("(x := height)", "unknown-syntax"),
    ("height << 40", "unknown-syntax"),
    ("height is None", "unknown-syntax"),
    ("torch.zeros(*height.shape)", "unknown-syntax"),
    ("torch.sum(**height)", "unknown-syntax"),
    ("(height.exp)(height)[0](1)", "unknown-function"),
    ("torch", "module-as-value"),
    ("torch.nn", "unknown-function"),
    ("torch.abs", "function-as-value"),
    ("abs", "function-as-value"),
    ("b'x'", "constant"),
    ("2j", "constant"),
    # what would change state or depend on chance
    ("torch.rand_like(height)", "randomness"),
    ("height.normal_()", "randomness"),
    ("height.add_(1.0)", "in-place"),
    ("torch.relu(height, inplace=True)", "keyword"),
    ("torch.exp(height, out=velocity)", "keyword"),
    ("torch.nn.functional.relu(height, True)", "positional"),
    ("torch.norm(velocity, 2, -1, False, height)", "positional"),
    ("F.normalize(velocity, 2.0, 1, 1e-12, velocity)", "positional"),
    ('torch.zeros(3, device="meta")', "device"),
    ("torch.ones(3, requires_grad=True)", "keyword"),
    # what would take for ever
    ("9 ** 9 ** 9", "large-exponent"),
    ("height ** 400", "large-exponent"),
    ("torch.ones(10000000000)", "large-integer"),
    ("1e999", "large-number"),
    ("[0.0] * 1000000", "list-arithmetic"),
    # what will not work, or not as it was meant
    ("velocity[0]", "row-index"),
    ("action[-1]", "row-index"),
    ("velocity[:, 3]", "column"),
    ("height[:, 0]", "column"),
    ("height.mean() * height", "mixed-rows"),
    ("velocity.sum(dim=0)", "mixed-rows"),
    ("torch.norm(velocity - 1.0)", "mixed-rows"),
    ("(velocity[:, 0] ** 2).amax()", "mixed-rows"),
    ("F.mse_loss(velocity, velocity)", "mixed-rows"),
    ("max(height, 0.0)", "number-function"),
    ("float(height)", "number-function"),
    ("math.exp(height)", "number-function"),
    ("height > 0 and height < 1", "tensor-truth"),
    ("0 < height < 1", "tensor-truth"),
    ("not height", "tensor-truth"),
    ("height if height > 0 else -height", "tensor-truth"),
    ("velocitty[:, 0]", "unknown-name"),
    ("prev_height - height", "unknown-name"),
    ("WEIGHTS", "table-in-function"),
    ("range(3)", "range"),
    ("later", "unknown-name"),
    ("height(3)", "call-of-variable"),
    ("compute_reward(height)", "recursion"),
    ("1.0", "component-shape"),
    ('torch.div(height, 2.0, rounding_mode="up")', "option"),
    ('torch.einsum("__import__", height)', "string"),
    ('{"b c": height}', "component-name"),
    ("{height: height}", "component-name"),
]


@pytest.mark.parametrize(("expression", "rule"), IN_EXPRESSIONS, ids=[e for e, _ in IN_EXPRESSIONS])
def test_bad_expressions_are_found_wherever_they_stand(expression: str, rule: str) -> None:
    found = errors(ending(expression))
    assert rule in {finding.rule for finding in found}
    assert {finding.line for finding in found} == {4}
    if rule == "component-shape":
        return  # only wrong as a component
    places = ("x = {}", "x = (1, {})", "x = torch.exp({})", "x = height[{}]", "x = height\nx += {}")
    for place in places:
        moved = errors(with_body(place.format(expression) + '\nreturn {"a": x}'))
        assert rule in {finding.rule for finding in moved}, place


IN_BODIES = [
    ("while True:\n    pass", "unknown-syntax", 4),
    ("import os", "unknown-syntax", 4),
    ("global height", "unknown-syntax", 4),
    ("try:\n    pass\nfinally:\n    pass", "unknown-syntax", 4),
    ("with open(height) as f:\n    pass", "unknown-syntax", 4),
    ("def inner():\n    return 1", "unknown-syntax", 4),
    ("class A:\n    pass", "unknown-syntax", 4),
    ("match height:\n    case object(__class__=c):\n        pass", "unknown-syntax", 4),
    ("assert height is None", "unknown-syntax", 4),
    ('raise ValueError("x")', "unknown-syntax", 4),
    ("del height", "unknown-syntax", 4),
    ("for i in range(3):\n    break", "unknown-syntax", 5),
    ("for i in range(3):\n    pass\nelse:\n    pass", "unknown-syntax", 7),
    ("yield height", "unknown-syntax", 4),
    ("x = height\nfor row in height:\n    x = x + row", "loop", 5),
    ("for i in range(1000):\n    x = height", "loop", 4),
    ("for i in range(200):\n    for j in range(200):\n        x = height", "loop", 4),
    ('print("here")', "unknown-function", 4),
    ("height.zero_()", "unknown-method", 4),
    ("height.clamp_(0.0, 1.0)", "in-place", 4),
    ("height.square()", "no-effect", 4),
    ("height.data = velocity", "assignment", 4),
    ("torch.abs = height", "assignment", 4),
    ("height.T[0] = 0.0", "assignment", 4),
    ("height[0], x = 1.0, 2.0", "assignment", 4),
    ("x = [height]\nx[0][0][0][0] = 1.0", "assignment", 5),
    ("torch = height", "reserved-name", 4),
    ("for math in range(3):\n    pass", "reserved-name", 4),
    ("__set_item = height", "odd-name", 4),
    ("größe = height", "odd-name", 4),
    ("x = x + height", "unassigned-name", 4),
    ("x += height", "unassigned-name", 4),
    ("x[0] = height", "unknown-name", 4),
    ("if (height > 0).any():\n    pass", "tensor-truth", 4),
    ("if height.mean() > 0:\n    pass", "mixed-rows", 4),
    ("error = velocity.square()\nif error[:, 0] > 1:\n    pass", "tensor-truth", 5),
    ("return height, {}", "return", 4),
    ("return height * 2.0", "return", 4),
    ("return", "return", 4),
    ("return {}", "weight-without-component", 4),
    ('return {"a": height, "b": height}', "component-without-weight", 4),
    ('c = {"a": height}\nc["b"] = height\nreturn c', "component-without-weight", 6),
    ('return {"a": height, "a": height}', "component-name", 4),
    ('return {**height, "a": height}', "component-name", 4),
]


@pytest.mark.parametrize(
    ("body", "rule", "line"), IN_BODIES, ids=[body for body, _, _ in IN_BODIES]
)
def test_bad_statements_are_found_on_their_line(body: str, rule: str, line: int) -> None:
    found = errors(with_body(body + '\nreturn {"a": height}'))
    assert (rule, line) in {(finding.rule, finding.line) for finding in found}


DEFINITION = 'def compute_reward(height):\n    return {"a": height}\n'
# Python's own parser gives up on it, or, from some version on, leaves that to us.
NESTED = ("too-deep", 62) if sys.version_info >= (3, 13) else ("syntax", 1)
AROUND = [
    ("", "no-weights", 1),
    (HEAD, "no-compute-reward", 1),
    (HEAD + DEFINITION.replace("compute_reward", "compute_rewards"), "no-compute-reward", 1),
    (DEFINITION, "no-weights", 1),
    (HEAD + "import os\n" + DEFINITION, "import", 3),
    (HEAD + "import numpy as np\n" + DEFINITION, "import", 3),
    (HEAD + "import torch as t\n" + DEFINITION, "import", 3),
    (HEAD + "from torch import os\n" + DEFINITION, "import", 3),
    (HEAD + "from typing import *\n" + DEFINITION, "import", 3),
    (HEAD + "count = 0\n" + DEFINITION, "module-statement", 3),
    (HEAD + "torch.os.remove('x')\n" + DEFINITION, "module-statement", 3),
    (HEAD + "class A(height):\n    pass\n" + DEFINITION, "module-statement", 3),
    (HEAD + "WEIGHTS = {'a': 2.0}\n" + DEFINITION, "module-statement", 3),
    (HEAD + "if True:\n    pass\n" + DEFINITION, "module-statement", 3),
    (HEAD + DEFINITION + DEFINITION, "reserved-name", 5),
    (HEAD + "def torch(x):\n    return x\n" + DEFINITION, "reserved-name", 3),
    (HEAD + "def max(x):\n    return x\n" + DEFINITION, "reserved-name", 3),
    (HEAD + "@torch.os.system\n" + DEFINITION, "decorator", 3),
    (HEAD + "@(lambda f: f)\n" + DEFINITION, "decorator", 3),
    (HEAD + DEFINITION.replace("height)", "height, memory=[])"), "default", 3),
    (HEAD + DEFINITION.replace("height)", "height, heigth)"), "unknown-parameter", 3),
    (HEAD + DEFINITION.replace("height)", "height, obs)"), "unknown-parameter", 3),
    (HEAD + DEFINITION.replace("(height)", "(height, prev_prev_height)"), "unknown-parameter", 3),
    (HEAD + DEFINITION.replace("(height)", "(*height)"), "parameters", 3),
    (HEAD + DEFINITION.replace("(height)", "(height, **rest)"), "parameters", 3),
    (HEAD + DEFINITION.replace("(height)", "(height, /)"), "parameters", 3),
    (HEAD + DEFINITION.replace("(height)", "(height, height)"), "syntax", 3),
    (HEAD + "def f(x, keep={}):\n    return x\n" + DEFINITION, "default", 3),
    (HEAD + "def f(x):\n    return g(x)\ndef g(x):\n    return x\n" + DEFINITION, "recursion", 4),
    (HEAD + "def f(x):\n    return f(x)\n" + DEFINITION, "recursion", 4),
    (HEAD + "def f(x):\n    y = x\n" + DEFINITION, "return", 3),
    (HEAD + "SCALES = {'a': 1.0}\ndef compute_reward(a):\n    return {'a': a}\n", "no-signal", 4),
    (HEAD + "SCALES = {'height': 1.0}\n" + DEFINITION, "scale-name", 4),
    (HEAD + "SCALES = {'w': 1 / 3}\n" + DEFINITION, "table", 3),
    (HEAD.replace("1.0", "float('inf')") + DEFINITION, "table", 2),
    (HEAD.replace("1.0", "1e999") + DEFINITION, "table", 2),
    (HEAD.replace("1.0", "True") + DEFINITION, "table", 2),
    (HEAD.replace("1.0", "1e-30") + DEFINITION, "weights", 2),
    (HEAD.replace("1.0", "0") + DEFINITION, "weights", 2),
    (HEAD.replace("{", "dict(x={").replace("}", "})") + DEFINITION, "table", 2),
    (HEAD.replace('"a": 1.0', '"a": 1.0, "a": 2.0') + DEFINITION, "table", 2),
    (HEAD.replace('"a"', '"../a"') + DEFINITION, "table", 2),
    ("# -*- coding: utf-7 -*-\n" + HEAD + DEFINITION, "encoding-comment", 1),
    (HEAD + "# comment\rimport os\n" + DEFINITION, "hidden-character", 3),
    (HEAD + "# \x00\n" + DEFINITION, "hidden-character", 3),
    (HEAD + "# \u202e\n" + DEFINITION, "hidden-character", 3),
    (HEAD + "# \u200b\n" + DEFINITION, "hidden-character", 3),
    (HEAD + "# \ud800\n" + DEFINITION, "hidden-character", 3),
    ("\ufeff" + HEAD + DEFINITION, "hidden-character", 1),
    (HEAD + "# " + "x" * 1000 + "\n" + DEFINITION, "long-line", 3),
    (HEAD + "# é\n" * 4000 + DEFINITION, "too-long", 1),
    (HEAD + DEFINITION.replace('"a": height', '"a": height' + " + 1" * 80), "too-deep", 4),
    (HEAD + "x = " + "(" * 300 + "\n" + ")" * 300, "syntax", 3),
    (HEAD + "x = " + "-\\\n" * 5000 + "1", *NESTED),
    (HEAD + "x = (\n" + "1,\n" * 4000 + ")", "too-long", 1),
    ("```python\n" + HEAD + DEFINITION + "```", "syntax", 1),
    (HEAD + "def compute_reward(:\n", "syntax", 3),
]


@pytest.mark.parametrize(("text", "rule", "line"), AROUND, ids=range(len(AROUND)))
def test_bad_modules_are_found_on_their_line(text: str, rule: str, line: int) -> None:
    found = errors(text)
    assert (rule, line) in {(finding.rule, finding.line) for finding in found}


def test_helpers_whose_calls_multiply_are_refused() -> None:
    helpers = "def f0(x):\n    return x\n"
    for i in range(1, 5):
        helpers += f"def f{i}(x):\n    for j in range(20):\n        x = f{i - 1}(x)\n    return x\n"
    assert "loop" in {f.rule for f in errors(HEAD + helpers + DEFINITION)}


def test_similar_names_are_suggested() -> None:
    cases = {
        with_body('return {"a": velocty}', "velocty"): '"velocity"',
        ending("torch.sigmod(height)"): '"sigmoid"',
        ending("height.clmp(0.0)"): '"clamp"',
        with_body('return {"aa": height}'): '"a"',
        with_body("x = velociti", "velocity"): '"velocity"',
    }
    for text, suggestion in cases.items():
        assert any(suggestion in finding.hint for finding in errors(text)), text


def test_all_errors_are_found_at_once_and_in_order() -> None:
    body = 'x = torch.rand(3)\ny = velocity[0]\nz = height.numpy()\nreturn {"a": x, "b": y}'
    found = errors(with_body(body, "velocity, heigt, height"))
    assert [(f.line, f.rule) for f in found] == [
        (3, "unknown-parameter"),
        (4, "randomness"),
        (5, "row-index"),
        (6, "unknown-method"),
        (7, "component-without-weight"),
    ]


def test_a_hostile_text_gets_a_limited_number_of_findings() -> None:
    names = "\n".join(f"x = velocty{i}" for i in range(400))
    assert [f.rule for f in errors(with_body(names))] == ["unknown-name"] * 20
    entries = ", ".join(f'"a{i}": 1' for i in range(40))
    assert [f.rule for f in errors(f"WEIGHTS = {{{entries}}}\n{DEFINITION}")] == ["table"]


def test_non_ascii_letters_are_refused_in_names_and_allowed_in_comments() -> None:
    text = with_body('y = torch.ｅｘｐ(height)  # ｅｘｐ\nreturn {"a": y}')  # noqa: RUF001
    assert [(f.rule, f.line) for f in errors(text)] == [("odd-name", 4)]
    assert errors(text.replace("torch.ｅｘｐ", "torch.exp")) == []  # noqa: RUF001


def test_findings_have_a_message_and_a_place() -> None:
    (finding,) = errors(ending("height.numpy()"))
    assert finding.as_dict() == {
        "rule": "unknown-method",
        "severity": "error",
        "line": 4,
        "column": 18,
        "message": 'The method "numpy" is not part of the reward language.',
        "hint": "Use torch operations.",
    }
    with pytest.raises(RewardRejected) as caught:
        parse(with_body("x = height.numpy()\nreturn {}"), SIGNALS)
    assert caught.value.message.startswith('Line 4: The method "numpy"')
    assert caught.value.message.endswith("(and 1 more)")
    assert len(caught.value.findings) == 2


def test_warnings_do_not_reject_a_program() -> None:
    text = "WEIGHTS = {'a': 1.0}\nSCALES = {'width': 0.5}\n" + DEFINITION
    assert [f.rule for f in check(text, SIGNALS)] == ["no-thought", "unused-scale"]
    assert parse(text, SIGNALS).parameters == ("height",)


@pytest.mark.parametrize("text", [None, b"x = 1", 3, ["x"]])
def test_objects_other_than_text_are_refused(text: object) -> None:
    assert [finding.rule for finding in check(text, SIGNALS)] == ["not-text"]  # type: ignore[arg-type]


def check_any(text: str) -> None:
    """Whatever the text is: findings with places inside it, and what is accepted compiles."""
    found = check(text, SIGNALS)
    lines = text.count("\n") + 1
    assert all(1 <= finding.line <= lines and finding.column >= 1 for finding in found)
    assert all(finding.message.isascii() and "\n" not in finding.message for finding in found)
    if all(finding.severity == "warning" for finding in found):
        parse(text, SIGNALS).compile()


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    st.one_of(st.text(), st.text("()[]{}=:,.*-+'\"\\\n abdefilnortux0129_#@"), st.binary().map(str))
)
def test_no_text_breaks_the_check(text: str) -> None:
    check_any(text)
    check_any(HEAD + text)
    check_any(with_body(text))
    check_any(ending(text))


class Mutation(ast.NodeTransformer):
    """Puts some pieces of a program where others were."""

    def __init__(self, tree: ast.AST, seed: int) -> None:
        self.random = random.Random(seed)
        nodes = list(ast.walk(tree))
        self.expressions = [node for node in nodes if isinstance(node, ast.expr)]
        self.statements = [node for node in nodes if isinstance(node, ast.stmt)]

    def visit(self, node: ast.AST) -> ast.AST:
        node = super().visit(node)
        if self.random.random() > 0.03:
            return node
        if isinstance(node, ast.expr):
            return self.random.choice(self.expressions)
        return self.random.choice(self.statements) if isinstance(node, ast.stmt) else node


def test_no_mutation_of_a_program_breaks_the_check(
    honest: str, signals: tuple[Signal, ...]
) -> None:
    for seed in range(12):
        tree = ast.parse(honest)
        try:
            text = ast.unparse(ast.fix_missing_locations(Mutation(tree, seed).visit(tree)))
        except (RecursionError, ValueError, TypeError, AttributeError):
            continue  # a tree that is no program
        found = check(text, signals)
        if all(finding.severity == "warning" for finding in found):
            parse(text, signals).compile()


def test_a_scale_may_repeat_its_number_in_the_signature() -> None:
    head = HEAD + 'SCALES = {"width": 2.0}\n'
    body = '    return {"a": height / width}\n'
    assert errors(f"{head}def compute_reward(height, width: float = 2.0):\n{body}") == []
    (found,) = errors(f"{head}def compute_reward(height=1.0, width=2.0):\n{body}")
    assert found.rule == "default"


def test_an_odd_name_in_a_table_is_reported_without_its_consequences() -> None:
    text = HEAD.replace('"a"', '"a b"') + DEFINITION
    assert text != HEAD + DEFINITION
    assert [finding.rule for finding in check(text, SIGNALS) if finding.severity == "error"] == [
        "table"
    ]
