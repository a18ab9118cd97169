"""Check expressions and calls against the allow-lists; explain common mistakes."""

import ast
import math
import re
from collections.abc import Callable

from eureka_agent.reward.language import (
    BUILTINS,
    COMPARISONS,
    CONSTANTS,
    EQUATION_PATTERN,
    FUNCTION_ADVICE,
    FUNCTIONS,
    KEYWORDS,
    MAX_EXPONENT,
    MAX_INTEGER,
    MAX_POSITIONAL,
    MAX_POSITIONAL_METHOD,
    METHOD_ADVICE,
    MODULES,
    NAME_PATTERN,
    NN_FUNCTIONS,
    OPERATORS,
    OPTIONS,
    RANDOMNESS,
    SYNTAX_ADVICE,
    TABLES,
    TENSOR_ATTRIBUTES,
    TENSOR_METHODS,
)
from eureka_agent.reward.library import LIBRARY
from eureka_agent.reward.parser import dotted_path
from eureka_agent.reward.scope import (
    Scope,
    is_tensor,
    kind_of,
    literal_integer,
    operation,
    reduces_rows,
)
from eureka_agent.reward.signals import did_you_mean


def refuse_syntax(node: ast.AST, scope: Scope, where: ast.AST | None = None) -> None:
    """Report a kind of syntax that the language does not have; operators have no place."""
    name = type(node).__name__
    what, hint = SYNTAX_ADVICE.get(name, (f'Python\'s "{name}"', "Write plain tensor operations."))
    scope.report.error(
        "unknown-syntax", where or node, f"{what} is not part of the reward language.", hint
    )


def check_expression(node: ast.expr, scope: Scope) -> None:
    """Check an expression that is read, and all within it."""
    scope.work += scope.times
    match node:
        case ast.Constant():
            _check_constant(node, scope)
        case ast.Name():
            _check_name(node, scope)
        case ast.Attribute():
            _check_attribute(node, scope)
        case ast.Subscript():
            check_expression(node.value, scope)
            check_index(node, scope)
        case ast.Call():
            check_call(node, scope, check_expression)
        case ast.BinOp():
            _check_operation(node, scope)
        case ast.UnaryOp():
            if isinstance(node.op, ast.Not):
                _refuse_truth(node.operand, "not", "Write ~ for tensors.", scope)
            check_expression(node.operand, scope)
        case ast.BoolOp():
            word, sign = ("and", "&") if isinstance(node.op, ast.And) else ("or", "|")
            for value in node.values:
                _refuse_truth(value, word, f"Write (a) {sign} (b) for tensors.", scope)
                check_expression(value, scope)
        case ast.Compare():
            _check_comparison(node, scope)
        case ast.IfExp():
            check_condition(node.test, scope)
            check_expression(node.body, scope)
            check_expression(node.orelse, scope)
        case ast.Tuple() | ast.List():
            for element in node.elts:
                check_expression(element, scope)
        case ast.Dict():
            _check_dict(node, scope)
        case _:
            refuse_syntax(node, scope)


def check_condition(test: ast.expr, scope: Scope) -> None:
    """Check what an `if` decides by: a plain number, never a tensor."""
    _refuse_truth(test, "if", "Write torch.where(condition, a, b).", scope)
    check_expression(test, scope)


