"""The check of a whole program: a pure function over text that never runs any of it."""

import ast
import contextlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from eureka_agent.common.text import without_hidden
from eureka_agent.reward.expressions import (
    check_condition,
    check_exponent,
    check_expression,
    check_index,
    check_key,
    refuse_syntax,
)
from eureka_agent.reward.findings import MAX_FINDINGS, EnoughFound, Finding, Findings
from eureka_agent.reward.language import (
    BUILTINS,
    MAX_HELPERS,
    MAX_ITEM_DEPTH,
    MAX_THOUGHT,
    MAX_TRIPS,
    MAX_WORK,
    NAME_PATTERN,
    OPERATORS,
    TABLES,
    WEIGHT_RANGE,
)
from eureka_agent.reward.parser import PARSER_ERRORS, compile_tree, lower, normalise, read_tree
from eureka_agent.reward.scope import Scope, ValueKind, check_new_name, join, kind_of, stored_names
from eureka_agent.reward.signals import Signal, columns_of, did_you_mean, parameter_names

ENTRY = "compute_reward"


@dataclass
class CheckedText:
    """What a program consists of, apart from its text.

    Attributes:
        findings: everything wrong with it; the rest is complete only if there is no error.
        thought: the docstring's first paragraph.
        weights: `WEIGHTS`.
        scales: `SCALES`.
        parameters: those of `compute_reward`, in order.
        tree: the checked and rewritten functions; without any if there is an error.
    """

    findings: list[Finding]
    thought: str = ""
    weights: dict[str, float] = field(default_factory=dict)
    scales: dict[str, float] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()
    tree: ast.Module = field(default_factory=lambda: ast.Module(body=[], type_ignores=[]))


def check(text: str, signals: Sequence[Signal]) -> list[Finding]:
    """Everything that is wrong with a program, in the order of its text.

    Never executes the program and never raises, whatever the text is.
    """
    return read_program(text, signals).findings


def read_program(text: str, signals: Sequence[Signal]) -> CheckedText:
    """Check a program and take it apart."""
    report = Findings(most=MAX_FINDINGS)
    result = CheckedText([])
    with contextlib.suppress(EnoughFound):
        tree = read_tree(text, report)
        if tree is not None:
            functions = _ProgramCheck(report, signals, result).run(tree)
            if not report.failed:
                result.tree = lower(ast.Module(body=[*functions], type_ignores=[]))
                _check_compiles(result.tree, report)
    result.findings = report.sorted()
    return result


