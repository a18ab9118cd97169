"""What the check knows at one place of a function, and the kinds of values that it infers."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from eureka_agent.reward.findings import Findings
from eureka_agent.reward.language import ELEMENTWISE, MODULES, REDUCTIONS, TABLES
from eureka_agent.reward.parser import dotted_path

ValueKind = Literal["rows", "tensor", "number", "unknown"]
"""A tensor whose first dimension is the rows; any other tensor; a plain number; unknown."""

_UNTYPED_ATTRIBUTES = frozenset({"shape", "ndim", "device", "dtype"})
_ROW_KEEPING_METHODS = frozenset({"clone", "float", "double", "long", "int", "bool", "detach"})
_TUPLE_FUNCTIONS = frozenset({"unbind", "chunk", "split", "sort", "topk"})


@dataclass
class Scope:
    """The state of a walk through one function.

    Attributes:
        findings: where findings go.
        kinds: the variables that are bound so far, and their kinds.
        variables: all names that the function binds anywhere, including its parameters.
        columns: number of columns of the environment's parameters: infinity if unknown, None for
            `[N]`. Does not contain names that the function assigns to.
        helpers: the program's functions that may be called, and the work that a call takes.
        functions: all functions of the program.
        offered: the names that `compute_reward` may ask for.
        components: names of the components that this function must return; None for a helper.
        times: how often the current statement is executed.
        work: statements executed and expressions evaluated so far, with loops unrolled.
        dicts: keys of the dicts that variables hold; None if they are unknown.
    """

    findings: Findings
    kinds: dict[str, ValueKind]
    variables: frozenset[str]
    columns: Mapping[str, float | None]
    helpers: Mapping[str, int]
    functions: frozenset[str]
    offered: frozenset[str]
    components: frozenset[str] | None = None
    times: int = 1
    work: int = 0
    dicts: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def error(self, rule: str, where: ast.AST, message: str, hint: str = "") -> None:
        """Add an error to the findings."""
        self.findings.error(rule, where, message, hint)

    def kind(self, node: ast.AST) -> ValueKind:
        """The kind of an expression; see `kind_of`."""
        return kind_of(node, self.kinds)

    def is_tensor(self, node: ast.AST) -> bool:
        """Whether an expression is certainly a tensor."""
        return self.kind(node) in ("rows", "tensor")


def kind_of(node: ast.AST, names: Mapping[str, ValueKind]) -> ValueKind:
    """The kind of an expression, given the kinds of the variables. It never guesses."""
    match node:
        case ast.Constant(value=bool() | int() | float()) | ast.UnaryOp(op=ast.Not()):
            return "number"
        case ast.Name():
            return names.get(node.id, "unknown")
        case ast.UnaryOp():
            return kind_of(node.operand, names)
        case ast.BinOp(op=ast.MatMult()):
            return "unknown"
        case ast.BinOp():
            return join(kind_of(part, names) for part in (node.left, node.right))
        case ast.Compare():
            return join(kind_of(part, names) for part in (node.left, *node.comparators))
        case ast.Subscript():
            return _kind_of_subscript(node, names)
        case ast.Attribute():
            return _kind_of_attribute(node, names)
        case ast.Call():
            return _kind_of_call(node, names)
    return "unknown"


def join(operands: Iterable[ValueKind]) -> ValueKind:
    """The kind of an element-wise operation on several operands."""
    kinds = set(operands)
    if kinds == {"number"}:
        return "number"
    if kinds <= {"number", "rows"}:
        return "rows"
    return "tensor" if kinds & {"rows", "tensor"} else "unknown"


def operation(call: ast.Call) -> tuple[str, list[ast.expr]]:
    """Name and operands of a torch function or method, the tensor first: `("sum", [x, 0])`."""
    path = dotted_path(call.func)
    root, _, name = path.partition(".") if path else ("", "", "")
    if root == "torch":
        return name, call.args
    if isinstance(call.func, ast.Attribute) and root not in MODULES:
        return call.func.attr, [call.func.value, *call.args]
    return "", call.args


def reduces_rows(call: ast.Call) -> bool:
    """Whether a reduction certainly works on dimension 0, alone or among others."""
    dimension = _reduced_dimension(call)
    if isinstance(dimension, ast.Tuple | ast.List):
        return any(literal_integer(element) == 0 for element in dimension.elts)
    if dimension == "all" or (isinstance(dimension, ast.Constant) and dimension.value is None):
        return True
    return isinstance(dimension, ast.expr) and literal_integer(dimension) == 0


def literal_integer(node: ast.AST) -> int | None:
    """The value of an integer with or without a minus; None for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = literal_integer(node.operand)
        return None if inner is None else -inner
    return node.value if isinstance(node, ast.Constant) and type(node.value) is int else None