def check_index(node: ast.Subscript, scope: Scope) -> None:
    """Check what stands between the brackets."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for part in parts:
        if isinstance(part, ast.Slice):
            for bound in (part.lower, part.upper, part.step):
                if bound is not None:
                    check_expression(bound, scope)
        elif isinstance(part, ast.Constant) and (part.value is None or part.value is Ellipsis):
            continue
        elif isinstance(part, ast.Constant) and isinstance(part.value, str) and len(parts) == 1:
            check_key(part, scope)
        else:
            check_expression(part, scope)
    _check_columns(node, parts, scope)


def check_key(node: ast.Constant, scope: Scope) -> None:
    """Check a string that names a component."""
    if not isinstance(node.value, str) or not re.fullmatch(NAME_PATTERN, node.value):
        message = "A component's name must be a letter and then at most 39 letters, digits or _."
        scope.report.error("component-name", node, message)


def _check_columns(node: ast.Subscript, parts: list[ast.expr], scope: Scope) -> None:
    """Explain indices that take a row for a column, or a column that is not there."""
    if not isinstance(node.value, ast.Name) or node.value.id not in scope.columns:
        return
    name, columns = node.value.id, scope.columns[node.value.id]
    row = literal_integer(parts[0]) if parts else None
    if row is not None:
        message = f'"{name}[{row}]" is one row of many, not a column.'
        hint = f"Write {name}." if columns is None else f"Write {name}[:, {row}]."
        scope.report.error("row-index", node, message, hint)
    if len(parts) != 2 or not isinstance(parts[0], ast.Slice):
        return
    column = literal_integer(parts[1])
    if column is not None and columns is None:
        message = f'"{name}" is [N] and has no columns.'
        scope.report.error("column", node, message, f"Write {name}.")
    elif column is not None and columns is not None and not -columns <= column < columns:
        message = f'"{name}" is [N, {columns}] and has no column {column}.'
        scope.report.error("column", node, message)


def _check_constant(node: ast.Constant, scope: Scope) -> None:
    value, report = node.value, scope.report
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            message = f"An integer beyond {MAX_INTEGER} is not allowed."
            report.error("large-integer", node, message, "Write a float, such as 1e7.")
    elif isinstance(value, float):
        if not math.isfinite(value):
            message = "The number is too large for a float."
            report.error("large-number", node, message, "Write torch.inf if you mean it.")
    elif isinstance(value, str):
        message = "Text has no use here: strings only name components and a few options."
        report.error("string", node, message, "Leave it out.")
    else:
        message = f"A constant of type {type(value).__name__} is not part of the reward language."
        report.error("constant", node, message)


def _check_name(node: ast.Name, scope: Scope) -> None:
    name, report = node.id, scope.report
    if name in scope.kinds:
        return
    if name in MODULES:
        message = f'"{name}" can only be used as in {name}.exp(x), never as a value.'
        report.error("module-as-value", node, message)
    elif name in TABLES:
        hint = "Name the keys of SCALES as parameters of compute_reward; weights are applied later."
        report.error("table-in-function", node, f"{name} cannot be read in a function.", hint)
    elif name in scope.variables:
        message = f'"{name}" is read before it is assigned.'
        report.error("unassigned-name", node, message)
    elif name in scope.functions or name in BUILTINS:
        message = f'The function "{name}" can only be called, not used as a value.'
        report.error("function-as-value", node, message)
    elif name in scope.offered:
        hint = f'Add "{name}" to the parameters.'
        message = f'"{name}" is not a parameter of this function.'
        report.error("unknown-name", node, message, hint)
    else:
        hint = did_you_mean(name, scope.kinds)
        report.error("unknown-name", node, f'The name "{name}" is not defined.', hint)


def _check_attribute(node: ast.Attribute, scope: Scope) -> None:
    """An attribute that is read as a value, not called."""
    path = dotted_path(node)
    root, _, name = path.partition(".") if path else ("", "", "")
    if root in MODULES:
        if name in FUNCTIONS[root]:
            message = f'The function "{path}" can only be called, not used as a value.'
            scope.report.error("function-as-value", node, message)
        elif name not in CONSTANTS[root]:
            hint = did_you_mean(name, FUNCTIONS[root] | CONSTANTS[root])
            message = f'"{path or ""}" is not part of the reward language.'
            scope.report.error("unknown-function", node, message, hint)
        return
    if node.attr not in TENSOR_ATTRIBUTES:
        message = f'The attribute "{node.attr}" is not part of the reward language.'
        hint = did_you_mean(node.attr, TENSOR_ATTRIBUTES)
        scope.report.error("unknown-attribute", node, message, hint)
    check_expression(node.value, scope)


def _check_operation(node: ast.BinOp, scope: Scope) -> None:
    if not isinstance(node.op, OPERATORS):
        refuse_syntax(node.op, scope, node)
    for operand in (node.left, node.right):
        if isinstance(operand, ast.List | ast.Tuple):
            message = "Arithmetic on a list or tuple is not arithmetic on its numbers."
            hint = "Write torch.tensor([...], device=x.device)."
            scope.report.error("list-arithmetic", operand, message, hint)
        check_expression(operand, scope)
    if isinstance(node.op, ast.Pow):
        check_exponent(node.right, scope)


def check_exponent(exponent: ast.expr, scope: Scope) -> None:
    """Refuse exponents that can only be meant to blow up."""
    value = exponent.operand if isinstance(exponent, ast.UnaryOp) else exponent
    large = (
        isinstance(value, ast.Constant)
        and isinstance(value.value, int | float)
        and abs(value.value) > MAX_EXPONENT
    )
    nested = any(isinstance(part, ast.Pow) for part in ast.walk(exponent))
    if large or nested:
        message = f"An exponent must be no power itself and at most {MAX_EXPONENT}."
        hint = "Write torch.exp for a steep function."
        scope.report.error("large-exponent", exponent, message, hint)


def _check_comparison(node: ast.Compare, scope: Scope) -> None:
    operands = [node.left, *node.comparators]
    for operator in node.ops:
        if not isinstance(operator, COMPARISONS):
            word = {"Is": "is", "IsNot": "is not", "In": "in", "NotIn": "not in"}
            message = f'"{word.get(type(operator).__name__)}" is not part of the reward language.'
            scope.report.error("unknown-syntax", node, message, "Compare numbers with == or <.")
    if len(node.ops) > 1 and any(is_tensor(operand, scope.kinds) for operand in operands):
        message = "A chained comparison does not work on tensors."
        scope.report.error("tensor-truth", node, message, "Write (a < x) & (x < b).")
    for operand in operands:
        check_expression(operand, scope)


def _check_dict(node: ast.Dict, scope: Scope) -> None:
    seen: set[object] = set()
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant):
            check_key(key, scope)
            if key.value in seen:
                message = f'"{key.value!s}" is in the dict twice.'
                scope.report.error("component-name", key, message, "Keep one of them.")
            seen.add(key.value)
        else:
            message = "A component's name must be written out."
            scope.report.error("component-name", key or value, message, 'Write {"name": value}.')
        check_expression(value, scope)


def _refuse_truth(node: ast.expr, word: str, hint: str, scope: Scope) -> None:
    if is_tensor(node, scope.kinds):
        message = f'"{word}" cannot decide for a tensor: its rows may differ.'
        scope.report.error("tensor-truth", node, message, hint)


CheckExpression = Callable[[ast.expr, Scope], None]


def check_call(node: ast.Call, scope: Scope, check_expression: CheckExpression) -> None:
    """Check a call, its function and its arguments."""
    own = False
    match node.func:
        case ast.Name(id=name):
            own = name in scope.functions or name in LIBRARY
            _check_plain_call(node, name, scope)
        case ast.Attribute() as function:
            root = (dotted_path(function) or "").split(".")[0]
            if root in MODULES:
                _check_module_call(node, root, scope)
            else:
                _check_method_call(node, function, scope)
                check_expression(function.value, scope)
            _check_rows(node, scope)
        case _:
            message = "Only functions with a name can be called."
            scope.report.error("unknown-function", node, message)
            check_expression(node.func, scope)
    _check_arguments(node, own, scope, check_expression)


def _check_plain_call(node: ast.Call, name: str, scope: Scope) -> None:
    """A call of the program's own functions, the library's, or Python's."""
    report = scope.report
    if name in scope.variables:
        message = f'"{name}" is a variable in this function and cannot be called.'
        report.error("call-of-variable", node, message, "Give the variable another name.")
    elif name in scope.helpers:
        scope.work += scope.times * scope.helpers[name]
    elif name in scope.functions:
        message = f'"{name}" can only be called by functions further down.'
        report.error("recursion", node, message, "Define helpers ahead of their use.")
    elif name == "range":
        message = "range can only be used as in for i in range(3)."
        report.error("range", node, message)
    elif name in BUILTINS:
        _check_builtin(node, name, scope)
    elif name not in LIBRARY:
        known = [*scope.helpers, *LIBRARY, *BUILTINS]
        hint = FUNCTION_ADVICE.get(name) or did_you_mean(name, known)
        if not hint and name in FUNCTIONS["torch"]:
            hint = f"Write torch.{name}."
        report.error("unknown-function", node, f'There is no function "{name}".', hint)


