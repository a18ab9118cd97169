"""The check of statements, in the order in which they run."""

import ast

from eureka_agent.reward.expressions import (
    check_condition,
    check_exponent,
    check_expression,
    check_index,
    check_key,
    refuse_syntax,
)
from eureka_agent.reward.language import MAX_ITEM_DEPTH, MAX_TRIPS, MAX_WORK, OPERATORS
from eureka_agent.reward.scope import Kind, Scope, check_new_name, join, kind_of
from eureka_agent.reward.signals import did_you_mean


def check_block(statements: list[ast.stmt], scope: Scope) -> None:
    """Check statements one after the other; `scope` moves along."""
    for statement in statements:
        scope.work += scope.times
        match statement:
            case ast.Assign():
                _check_assignment(statement, scope)
            case ast.AugAssign():
                _check_augmented(statement, scope)
            case ast.If():
                _check_if(statement, scope)
            case ast.For():
                _check_loop(statement, scope)
            case ast.Return():
                _check_return(statement, scope)
            case ast.Expr():
                _check_bare_expression(statement, scope)
            case ast.Pass():
                pass
            case _:
                refuse_syntax(statement, scope)


def always_returns(statements: list[ast.stmt]) -> bool:
    """Whether a block cannot be left but by a return."""
    return any(
        isinstance(statement, ast.Return)
        or (
            isinstance(statement, ast.If)
            and always_returns(statement.body)
            and always_returns(statement.orelse)
        )
        for statement in statements
    )


def _check_assignment(node: ast.Assign, scope: Scope) -> None:
    check_expression(node.value, scope)
    kind = kind_of(node.value, scope.kinds)
    keys = _keys(node.value, scope)
    simple = len(node.targets) == 1
    for target in node.targets:
        if isinstance(target, ast.Subscript) and simple:
            _check_item(target, scope)
        elif isinstance(target, ast.Tuple | ast.List) and simple:
            for element in target.elts:
                _bind(element, "unknown", scope)
        else:
            _bind(target, kind, scope)
            if isinstance(target, ast.Name) and isinstance(node.value, ast.Dict | ast.Name):
                scope.dicts[target.id] = keys


def _check_augmented(node: ast.AugAssign, scope: Scope) -> None:
    check_expression(node.value, scope)
    if not isinstance(node.op, OPERATORS):
        refuse_syntax(node.op, scope, node)
    if isinstance(node.op, ast.Pow):
        check_exponent(node.value, scope)
    if isinstance(node.target, ast.Subscript):
        _check_item(node.target, scope)
    elif isinstance(node.target, ast.Name):
        check_expression(ast.copy_location(ast.Name(node.target.id, ast.Load()), node), scope)
        before = scope.kinds.get(node.target.id, "unknown")
        _bind(node.target, join((before, kind_of(node.value, scope.kinds))), scope)
    else:
        _bind(node.target, "unknown", scope)


def _check_item(target: ast.Subscript, scope: Scope) -> None:
    """The target of `x[i] = v`, which will be rewritten into an assignment to `x`."""
    base: ast.expr = target
    depth = 0
    while isinstance(base, ast.Subscript):
        check_index(base, scope)
        base, depth = base.value, depth + 1
    if depth > MAX_ITEM_DEPTH:
        message = f"At most {MAX_ITEM_DEPTH} pairs of brackets can be assigned to."
        scope.report.error("assignment", target, message, "Assign to a variable first.")
    if not isinstance(base, ast.Name):
        message = "Only a variable, or parts of it, can be assigned to."
        scope.report.error("assignment", target, message, "Assign to a variable first.")
        return
    check_expression(ast.copy_location(ast.Name(base.id, ast.Load()), base), scope)
    check_new_name(base.id, base, scope.report)
    keys = scope.dicts.get(base.id)
    if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
        check_key(target.slice, scope)
        if keys is not None and target.value is base:
            scope.dicts[base.id] = keys | {target.slice.value}
    elif base.id in scope.dicts:
        scope.dicts[base.id] = None


