"""Check expressions and calls against the allow-lists; explain common mistakes."""

import ast
import math
import re

from eureka_agent.common.text import did_you_mean
from eureka_agent.reward import language
from eureka_agent.reward.library import LIBRARY
from eureka_agent.reward.parser import dotted_path
from eureka_agent.reward.scope import Scope, literal_integer, operation, reduces_rows

_NUMBER_FUNCTION_ADVICE = {
    "float": "Leave it out, or write x.float().",
    "int": "Leave it out, or write x.long().",
    "bool": "Leave it out, or write x > 0.",
    "min": "Write torch.minimum(a, b) or x.clamp(max=b).",
    "max": "Write torch.maximum(a, b) or x.clamp(min=b).",
    "sum": "Write x.sum(-1).",
}


def refuse_syntax(node: ast.AST, scope: Scope, where: ast.AST | None = None) -> None:
    """Report syntax that the language does not have; `where` stands in for an operator's place."""
    name = type(node).__name__
    what, hint = language.SYNTAX_ADVICE.get(
        name, (f'Python\'s "{name}"', "Write plain tensor operations.")
    )
    message = f"{what} is not part of the reward language."
    scope.error("unknown-syntax", where or node, message, hint)


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
            _check_call(node, scope)
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
    """Check the condition of an `if`: a plain number, never a tensor."""
    _refuse_truth(test, "if", "Write torch.where(condition, a, b).", scope)
    check_expression(test, scope)