def _check_builtin(node: ast.Call, name: str, scope: Scope) -> None:
    advice = {
        "float": "Leave it out, or write x.float().",
        "int": "Leave it out, or write x.long().",
        "bool": "Leave it out, or write x > 0.",
        "min": "Write torch.minimum(a, b) or x.clamp(max=b).",
        "max": "Write torch.maximum(a, b) or x.clamp(min=b).",
        "sum": "Write x.sum(-1).",
    }
    if name in advice and any(is_tensor(argument, scope.kinds) for argument in node.args):
        message = f'Python\'s "{name}" cannot work on a tensor of many rows.'
        scope.report.error("number-function", node, message, advice[name])


def _check_module_call(node: ast.Call, root: str, scope: Scope) -> None:
    """A call such as torch.exp(x), math.sqrt(2.0), F.softplus(x)."""
    report, path = scope.report, dotted_path(node.func) or ""
    name = path.partition(".")[2]
    if path.startswith("torch.nn.functional."):
        root, name = "F", path.removeprefix("torch.nn.functional.")
    if name not in FUNCTIONS[root]:
        if path.rpartition(".")[2].removesuffix("_") in RANDOMNESS:
            message = f'"{path}" is random; equal situations must be paid equally.'
            report.error("randomness", node, message, "Leave it out.")
            return
        hint = METHOD_ADVICE.get(name) or did_you_mean(name, FUNCTIONS[root])
        message = f'"{path}" is not part of the reward language.'
        report.error("unknown-function", node, message, hint)
        return
    limit = NN_FUNCTIONS[name] if root == "F" else MAX_POSITIONAL
    if len(node.args) > limit:
        message = f'"{path}" takes at most {limit} arguments without a name here.'
        report.error("positional", node, message, "Write options as name=value.")
    if name.endswith("_loss") and all(k.arg != "reduction" for k in node.keywords):
        message = f'"{path}" averages over the rows; every row must be paid for itself.'
        report.error(
            "mixed-rows", node, message, 'Add reduction="none", or write (a - b).square().'
        )
    if root == "math" and any(is_tensor(argument, scope.kinds) for argument in node.args):
        message = f'"{path}" works on one number, not on a tensor.'
        report.error(
            "number-function", node, message, f"Write torch.{name.replace('fabs', 'abs')}."
        )