def _bind(target: ast.expr, kind: Kind, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        check_new_name(target.id, target, scope.report)
        scope.kinds[target.id] = kind
        scope.dicts.pop(target.id, None)
    else:
        message = "This cannot be assigned to."
        hint = "Assign to one variable, or to one of its items, per line."
        scope.report.error("assignment", target, message, hint)


def _check_if(node: ast.If, scope: Scope) -> None:
    check_condition(node.test, scope)
    kinds, dicts = dict(scope.kinds), dict(scope.dicts)
    check_block(node.body, scope)
    body_kinds, body_dicts = scope.kinds, scope.dicts
    scope.kinds, scope.dicts = kinds, dicts
    check_block(node.orelse, scope)
    # What holds after both branches; a name that only one of them binds may be there or not.
    for name, kind in body_kinds.items():
        if scope.kinds.setdefault(name, "unknown") != kind:
            scope.kinds[name] = "unknown"
    for name in scope.dicts.keys() | body_dicts.keys():
        if scope.dicts.get(name) != body_dicts.get(name):
            scope.dicts[name] = None


def _check_loop(node: ast.For, scope: Scope) -> None:
    trips = _trips(node.iter, scope)
    if trips is None or trips > MAX_TRIPS:
        message = f"A loop must run over range(<numbers>) or a tuple, at most {MAX_TRIPS} times."
        scope.report.error("loop", node, message, "Write tensor operations on all columns at once.")
        trips = 1
    if node.orelse:
        message = "else after a loop is not part of the reward language."
        scope.report.error("unknown-syntax", node.orelse[0], message, "Leave it out.")
    targets = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
    for target in targets:
        _bind(target, "unknown", scope)
    before = scope.times
    scope.times = before * trips
    check_block(node.body, scope)
    scope.times = before
    if scope.work > MAX_WORK:
        message = f"The loops evaluate more than {MAX_WORK} expressions."
        scope.report.error("loop", node, message, "Write tensor operations on all columns at once.")


def _trips(iterable: ast.expr, scope: Scope) -> int | None:
    """How often a loop runs; None if the text does not tell."""
    match iterable:
        case ast.Tuple() | ast.List():
            check_expression(iterable, scope)
            return len(iterable.elts)
        case ast.Call(func=ast.Name(id="range"), args=[_, *_] as args, keywords=[]):
            for argument in args:
                check_expression(argument, scope)
            try:
                values = [ast.literal_eval(argument) for argument in args]
                return len(range(*values))
            except (ValueError, TypeError, OverflowError):
                return None
    return None


def _check_bare_expression(node: ast.Expr, scope: Scope) -> None:
    if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return  # a docstring or a comment
    before = len(scope.report)
    check_expression(node.value, scope)
    if len(scope.report) == before:
        message = "The line computes something and drops it."
        scope.report.error("no-effect", node, message, "Assign it to a variable, or leave it out.")


def _check_return(node: ast.Return, scope: Scope) -> None:
    if node.value is not None:
        check_expression(node.value, scope)
    if scope.components is None:
        return
    no_dict = ast.Tuple | ast.List | ast.Constant | ast.BinOp | ast.UnaryOp | ast.Compare
    kind = kind_of(node.value, scope.kinds) if node.value else "number"
    if node.value is None or isinstance(node.value, no_dict) or kind != "unknown":
        message = "compute_reward must return a dict of its components, and nothing else."
        hint = 'Write return {"name": value}; the weighted sum is made from WEIGHTS.'
        scope.report.error("return", node, message, hint)
        return
    keys = _keys(node.value, scope)
    if keys is not None:
        _compare_keys(node, keys, scope.components, scope)
    if isinstance(node.value, ast.Dict):
        for key, value in zip(node.value.keys, node.value.values, strict=True):
            if kind_of(value, scope.kinds) == "number" and isinstance(key, ast.Constant):
                message = f'The component "{key.value}" is one number for all rows.'
                hint = "Write torch.full_like(x, 1.0) with some plain signal x."
                scope.report.error("component-shape", value, message, hint)


def _keys(node: ast.expr, scope: Scope) -> frozenset[str] | None:
    """Keys of a dict as far as the text tells."""
    if isinstance(node, ast.Name):
        return scope.dicts.get(node.id)
    if not isinstance(node, ast.Dict):
        return None
    values = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
    names = [value for value in values if isinstance(value, str)]
    return frozenset(names) if len(names) == len(node.keys) else None


def _compare_keys(
    node: ast.Return, keys: frozenset[str], components: frozenset[str], scope: Scope
) -> None:
    for name in sorted(keys - components):
        message = f'The component "{name}" has no weight.'
        hint = did_you_mean(name, components - keys)
        default = f'Add "{name}" to WEIGHTS; weight 0 means shown, not paid.'
        scope.report.error("component-without-weight", node, message, hint or default)
    for name in sorted(components - keys):
        message = f'WEIGHTS names "{name}", which is not returned.'
        scope.report.error("weight-without-component", node, message, "Return it, or drop it.")
