"""The two tables of a program, `WEIGHTS` and `SCALES`: dicts of numbers that are written out."""

import ast
import math
import re

from eureka_agent.reward.findings import EnoughFound, Report
from eureka_agent.reward.language import NAME_PATTERN, TABLES, WEIGHT_RANGE


def read_table(name: str, node: ast.expr, report: Report) -> dict[str, float]:
    """The entries of a table; findings for all but names and numbers."""
    if not isinstance(node, ast.Dict):
        message = f"{name} is not a dict written out."
        report.error("table", node, message, f'Write {name} = {{"name": 1.0}}.')
        return {}
    if len(node.keys) > TABLES[name]:
        message = f"{name} has {len(node.keys)} entries; {TABLES[name]} are allowed."
        report.error("table", node, message, "Leave out what matters least.")
        raise EnoughFound  # whatever else is found would be about the missing entries
    numbers: dict[str, float] = {}
    unnamed = False
    for key, value in zip(node.keys, node.values, strict=True):
        entry = key.value if isinstance(key, ast.Constant) else None
        if not isinstance(entry, str) or not re.fullmatch(NAME_PATTERN, entry):
            message = f"A key of {name} is no name of at most 40 letters, digits and _."
            report.error("table", key or value, message)
            unnamed = True
            continue
        if entry in numbers:
            message = f'"{entry}" is in {name} twice.'
            report.error("table", key or value, message, "Keep one of them.")
        number = literal_number(value)
        if number is None:
            message = f'{name}["{entry}"] is not a plain finite number.'
            report.error("table", value, message, "Write the number itself.")
        numbers[entry] = 1.0 if number is None else number
    if unnamed:
        raise EnoughFound
    return numbers


def check_weights(node: ast.expr, weights: dict[str, float], report: Report) -> None:
    """Refuse weights that pay nothing, and those by which scaling would not be exact."""
    low, high = WEIGHT_RANGE
    if not any(weights.values()):
        message = "No weight is other than 0, so that nothing is paid."
        report.error("weights", node, message, "Give each component that is to be paid a weight.")
    for name, weight in weights.items():
        if weight and not low <= abs(weight) <= high:
            message = f'The weight of "{name}" is not between {low:g} and {high:g}.'
            report.error("weights", node, message)


def literal_number(node: ast.expr) -> float | None:
    """A finite number with or without a sign; None for anything else."""
    sign = 1.0
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        sign = -1.0 if isinstance(node.op, ast.USub) else 1.0
        node = node.operand
    if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
        return None
    try:
        number = sign * float(node.value)  # type: ignore[arg-type]
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
