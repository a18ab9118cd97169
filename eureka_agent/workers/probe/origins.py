"""Where in a program's text a component comes from: its line, and the inputs that it reads."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from eureka_agent.reward import RewardProgram
from eureka_agent.reward.rewriter import SET_ITEM


@dataclass(frozen=True)
class Origin:
    """Where a component gets its value.

    Attributes:
        line: the last assignment to the variable that is returned, or the returned expression.
        inputs: parameters that its value can depend on, without the keys of SCALES; never empty.
    """

    line: int
    inputs: tuple[str, ...]


def origins(program: RewardProgram) -> dict[str, Origin]:
    """The origin of every component, as far as the text tells, and of the reward as a whole: ""."""
    entry = next(
        node
        for node in program.tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "compute_reward"
    )
    parameters = [name for name in program.parameters if name not in program.scales]
    returned = max(node.lineno for node in ast.walk(entry) if isinstance(node, ast.Return))
    found = dict.fromkeys(("", *program.weights), Origin(returned, tuple(parameters)))
    reads, lines = _assignments(entry)
    for name, value in _component_values(entry):
        if name in program.weights:
            reached = _reached(_names(value), reads)
            inputs = tuple(p for p in parameters if p in reached) or tuple(parameters)
            variable = value.id if isinstance(value, ast.Name) else ""
            found[name] = Origin(lines.get(variable, value.lineno), inputs)
    return found


def _assignments(entry: ast.FunctionDef) -> tuple[dict[str, set[str]], dict[str, int]]:
    """What each local variable is made of, wherever it is assigned to, and its last line."""
    reads: dict[str, set[str]] = {}
    lines: dict[str, int] = {}
    for node in ast.walk(entry):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.For):
            targets, value = [node.target], node.iter
        else:
            continue
        for name in {name for target in targets for name in _names(target)}:
            reads.setdefault(name, set()).update(_names(value))
            lines[name] = max(lines.get(name, 0), node.lineno)
    return reads, lines


def _component_values(entry: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Names and values of all dict entries, also of those that are added one by one."""
    for node in ast.walk(entry):
        match node:
            case ast.Dict():
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        yield key.value, value
            case ast.Call(
                func=ast.Name(id=function), args=[_, ast.Constant(value=str() as name), value]
            ) if function == SET_ITEM:
                yield name, value


def _reached(names: set[str], reads: dict[str, set[str]]) -> set[str]:
    """All names that some names depend on, themselves included."""
    reached: set[str] = set()
    open_names = set(names)
    while open_names:
        name = open_names.pop()
        reached.add(name)
        open_names |= reads.get(name, set()) - reached
    return reached


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