class _ProgramCheck:
    """One walk over the module: tables first, then the functions in order."""

    def __init__(self, report: Findings, signals: Sequence[Signal], result: CheckedText) -> None:
        self._report = report
        self._signals = signals
        self._result = result
        self._helpers: dict[str, int] = {}
        self._tables: set[str] = set()

    def run(self, tree: ast.Module) -> list[ast.FunctionDef]:
        """Check the module; returns its functions."""
        self._result.thought = _first_paragraph(ast.get_docstring(tree))
        if not self._result.thought:
            message = "The program does not begin with a docstring that says its idea."
            self._report.warning("no-thought", 1, message, 'Begin with """Run fast, stay up."""')
        functions: list[ast.FunctionDef] = []
        for statement in normalise(tree).body:
            if isinstance(statement, ast.FunctionDef):
                functions.append(statement)
            elif not _is_idle(statement):
                self._check_statement(statement)
        if "WEIGHTS" not in self._tables:
            hint = 'Write WEIGHTS = {"name": 1.0} with one entry per component.'
            self._report.error("no-weights", 1, "The program has no WEIGHTS.", hint)
        self._check_function_names(functions)
        names = frozenset(function.name for function in functions)
        for function in functions:
            self._check_function(function, names)
        return functions

    def _check_statement(self, node: ast.stmt) -> None:
        """A statement of the module that is neither a function nor without effect."""
        targets = node.targets if isinstance(node, ast.Assign) else []
        name = targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""
        if isinstance(node, ast.Import | ast.ImportFrom):
            hint = "torch, math, F and the reward library are simply there."
            self._report.error("import", node, "This import is not possible.", hint)
        elif name not in TABLES:
            message = "Only WEIGHTS, SCALES and functions can stand outside a function."
            hint = "Put numbers into SCALES and ask for them by name." if targets else ""
            self._report.error("module-statement", node, message, hint)
        elif name in self._tables:
            self._report.error("module-statement", node, f"{name} is there twice.")
        elif isinstance(node, ast.Assign):
            self._tables.add(name)
            numbers = read_table(name, node.value, self._report)
            if name == "WEIGHTS":
                self._result.weights = numbers
                check_weights(node.value, numbers, self._report)
            else:
                self._result.scales = numbers

    def _check_function_names(self, functions: list[ast.FunctionDef]) -> None:
        names = [function.name for function in functions]
        if ENTRY not in names:
            message = f"The program has no function {ENTRY}."
            hint = did_you_mean(ENTRY, names) and f'Call the function "{ENTRY}".'
            self._report.error("no-compute-reward", 1, message, hint)
        if len(names) - 1 > MAX_HELPERS:
            message = f"The program has more than {MAX_HELPERS} helper functions."
            self._report.error("too-long", functions[-1], message, "Join some of them.")
        for place, function in enumerate(functions):
            check_new_name(function.name, function, self._report)
            if function.name in names[:place]:
                message = f'The function "{function.name}" is there twice.'
                self._report.error("reserved-name", function, message)
            elif function.name in BUILTINS:
                message = f'"{function.name}" is a function of Python.'
                self._report.error("reserved-name", function, message, "Choose another name.")

    def _check_function(self, function: ast.FunctionDef, names: frozenset[str]) -> None:
        entry = function.name == ENTRY
        parameters = self._check_parameters(function, entry)
        kinds: dict[str, ValueKind] = dict.fromkeys(parameters, "unknown")
        stored = frozenset(stored_names(function))
        columns: dict[str, float | None] = {}
        if entry:
            self._result.parameters = tuple(parameters)
            scales = self._result.scales
            kinds = {name: "number" if name in scales else "rows" for name in parameters}
            self._check_offered(function, parameters)
            asked = [n for n in parameters if n not in stored and n not in scales]
            columns = {name: columns_of(name, self._signals) for name in asked}
        scope = Scope(
            report=self._report,
            kinds=kinds,
            variables=stored | frozenset(parameters),
            columns=columns,
            helpers=dict(self._helpers),
            functions=names,
            offered=frozenset(parameter_names(self._signals)) | frozenset(self._result.scales),
            components=frozenset(self._result.weights) if entry else None,
        )
        check_block(function.body, scope)
        if not always_returns(function.body):
            message = f'The function "{function.name}" can end without a return.'
            self._report.error("return", function, message, "End it with a return.")
        if scope.work > MAX_WORK:
            message = f"One call evaluates more than {MAX_WORK} expressions."
            self._report.error("loop", function, message, "Write tensor operations instead.")
        if not entry:
            self._helpers[function.name] = scope.work

    def _check_parameters(self, function: ast.FunctionDef, entry: bool) -> list[str]:
        """Names of the parameters; findings for all but plain ones."""
        arguments = function.args
        if function.decorator_list:
            message = "This decorator is not part of the reward language."
            self._report.error("decorator", function.decorator_list[0], message, "Leave it out.")
        if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
            message = "Parameters cannot have *, ** or / in the reward language."
            self._report.error("parameters", function, message, "Write their names.")
        if getattr(function, "type_params", None):
            message = "Type parameters are not part of the reward language."
            self._report.error("unknown-syntax", function, message, "Leave them out.")
        defaults = [
            *zip(reversed(arguments.args), reversed(arguments.defaults), strict=False),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]
        for parameter, default in defaults:
            if default is None:
                continue
            is_scale = entry and parameter.arg in self._result.scales
            if is_scale and literal_number(default) is not None:
                continue  # said twice; the number in SCALES counts
            if entry:
                message = f"Parameters of {ENTRY} cannot have defaults."
                hint = "Put the number into SCALES under the parameter's name."
                self._report.error("default", default, message, hint)
            elif literal_number(default) is None and not _is_flag(default):
                message = "A default must be a plain number."
                self._report.error("default", default, message)
        parameters = [*arguments.args, *arguments.kwonlyargs]
        for parameter in parameters:
            check_new_name(parameter.arg, parameter, self._report)
        return [parameter.arg for parameter in parameters]

    def _check_offered(self, function: ast.FunctionDef, parameters: Iterable[str]) -> None:
        """Whether the environment, or SCALES, offers what `compute_reward` asks for."""
        scales, offered = self._result.scales, parameter_names(self._signals)
        nodes = {a.arg: a for a in (*function.args.args, *function.args.kwonlyargs)}
        for name in parameters:
            if name not in offered and name not in scales:
                message = f'"{name}" is neither a signal nor a key of SCALES.'
                hint = did_you_mean(name, [*offered, *scales])
                self._report.error("unknown-parameter", nodes[name], message, hint)
        for name in scales:
            if name in offered:
                message = f'The key "{name}" of SCALES is the name of a signal.'
                self._report.error("scale-name", function, message, "Give it another name.")
            elif name not in nodes:
                message = f'"{name}" of SCALES is not asked for.'
                hint = "Add it to the parameters, or drop it."
                self._report.warning("unused-scale", function, message, hint)
        if all(name in scales for name in parameters):
            message = f"{ENTRY} asks for no signal, so that it pays the same for everything."
            self._report.error("no-signal", function, message, "Name signals as its parameters.")


def _check_compiles(tree: ast.Module, report: Findings) -> None:
    """The few errors that only Python's compiler sees, such as an argument that is there twice."""
    try:
        compile_tree(tree)
    except PARSER_ERRORS as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it nests too deeply"
        line = (error.lineno if isinstance(error, SyntaxError) else None) or 1
        report.error("syntax", line, f"This is not valid Python: {reason}.")


def _is_flag(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))


def _is_idle(node: ast.stmt) -> bool:
    """A docstring, or what normalisation left of an import."""
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _first_paragraph(docstring: str | None) -> str:
    """As one visible line: the docstring holds what its escape sequences stand for."""
    first = without_hidden((docstring or "").strip().split("\n\n")[0])
    words = " ".join(first.split())
    return words if len(words) <= MAX_THOUGHT else f"{words[: MAX_THOUGHT - 3]}..."


def read_table(name: str, node: ast.expr, report: Findings) -> dict[str, float]:
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


def check_weights(node: ast.expr, weights: dict[str, float], report: Findings) -> None:
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


def _bind(target: ast.expr, kind: ValueKind, scope: Scope) -> None:
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