def check_new_name(name: str, where: ast.AST, findings: Findings) -> None:
    """Refuse names of functions, parameters and variables that would hide or reach something."""
    if name in MODULES or name in TABLES:
        message = f'"{name}" has a meaning of its own and cannot be given another.'
        findings.error("reserved-name", where, message, "Choose another name.")
    elif not name.isascii() or "__" in name:
        message = f'The name "{name}" is not made of plain letters, digits and single underscores.'
        findings.error("odd-name", where, message, "Choose another name.")


def _reduced_dimension(call: ast.Call) -> ast.expr | Literal["all"] | None:
    """What a reduction works on: an expression, "all", or None if it is not a reduction."""
    name, operands = operation(call)
    if name not in REDUCTIONS:
        return None
    for keyword in call.keywords:
        if keyword.arg in ("dim", "axis"):
            return keyword.value
        if keyword.arg == "other":
            return None
    position = REDUCTIONS[name] + 1
    if len(operands) <= position:
        return "all"
    dimension = operands[position]
    # max(a, b) and min(a, b) of two tensors are element-wise.
    if name in ("max", "min") and literal_integer(dimension) is None:
        return None
    return dimension


def _kind_of_subscript(node: ast.Subscript, names: Mapping[str, ValueKind]) -> ValueKind:
    base = kind_of(node.value, names)
    if base != "rows":
        return base
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    first = parts[0] if parts else None
    whole = isinstance(first, ast.Slice) and not (first.lower or first.upper or first.step)
    ellipsis = isinstance(first, ast.Constant) and first.value is Ellipsis
    return "rows" if whole or ellipsis else "tensor"


def _kind_of_attribute(node: ast.Attribute, names: Mapping[str, ValueKind]) -> ValueKind:
    path = dotted_path(node)
    if path and path.split(".")[0] in ("torch", "math"):
        return "number"  # a constant such as math.pi
    if node.attr in _UNTYPED_ATTRIBUTES:
        return "unknown"
    return "tensor" if kind_of(node.value, names) in ("rows", "tensor") else "unknown"


def _kind_of_call(node: ast.Call, names: Mapping[str, ValueKind]) -> ValueKind:
    name, operands = operation(node)
    path = dotted_path(node.func) or ""
    if path.startswith("math.") or path in ("float", "int", "len"):
        return "number"
    if path in ("abs", "round"):
        return join(kind_of(argument, names) for argument in node.args)
    if name in ELEMENTWISE or name in _ROW_KEEPING_METHODS:
        return join(kind_of(operand, names) for operand in operands) if operands else "unknown"
    reduced = _reduced_dimension(node)
    if reduced is not None and operands:
        # max(dim) and its like return a pair; cumsum and softmax keep the shape.
        if name in ("max", "min", "median") and reduced != "all":
            return "unknown"
        keeps_rows = reduced != "all" and literal_integer(reduced) not in (None, 0)
        return "rows" if keeps_rows and kind_of(operands[0], names) == "rows" else "tensor"
    if path.startswith("torch."):
        return "unknown" if name in _TUPLE_FUNCTIONS else "tensor"
    return "unknown"