def check_index(node: ast.Subscript, scope: Scope) -> None:
    """Check what stands between the brackets."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for part in parts:
        match part:
            case ast.Slice():
                for bound in (part.lower, part.upper, part.step):
                    if bound is not None:
                        check_expression(bound, scope)
            case ast.Constant(value=value) if value is None or value is Ellipsis:
                pass
            case ast.Constant(value=str()) if len(parts) == 1:
                check_key(part, scope)
            case _:
                check_expression(part, scope)
    _check_columns(node, parts, scope)


def check_key(node: ast.Constant, scope: Scope) -> None:
    """Check a string that names a component."""
    if not isinstance(node.value, str) or not re.fullmatch(language.NAME_PATTERN, node.value):
        message = "A component's name must be a letter and then at most 39 letters, digits or _."
        scope.error("component-name", node, message)


def check_operator(operator: ast.operator, right: ast.expr, where: ast.AST, scope: Scope) -> None:
    """Check an arithmetic operator and, of a power, the exponent `right`."""
    if type(operator).__name__ not in language.OPERATORS:
        refuse_syntax(operator, scope, where)
    if isinstance(operator, ast.Pow):
        _check_exponent(right, scope)


def _check_columns(node: ast.Subscript, parts: list[ast.expr], scope: Scope) -> None:
    """Explain indices that confuse rows and columns, and columns that do not exist."""
    if not isinstance(node.value, ast.Name) or node.value.id not in scope.columns:
        return
    name, columns = node.value.id, scope.columns[node.value.id]
    row = literal_integer(parts[0]) if parts else None
    if row is not None:
        message = f'"{name}[{row}]" is one row of many, not a column.'
        hint = f"Write {name}." if columns is None else f"Write {name}[:, {row}]."
        scope.error("row-index", node, message, hint)
    if len(parts) != 2 or not isinstance(parts[0], ast.Slice):
        return
    column = literal_integer(parts[1])
    if column is None:
        return
    if columns is None:
        scope.error("column", node, f'"{name}" is [N] and has no columns.', f"Write {name}.")
    elif not -columns <= column < columns:
        scope.error("column", node, f'"{name}" is [N, {columns}] and has no column {column}.')


def _check_constant(node: ast.Constant, scope: Scope) -> None:
    match node.value:
        case None | bool():
            pass
        case int(value):
            if abs(value) > language.MAX_INTEGER:
                message = f"An integer beyond {language.MAX_INTEGER} is not allowed."
                scope.error("large-integer", node, message, "Write a float, such as 1e7.")
        case float(value):
            if not math.isfinite(value):
                message = "The number is too large for a float."
                scope.error("large-number", node, message, "Write torch.inf if you mean it.")
        case str():
            message = "Text has no use here: strings only name components and a few options."
            scope.error("string", node, message, "Leave it out.")
        case value:
            kind = type(value).__name__
            message = f"A constant of type {kind} is not part of the reward language."
            scope.error("constant", node, message)


def _check_name(node: ast.Name, scope: Scope) -> None:
    name = node.id
    if name in scope.kinds:
        return
    if name in language.MODULES:
        message = f'"{name}" can only be used as in {name}.exp(x), never as a value.'
        scope.error("module-as-value", node, message)
    elif name in language.TABLES:
        hint = "Name the keys of SCALES as parameters of compute_reward; weights are applied later."
        scope.error("table-in-function", node, f"{name} cannot be read in a function.", hint)
    elif name in scope.variables:
        scope.error("unassigned-name", node, f'"{name}" is read before it is assigned.')
    elif name in scope.functions or name in language.BUILTINS:
        message = f'The function "{name}" can only be called, not used as a value.'
        scope.error("function-as-value", node, message)
    elif name in scope.offered:
        message = f'"{name}" is not a parameter of this function.'
        scope.error("unknown-name", node, message, f'Add "{name}" to the parameters.')
    else:
        hint = did_you_mean(name, scope.kinds)
        scope.error("unknown-name", node, f'The name "{name}" is not defined.', hint)


def _check_attribute(node: ast.Attribute, scope: Scope) -> None:
    """Check an attribute that is read as a value, not called."""
    path = dotted_path(node) or ""
    root, _, name = path.partition(".")
    if root in language.MODULES:
        if name in language.FUNCTIONS[root]:
            message = f'The function "{path}" can only be called, not used as a value.'
            scope.error("function-as-value", node, message)
        elif name not in language.CONSTANTS[root]:
            hint = did_you_mean(name, language.FUNCTIONS[root] | language.CONSTANTS[root])
            message = f'"{path}" is not part of the reward language.'
            scope.error("unknown-function", node, message, hint)
        return
    if node.attr not in language.TENSOR_ATTRIBUTES:
        message = f'The attribute "{node.attr}" is not part of the reward language.'
        hint = did_you_mean(node.attr, language.TENSOR_ATTRIBUTES)
        scope.error("unknown-attribute", node, message, hint)
    check_expression(node.value, scope)


def _check_operation(node: ast.BinOp, scope: Scope) -> None:
    check_operator(node.op, node.right, node, scope)
    for operand in (node.left, node.right):
        if isinstance(operand, ast.List | ast.Tuple):
            message = "Arithmetic on a list or tuple is not arithmetic on its numbers."
            hint = "Write torch.tensor([...], device=x.device)."
            scope.error("list-arithmetic", operand, message, hint)
        check_expression(operand, scope)


def _check_exponent(exponent: ast.expr, scope: Scope) -> None:
    """Refuse exponents that can only be meant to blow up."""
    value = exponent.operand if isinstance(exponent, ast.UnaryOp) else exponent
    large = (
        isinstance(value, ast.Constant)
        and isinstance(value.value, int | float)
        and abs(value.value) > language.MAX_EXPONENT
    )
    if large or any(isinstance(part, ast.Pow) for part in ast.walk(exponent)):
        message = f"An exponent must not be a power itself and be at most {language.MAX_EXPONENT}."
        scope.error("large-exponent", exponent, message, "Write torch.exp for a steep function.")


def _check_comparison(node: ast.Compare, scope: Scope) -> None:
    operands = [node.left, *node.comparators]
    for operator in node.ops:
        name = type(operator).__name__
        if name not in language.COMPARISONS:
            word = {"Is": "is", "IsNot": "is not", "In": "in", "NotIn": "not in"}.get(name)
            message = f'"{word}" is not part of the reward language.'
            scope.error("unknown-syntax", node, message, "Compare numbers with == or <.")
    if len(node.ops) > 1 and any(scope.is_tensor(operand) for operand in operands):
        message = "A chained comparison does not work on tensors."
        scope.error("tensor-truth", node, message, "Write (a < x) & (x < b).")
    for operand in operands:
        check_expression(operand, scope)


def _check_dict(node: ast.Dict, scope: Scope) -> None:
    seen: set[object] = set()
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant):
            check_key(key, scope)
            if key.value in seen:
                message = f'"{key.value!s}" is in the dict twice.'
                scope.error("component-name", key, message, "Keep one of them.")
            seen.add(key.value)
        else:
            message = "A component's name must be written out."
            scope.error("component-name", key or value, message, 'Write {"name": value}.')
        check_expression(value, scope)


def _refuse_truth(node: ast.expr, word: str, hint: str, scope: Scope) -> None:
    if scope.is_tensor(node):
        message = f'"{word}" cannot decide for a tensor: its rows may differ.'
        scope.error("tensor-truth", node, message, hint)


def _check_call(node: ast.Call, scope: Scope) -> None:
    """Check a call, its function and its arguments."""
    own = False
    match node.func:
        case ast.Name(id=name):
            own = name in scope.functions or name in LIBRARY
            _check_plain_call(node, name, scope)
        case ast.Attribute() as function:
            path = dotted_path(function) or ""
            if path.split(".")[0] in language.MODULES:
                _check_module_call(node, path, scope)
            else:
                _check_method_call(node, function.attr, scope)
                check_expression(function.value, scope)
            _check_rows(node, scope)
        case _:
            scope.error("unknown-function", node, "Only functions with a name can be called.")
            check_expression(node.func, scope)
    _check_arguments(node, own, scope)


def _check_plain_call(node: ast.Call, name: str, scope: Scope) -> None:
    """Check a call of the program's own functions, the library's, or Python's."""
    if name in scope.variables:
        message = f'"{name}" is a variable in this function and cannot be called.'
        scope.error("call-of-variable", node, message, "Give the variable another name.")
    elif name in scope.helpers:
        scope.work += scope.times * scope.helpers[name]
    elif name in scope.functions:
        message = f'"{name}" can only be called by functions further down.'
        scope.error("recursion", node, message, "Define helpers ahead of their use.")
    elif name == "range":
        scope.error("range", node, "range can only be used as in for i in range(3).")
    elif name in language.BUILTINS:
        advice = _NUMBER_FUNCTION_ADVICE.get(name)
        if advice and any(scope.is_tensor(argument) for argument in node.args):
            message = f'Python\'s "{name}" cannot work on a tensor of many rows.'
            scope.error("number-function", node, message, advice)
    elif name not in LIBRARY:
        known = [*scope.helpers, *LIBRARY, *language.BUILTINS]
        hint = language.FUNCTION_ADVICE.get(name) or did_you_mean(name, known)
        if not hint and name in language.FUNCTIONS["torch"]:
            hint = f"Write torch.{name}."
        scope.error("unknown-function", node, f'There is no function "{name}".', hint)


