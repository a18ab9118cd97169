"""The check of calls: listed functions and methods only, with listed keywords."""

import ast
import re
from collections.abc import Callable

from eureka_agent.reward.helpers import LIBRARY
from eureka_agent.reward.language import (
    BUILTINS,
    EQUATION_PATTERN,
    FUNCTION_ADVICE,
    FUNCTIONS,
    KEYWORDS,
    MAX_POSITIONAL,
    MAX_POSITIONAL_METHOD,
    METHOD_ADVICE,
    MODULES,
    NN_FUNCTIONS,
    OPTIONS,
    RANDOMNESS,
    TENSOR_METHODS,
)
from eureka_agent.reward.rewriter import dotted_path
from eureka_agent.reward.scope import Scope, is_tensor, kind_of, operation, reduces_rows
from eureka_agent.reward.signals import did_you_mean

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
