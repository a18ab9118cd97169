"""What the check knows at one place of a function."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from eureka_agent.reward.findings import Report
from eureka_agent.reward.kinds import Kind
from eureka_agent.reward.language import MODULES, TABLES


@dataclass
class Scope:
    """The state of a walk through one function.

    Attributes:
        report: where findings go.
        kinds: the names that are bound so far, and what they hold.
        variables: all names that the function binds anywhere, parameters among them.
        columns: what the environment's parameters have for columns: a number, infinity if that is
            not known, None for `[N]`. Without those that the function assigns to.
        helpers: the program's functions that may be called, and the work that a call takes.
        functions: all functions of the program.
        offered: the names that `compute_reward` may ask for.
        components: names of the components that this function must return; None for a helper.
        times: how often the current statement is executed.
        work: statements executed and expressions evaluated so far, all rounds of loops counted.
        dicts: keys of the dicts that names hold; None where the text does not tell.
    """

    report: Report
    kinds: dict[str, Kind]
    variables: frozenset[str]
    columns: Mapping[str, float | None]
    helpers: Mapping[str, int]
    functions: frozenset[str]
    offered: frozenset[str]
    components: frozenset[str] | None = None
    times: int = 1
    work: int = 0
    dicts: dict[str, frozenset[str] | None] = field(default_factory=dict)


def stored_names(function: ast.FunctionDef) -> Iterator[str]:
    """The names that a function's body assigns to."""
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def check_new_name(name: str, where: ast.AST, report: Report) -> None:
    """Refuse names of functions, parameters and variables that would hide or reach something."""
    if name in MODULES or name in TABLES:
        message = f'"{name}" has a meaning of its own and cannot be given another.'
        report.error("reserved-name", where, message, "Choose another name.")
    elif not name.isascii() or "__" in name:
        message = f'The name "{name}" is not made of plain letters, digits and single underscores.'
        report.error("odd-name", where, message, "Choose another name.")