def _check_module_call(node: ast.Call, path: str, scope: Scope) -> None:
    """Check a call such as torch.exp(x), math.sqrt(2.0), F.softplus(x)."""
    root, _, name = path.partition(".")
    if path.startswith("torch.nn.functional."):
        root, name = "F", path.removeprefix("torch.nn.functional.")
    if name not in language.FUNCTIONS[root]:
        if path.rpartition(".")[2].removesuffix("_") in language.RANDOMNESS:
            message = f'"{path}" is random; equal situations must be paid equally.'
            scope.error("randomness", node, message, "Leave it out.")
            return
        hint = language.METHOD_ADVICE.get(name) or did_you_mean(name, language.FUNCTIONS[root])
        message = f'"{path}" is not part of the reward language.'
        scope.error("unknown-function", node, message, hint)
        return
    limit = language.NN_FUNCTIONS[name] if root == "F" else language.MAX_POSITIONAL
    if len(node.args) > limit:
        message = f'"{path}" takes at most {limit} arguments without a name here.'
        scope.error("positional", node, message, "Write options as name=value.")
    if name.endswith("_loss") and all(keyword.arg != "reduction" for keyword in node.keywords):
        message = f'"{path}" averages over the rows; every row needs a value of its own.'
        hint = 'Add reduction="none", or write (a - b).square().'
        scope.error("mixed-rows", node, message, hint)
    if root == "math" and any(scope.is_tensor(argument) for argument in node.args):
        message = f'"{path}" works on one number, not on a tensor.'
        hint = f"Write torch.{name.replace('fabs', 'abs')}."
        scope.error("number-function", node, message, hint)


