"""The reference says what the check does: both are made of the same tables."""

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

import eureka_agent.reward
from eureka_agent.reward import LIBRARY, Signal, check, language
from eureka_agent.reward.library import library_lines
from eureka_agent.workers.probe import HINTS

DOCS = Path(__file__).parents[2] / "docs"
SOURCES = sorted(Path(eureka_agent.reward.__file__).parent.glob("*.py"))


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    """The script that prints the document."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        return importlib.import_module("reward_language")


@pytest.fixture(scope="module")
def reference(generator: ModuleType) -> str:
    return generator.reference()


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


def test_the_document_is_up_to_date(reference: str) -> None:
    made = "run python docs/reward_language.py > docs/reward-language.md"
    assert (DOCS / "reward-language.md").read_text("utf-8") == reference, made


def test_the_document_explains_exactly_the_rules_of_the_check(generator: ModuleType) -> None:
    assert reported_rules() == set(generator.RULES)


def test_the_document_explains_the_rules_of_calls(generator: ModuleType) -> None:
    assert set(HINTS) <= set(generator.RULES) | set(generator.RULES_OF_CALLS)


def test_every_name_of_the_language_is_in_the_reference(reference: str) -> None:
    names = set(re.findall(r"`([\w.]+)`", reference))
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


def test_its_example_is_a_sound_program(reference: str) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", reference, re.DOTALL)
    signals = (
        Signal("torso_velocity", 2, "m/s", "Velocity", "velocity"),
        Signal("torso_up", 3, "1", "Up axis", "orientation"),
    )
    assert check(program, signals) == []
