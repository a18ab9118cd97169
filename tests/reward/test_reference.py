"""The reference says what the check does: both are made of the same tables."""

import ast
import re
from pathlib import Path

import eureka_agent.reward
from eureka_agent.reward import LIBRARY, Signal, check, language
from eureka_agent.reward.findings import RULES
from eureka_agent.reward.reference import library_lines, reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "reward-language.md"
SOURCES = sorted(Path(eureka_agent.reward.__file__).parent.glob("*.py"))


def reported_rules() -> set[str]:
    """Every rule that the check reports by name."""
    rules = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                first = node.args[0] if node.args else None
                if node.func.attr in ("error", "warning") and isinstance(first, ast.Constant):
                    rules.add(first.value)
    return rules


def test_the_document_is_up_to_date() -> None:
    made = "run python -m eureka_agent.reward.reference > docs/reward-language.md"
    assert DOCUMENT.read_text("utf-8") == reference(), made


def test_every_rule_is_explained_and_every_explained_rule_is_one() -> None:
    assert reported_rules() == set(RULES)


def test_every_name_of_the_language_is_in_the_reference() -> None:
    names = set(re.findall(r"`([\w.]+)`", reference()))
    listed = (
        language.TORCH_FUNCTIONS
        | language.TENSOR_METHODS
        | language.MATH_FUNCTIONS
        | language.KEYWORDS
        | language.TENSOR_ATTRIBUTES
        | set(language.NN_FUNCTIONS)
        | set(language.BUILTINS)
    )
    assert listed <= names
    assert [line["name"] for line in library_lines()] == list(LIBRARY)


def test_its_example_is_a_sound_program() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", reference(), re.DOTALL)
    signals = (
        Signal("torso_velocity", 2, "m/s", "Velocity", "velocity"),
        Signal("torso_up", 3, "1", "Up axis", "orientation"),
    )
    assert check(program, signals) == []