def _check_method_call(node: ast.Call, name: str, scope: Scope) -> None:
    """Check a call such as x.square()."""
    out_of_place = name.removesuffix("_")
    if name in language.TENSOR_METHODS:
        if len(node.args) > language.MAX_POSITIONAL_METHOD:
            message = f'"{name}" takes at most {language.MAX_POSITIONAL_METHOD} arguments here.'
            scope.error("positional", node, message)
    elif out_of_place in language.RANDOMNESS:
        message = f'"{name}" is random; equal situations must be paid equally.'
        scope.error("randomness", node, message, "Leave it out.")
    elif name.endswith("_") and out_of_place in language.TENSOR_METHODS:
        message = f'"{name}" changes its tensor in place.'
        scope.error("in-place", node, message, f"Write x = x.{out_of_place}(...).")
    else:
        hint = language.METHOD_ADVICE.get(name) or did_you_mean(name, language.TENSOR_METHODS)
        message = f'The method "{name}" is not part of the reward language.'
        scope.error("unknown-method", node, message, hint)


def _check_rows(node: ast.Call, scope: Scope) -> None:
    """Refuse reductions over the rows, which are independent."""
    name, operands = operation(node)
    if operands and scope.kind(operands[0]) == "rows" and reduces_rows(node):
        message = f'"{name}" mixes the rows here; every row needs a value of its own.'
        hint = f"Name the columns' dimension, as in x.{name.rpartition('.')[2]}(dim=-1)."
        scope.error("mixed-rows", node, message, hint)


def _check_arguments(node: ast.Call, own: bool, scope: Scope) -> None:
    path = dotted_path(node.func)
    for place, argument in enumerate(node.args):
        if not _is_allowed_string(path, place, argument):
            check_expression(argument, scope)
    for keyword in node.keywords:
        name, value = keyword.arg, keyword.value
        text = value.value if isinstance(value, ast.Constant) else None
        if name is None:
            message = "** in a call is not part of the reward language."
            scope.error("unknown-syntax", keyword, message, "Write the arguments out.")
        elif not own and name not in language.KEYWORDS:
            message = f'The argument "{name}" is not part of the reward language.'
            in_place = name in ("out", "inplace")
            hint = "Leave it out; nothing is changed in place here."
            known = did_you_mean(name, language.KEYWORDS)
            scope.error("keyword", keyword, message, hint if in_place else known)
        if not own and name in language.OPTIONS and isinstance(text, str):
            if text not in language.OPTIONS[name]:
                options = " or ".join(f'"{option}"' for option in language.OPTIONS[name])
                scope.error("option", keyword, f"{name} must be {options}.")
        elif name == "device" and isinstance(text, str):
            message = "A program runs wherever its arguments are."
            scope.error("device", keyword, message, "Write device=x.device, x a parameter.")
        else:
            check_expression(value, scope)


def _is_allowed_string(path: str | None, place: int, argument: ast.expr) -> bool:
    """Whether this is one of the two allowed strings: an einsum equation, and float("inf")."""
    text = argument.value if isinstance(argument, ast.Constant) else None
    if path == "torch.einsum" and place == 0:
        return isinstance(text, str) and bool(re.fullmatch(language.EQUATION_PATTERN, text))
    return path == "float" and text in ("inf", "-inf")