def _check_method_call(node: ast.Call, function: ast.Attribute, scope: Scope) -> None:
    """A call such as x.square()."""
    report, name = scope.report, function.attr
    if name in TENSOR_METHODS:
        if len(node.args) > MAX_POSITIONAL_METHOD:
            message = f'"{name}" takes at most {MAX_POSITIONAL_METHOD} arguments here.'
            report.error("positional", node, message)
        return
    twin = name.removesuffix("_")
    if twin in RANDOMNESS:
        message = f'"{name}" is random; equal situations must be paid equally.'
        report.error("randomness", node, message, "Leave it out.")
    elif name.endswith("_") and twin in TENSOR_METHODS:
        message = f'"{name}" changes its tensor in place.'
        report.error("in-place", node, message, f"Write x = x.{twin}(...).")
    else:
        hint = METHOD_ADVICE.get(name) or did_you_mean(name, TENSOR_METHODS)
        message = f'The method "{name}" is not part of the reward language.'
        report.error("unknown-method", node, message, hint)


def _check_rows(node: ast.Call, scope: Scope) -> None:
    """Rows are independent: a reduction must not run over them."""
    name, operands = operation(node)
    if operands and kind_of(operands[0], scope.kinds) == "rows" and reduces_rows(node):
        message = f'"{name}" mixes the rows here; every row must be paid for itself.'
        hint = f"Name the columns' dimension, as in x.{name.rpartition('.')[2]}(dim=-1)."
        scope.report.error("mixed-rows", node, message, hint)


def _check_arguments(
    node: ast.Call, own: bool, scope: Scope, check_expression: CheckExpression
) -> None:
    path = dotted_path(node.func)
    for place, argument in enumerate(node.args):
        if not (_is_string(argument) and _is_equation(path, place, argument)):
            check_expression(argument, scope)
    for keyword in node.keywords:
        if keyword.arg is None:
            message = "** in a call is not part of the reward language."
            scope.report.error("unknown-syntax", keyword, message, "Write the arguments out.")
        elif not own and keyword.arg not in KEYWORDS:
            message = f'The argument "{keyword.arg}" is not part of the reward language.'
            hint = "Leave it out; nothing is changed in place here."
            known = did_you_mean(keyword.arg, KEYWORDS)
            in_place = keyword.arg in ("out", "inplace")
            scope.report.error("keyword", keyword, message, hint if in_place else known)
        if not own and keyword.arg in OPTIONS and _is_string(keyword.value):
            _check_option(keyword, scope)
        elif keyword.arg == "device" and _is_string(keyword.value):
            message = "A program runs wherever its arguments are."
            scope.report.error("device", keyword, message, "Write device=x.device, x a parameter.")
        else:
            check_expression(keyword.value, scope)


def _check_option(keyword: ast.keyword, scope: Scope) -> None:
    allowed = OPTIONS[keyword.arg or ""]
    if isinstance(keyword.value, ast.Constant) and keyword.value.value not in allowed:
        options = " or ".join(f'"{option}"' for option in allowed)
        message = f"{keyword.arg} must be {options}."
        scope.report.error("option", keyword, message)


def _is_string(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_equation(path: str | None, place: int, argument: ast.expr) -> bool:
    """The two strings that are no names: an einsum equation, and float("inf")."""
    text = argument.value if isinstance(argument, ast.Constant) else None
    if path == "torch.einsum" and place == 0:
        return isinstance(text, str) and bool(re.fullmatch(EQUATION_PATTERN, text))
    return path == "float" and text in ("inf", "-inf")
