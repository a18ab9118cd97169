"""The check of a whole program: a pure function over text that never runs any of it."""

import ast
import contextlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eureka_agent.common.text import did_you_mean, shortened, without_hidden
from eureka_agent.reward import language
from eureka_agent.reward.expressions import (
    check_condition,
    check_expression,
    check_index,
    check_key,
    check_operator,
    refuse_syntax,
)
from eureka_agent.reward.findings import MAX_FINDINGS, EnoughFound, Finding, Findings, has_errors
from eureka_agent.reward.parser import (
    PARSER_ERRORS,
    compile_tree,
    lower,
    normalise,
    read_tree,
    syntax_error,
)
from eureka_agent.reward.scope import Scope, ValueKind, check_new_name, join
from eureka_agent.reward.signals import Signal, columns_of, parameter_names

ENTRY = "compute_reward"


@dataclass(frozen=True)
class CheckedText:
    """What the check found in a text; complete only if there is no error.

    Attributes:
        text: as it was written.
        findings: errors and warnings, in the order of the text.
        thought: the idea behind the program: the docstring's first paragraph.
        weights: `WEIGHTS`: the factor of each component, in the order of the text.
        scales: `SCALES`: numbers that the program asks for by name.
        parameters: those of `compute_reward` in order, keys of `scales` among them.
        tree: the checked and rewritten functions, with the lines of `text`; empty after an error.
    """

    text: str
    findings: tuple[Finding, ...]
    thought: str
    weights: Mapping[str, float]
    scales: Mapping[str, float]
    parameters: tuple[str, ...]
    tree: ast.Module

    @property
    def refused(self) -> bool:
        """Whether there is an error."""
        return has_errors(self.findings)


def check_program(text: str, signals: Sequence[Signal]) -> CheckedText:
    """Check a program and take it apart.

    Never executes the program and never raises, whatever the text is.

    Args:
        text: the program; may be any object.
        signals: what the environment offers.
    """
    findings = Findings(most=MAX_FINDINGS)
    check = _ProgramCheck(findings, signals)
    lowered = ast.Module(body=[], type_ignores=[])
    with contextlib.suppress(EnoughFound):
        tree = read_tree(text, findings)
        if tree is not None:
            functions = check.run(tree)
            if not findings.failed:
                lowered = lower(ast.Module(body=[*functions], type_ignores=[]))
                _check_compiles(lowered, findings)
    return CheckedText(
        text=text,
        findings=tuple(findings.sorted()),
        thought=check.thought,
        weights=check.weights,
        scales=check.scales,
        parameters=check.parameters,
        tree=lowered,
    )


class _ProgramCheck:
    """One walk over the module: tables first, then the functions in order."""

    def __init__(self, findings: Findings, signals: Sequence[Signal]) -> None:
        self._findings = findings
        self._signals = signals
        self._offered = parameter_names(signals)
        self._helpers: dict[str, int] = {}
        self._tables: set[str] = set()
        self.thought = ""
        self.weights: dict[str, float] = {}
        self.scales: dict[str, float] = {}
        self.parameters: tuple[str, ...] = ()

    def run(self, tree: ast.Module) -> list[ast.FunctionDef]:
        """Check the module; returns its functions."""
        self.thought = _first_paragraph(ast.get_docstring(tree))
        if not self.thought:
            message = "The program does not begin with a docstring that says its idea."
            self._findings.warning("no-thought", 1, message, 'Begin with """Run fast, stay up."""')
        functions: list[ast.FunctionDef] = []
        for statement in normalise(tree).body:
            match statement:
                case ast.FunctionDef():
                    functions.append(statement)
                case ast.Pass() | ast.Expr(value=ast.Constant(value=str())):
                    pass  # a docstring, or what normalisation left of an import
                case _:
                    self._check_statement(statement)
        if "WEIGHTS" not in self._tables:
            hint = 'Write WEIGHTS = {"name": 1.0} with one entry per component.'
            self._findings.error("no-weights", 1, "The program has no WEIGHTS.", hint)
        self._check_function_names(functions)
        names = frozenset(function.name for function in functions)
        for function in functions:
            self._check_function(function, names)
        return functions

    def _check_statement(self, node: ast.stmt) -> None:
        """Check a statement of the module that is neither a function nor without effect."""
        targets = node.targets if isinstance(node, ast.Assign) else []
        name = targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""
        if isinstance(node, ast.Import | ast.ImportFrom):
            hint = "torch, math, F and the reward library are simply there."
            self._findings.error("import", node, "This import is not possible.", hint)
        elif name not in language.TABLES:
            message = "Only WEIGHTS, SCALES and functions can stand outside a function."
            hint = "Put numbers into SCALES and ask for them by name." if targets else ""
            self._findings.error("module-statement", node, message, hint)
        elif name in self._tables:
            self._findings.error("module-statement", node, f"{name} is defined twice.")
        elif isinstance(node, ast.Assign):
            self._tables.add(name)
            numbers = _read_table(name, node.value, self._findings)
            if name == "WEIGHTS":
                self.weights = numbers
                _check_weights(node.value, numbers, self._findings)
            else:
                self.scales = numbers

    def _check_function_names(self, functions: list[ast.FunctionDef]) -> None:
        names = [function.name for function in functions]
        if ENTRY not in names:
            message = f"The program has no function {ENTRY}."
            hint = did_you_mean(ENTRY, names) and f'Call the function "{ENTRY}".'
            self._findings.error("no-compute-reward", 1, message, hint)
        if len(names) - 1 > language.MAX_HELPERS:
            message = f"The program has more than {language.MAX_HELPERS} helper functions."
            self._findings.error("too-long", functions[-1], message, "Join some of them.")
        for place, function in enumerate(functions):
            check_new_name(function.name, function, self._findings)
            if function.name in names[:place]:
                message = f'The function "{function.name}" is defined twice.'
                self._findings.error("reserved-name", function, message)
            elif function.name in language.BUILTINS:
                message = f'"{function.name}" is a function of Python.'
                self._findings.error("reserved-name", function, message, "Choose another name.")

    def _check_function(self, function: ast.FunctionDef, names: frozenset[str]) -> None:
        entry = function.name == ENTRY
        parameters = self._check_parameters(function, entry)
        kinds: dict[str, ValueKind] = dict.fromkeys(parameters, "unknown")
        nodes = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
        stored = frozenset(node.id for node in nodes if isinstance(node.ctx, ast.Store))
        columns: dict[str, float | None] = {}
        if entry:
            self.parameters = tuple(parameters)
            kinds = {name: "number" if name in self.scales else "rows" for name in parameters}
            self._check_offered(function)
            asked = [n for n in parameters if n not in stored and n not in self.scales]
            columns = {name: columns_of(name, self._signals) for name in asked}
        scope = Scope(
            findings=self._findings,
            kinds=kinds,
            variables=stored | frozenset(parameters),
            columns=columns,
            helpers=dict(self._helpers),
            functions=names,
            offered=frozenset(self._offered) | frozenset(self.scales),
            components=frozenset(self.weights) if entry else None,
        )
        _check_block(function.body, scope)
        if not _always_returns(function.body):
            message = f'The function "{function.name}" can end without a return.'
            self._findings.error("return", function, message, "End it with a return.")
        if scope.work > language.MAX_WORK:
            message = f"One call evaluates more than {language.MAX_WORK} expressions."
            self._findings.error("loop", function, message, "Write tensor operations instead.")
        if not entry:
            self._helpers[function.name] = scope.work

    def _check_parameters(self, function: ast.FunctionDef, entry: bool) -> list[str]:
        """Names of the parameters; findings for all but plain ones."""
        arguments = function.args
        if function.decorator_list:
            message = "This decorator is not part of the reward language."
            self._findings.error("decorator", function.decorator_list[0], message, "Leave it out.")
        if arguments.vararg or arguments.kwarg or arguments.posonlyargs:
            message = "Parameters cannot have *, ** or / in the reward language."
            self._findings.error("parameters", function, message, "Write their names.")
        if getattr(function, "type_params", None):
            message = "Type parameters are not part of the reward language."
            self._findings.error("unknown-syntax", function, message, "Leave them out.")
        defaults = [
            *zip(reversed(arguments.args), reversed(arguments.defaults), strict=False),
            *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
        ]
        for parameter, default in defaults:
            is_number = default is not None and _literal_number(default) is not None
            if default is None or (is_number and entry and parameter.arg in self.scales):
                continue  # a scale's number may be repeated here; the one in SCALES counts
            if entry:
                message = f"Parameters of {ENTRY} cannot have defaults."
                hint = "Put the number into SCALES under the parameter's name."
                self._findings.error("default", default, message, hint)
                continue
            flag = isinstance(default, ast.Constant) and isinstance(default.value, bool | None)
            if not (is_number or flag):
                message = "A default must be a plain number."
                self._findings.error("default", default, message)
        parameters = [*arguments.args, *arguments.kwonlyargs]
        for parameter in parameters:
            check_new_name(parameter.arg, parameter, self._findings)
        return [parameter.arg for parameter in parameters]

    def _check_offered(self, function: ast.FunctionDef) -> None:
        """Whether the environment, or SCALES, offers what `compute_reward` asks for."""
        nodes = {a.arg: a for a in (*function.args.args, *function.args.kwonlyargs)}
        for name, node in nodes.items():
            if name not in self._offered and name not in self.scales:
                message = f'"{name}" is neither a signal nor a key of SCALES.'
                hint = did_you_mean(name, [*self._offered, *self.scales])
                self._findings.error("unknown-parameter", node, message, hint)
        for name in self.scales:
            if name in self._offered:
                message = f'The key "{name}" of SCALES is the name of a signal.'
                self._findings.error("scale-name", function, message, "Give it another name.")
            elif name not in nodes:
                message = f'"{name}" of SCALES is not asked for.'
                hint = "Add it to the parameters, or drop it."
                self._findings.warning("unused-scale", function, message, hint)
        if all(name in self.scales for name in nodes):
            message = f"{ENTRY} asks for no signal, so that it pays the same for everything."
            self._findings.error("no-signal", function, message, "Name signals as its parameters.")


def _check_compiles(tree: ast.Module, findings: Findings) -> None:
    """Report the few errors that only Python's compiler sees, such as a repeated parameter."""
    try:
        compile_tree(tree)
    except PARSER_ERRORS as error:
        reason, line = syntax_error(error)
        findings.error("syntax", line, f"This is not valid Python: {reason}.")


def _first_paragraph(docstring: str | None) -> str:
    """The first paragraph as one visible line: escape sequences may hide anything."""
    words = " ".join(without_hidden((docstring or "").strip().split("\n\n")[0]).split())
    return shortened(words, language.MAX_THOUGHT, "...")


def _read_table(name: str, node: ast.expr, findings: Findings) -> dict[str, float]:
    """The entries of WEIGHTS or SCALES; findings for all but names and numbers."""
    if not isinstance(node, ast.Dict):
        hint = f'Write {name} = {{"name": 1.0}}.'
        findings.error("table", node, f"{name} is not a dict written out.", hint)
        return {}
    if len(node.keys) > language.TABLES[name]:
        message = f"{name} has {len(node.keys)} entries; {language.TABLES[name]} are allowed."
        findings.error("table", node, message, "Leave out what matters least.")
        raise EnoughFound  # all else would be about the missing entries
    numbers: dict[str, float] = {}
    unnamed = False
    for key, value in zip(node.keys, node.values, strict=True):
        entry = key.value if isinstance(key, ast.Constant) else None
        if not isinstance(entry, str) or not re.fullmatch(language.NAME_PATTERN, entry):
            message = f"A key of {name} is not a name of at most 40 letters, digits and _."
            findings.error("table", key or value, message)
            unnamed = True
            continue
        if entry in numbers:
            message = f'"{entry}" is in {name} twice.'
            findings.error("table", key or value, message, "Keep one of them.")
        number = _literal_number(value)
        if number is None:
            message = f'{name}["{entry}"] is not a plain finite number.'
            findings.error("table", value, message, "Write the number itself.")
        numbers[entry] = 1.0 if number is None else number
    if unnamed:
        raise EnoughFound
    return numbers


def _check_weights(node: ast.expr, weights: dict[str, float], findings: Findings) -> None:
    """Refuse weights that pay nothing, and those by which scaling would not be exact."""
    low, high = language.WEIGHT_RANGE
    if not any(weights.values()):
        message = "All weights are 0, so that nothing is paid."
        hint = "Give every component that counts a weight."
        findings.error("weights", node, message, hint)
    for name, weight in weights.items():
        if weight and not low <= abs(weight) <= high:
            message = f'The weight of "{name}" is not between {low:g} and {high:g}.'
            findings.error("weights", node, message)


def _literal_number(node: ast.expr) -> float | None:
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


def _check_block(statements: list[ast.stmt], scope: Scope) -> None:
    """Check statements in the order in which they run; `scope` moves along."""
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


def _always_returns(statements: list[ast.stmt]) -> bool:
    """Whether a block cannot be left but by a return."""
    return any(
        isinstance(statement, ast.Return)
        or (
            isinstance(statement, ast.If)
            and _always_returns(statement.body)
            and _always_returns(statement.orelse)
        )
        for statement in statements
    )


def _check_assignment(node: ast.Assign, scope: Scope) -> None:
    check_expression(node.value, scope)
    kind, keys = scope.kind(node.value), _keys(node.value, scope)
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
    check_operator(node.op, node.value, node, scope)
    if isinstance(node.target, ast.Subscript):
        _check_item(node.target, scope)
    elif isinstance(node.target, ast.Name):
        check_expression(ast.copy_location(ast.Name(node.target.id, ast.Load()), node), scope)
        before = scope.kinds.get(node.target.id, "unknown")
        _bind(node.target, join((before, scope.kind(node.value))), scope)
    else:
        _bind(node.target, "unknown", scope)


def _check_item(target: ast.Subscript, scope: Scope) -> None:
    """Check the target of `x[i] = v`, which is rewritten to an assignment to `x`."""
    base: ast.expr = target
    depth = 0
    while isinstance(base, ast.Subscript):
        check_index(base, scope)
        base, depth = base.value, depth + 1
    if depth > language.MAX_ITEM_DEPTH:
        message = f"At most {language.MAX_ITEM_DEPTH} pairs of brackets can be assigned to."
        scope.error("assignment", target, message, "Assign to a variable first.")
    if not isinstance(base, ast.Name):
        message = "Only a variable, or parts of it, can be assigned to."
        scope.error("assignment", target, message, "Assign to a variable first.")
        return
    check_expression(ast.copy_location(ast.Name(base.id, ast.Load()), base), scope)
    check_new_name(base.id, base, scope.findings)
    keys = scope.dicts.get(base.id)
    if isinstance(target.slice, ast.Constant) and isinstance(target.slice.value, str):
        check_key(target.slice, scope)
        if keys is not None and target.value is base:
            scope.dicts[base.id] = keys | {target.slice.value}
    elif base.id in scope.dicts:
        scope.dicts[base.id] = None


def _bind(target: ast.expr, kind: ValueKind, scope: Scope) -> None:
    if isinstance(target, ast.Name):
        check_new_name(target.id, target, scope.findings)
        scope.kinds[target.id] = kind
        scope.dicts.pop(target.id, None)
    else:
        hint = "Assign to one variable, or to one of its items, per line."
        scope.error("assignment", target, "This cannot be assigned to.", hint)


def _check_if(node: ast.If, scope: Scope) -> None:
    check_condition(node.test, scope)
    kinds, dicts = dict(scope.kinds), dict(scope.dicts)
    _check_block(node.body, scope)
    body_kinds, body_dicts = scope.kinds, scope.dicts
    scope.kinds, scope.dicts = kinds, dicts
    _check_block(node.orelse, scope)
    # What holds after both branches; a name that only one of them binds may or may not exist.
    for name, kind in body_kinds.items():
        if scope.kinds.setdefault(name, "unknown") != kind:
            scope.kinds[name] = "unknown"
    for name in scope.dicts.keys() | body_dicts.keys():
        if scope.dicts.get(name) != body_dicts.get(name):
            scope.dicts[name] = None


def _check_loop(node: ast.For, scope: Scope) -> None:
    hint = "Write tensor operations on all columns at once."
    trips = _trips(node.iter, scope)
    if trips is None or trips > language.MAX_TRIPS:
        message = (
            f"A loop must run over range(<numbers>) or a tuple, at most {language.MAX_TRIPS} times."
        )
        scope.error("loop", node, message, hint)
        trips = 1
    if node.orelse:
        message = "else after a loop is not part of the reward language."
        scope.error("unknown-syntax", node.orelse[0], message, "Leave it out.")
    for target in node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]:
        _bind(target, "unknown", scope)
    before = scope.times
    scope.times = before * trips
    _check_block(node.body, scope)
    scope.times = before
    if scope.work > language.MAX_WORK:
        message = f"The loops evaluate more than {language.MAX_WORK} expressions."
        scope.error("loop", node, message, hint)


def _trips(iterable: ast.expr, scope: Scope) -> int | None:
    """Number of iterations of a loop; None if the text does not show it."""
    match iterable:
        case ast.Tuple() | ast.List():
            check_expression(iterable, scope)
            return len(iterable.elts)
        case ast.Call(func=ast.Name(id="range"), args=[_, *_] as args, keywords=[]):
            for argument in args:
                check_expression(argument, scope)
            try:
                return len(range(*[ast.literal_eval(argument) for argument in args]))
            except (ValueError, TypeError, OverflowError):
                return None
    return None


def _check_bare_expression(node: ast.Expr, scope: Scope) -> None:
    if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return  # a docstring or a comment
    before = len(scope.findings)
    check_expression(node.value, scope)
    if len(scope.findings) == before:
        message = "The line computes something and drops it."
        scope.error("no-effect", node, message, "Assign it to a variable, or leave it out.")


def _check_return(node: ast.Return, scope: Scope) -> None:
    if node.value is not None:
        check_expression(node.value, scope)
    if scope.components is None:
        return
    no_dict = ast.Tuple | ast.List | ast.Constant | ast.BinOp | ast.UnaryOp | ast.Compare
    kind = scope.kind(node.value) if node.value else "number"
    if node.value is None or isinstance(node.value, no_dict) or kind != "unknown":
        message = "compute_reward must return a dict of its components, and nothing else."
        hint = 'Write return {"name": value}; the weighted sum is made from WEIGHTS.'
        scope.error("return", node, message, hint)
        return
    keys = _keys(node.value, scope)
    if keys is not None:
        _compare_keys(node, keys, scope.components, scope)
    if isinstance(node.value, ast.Dict):
        for key, value in zip(node.value.keys, node.value.values, strict=True):
            if scope.kind(value) == "number" and isinstance(key, ast.Constant):
                message = f'The component "{key.value}" is one number for all rows.'
                hint = "Write torch.full_like(x, 1.0) with some plain signal x."
                scope.error("component-shape", value, message, hint)


def _keys(node: ast.expr, scope: Scope) -> frozenset[str] | None:
    """Keys of a dict; None if the text does not show them."""
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
        hint = did_you_mean(name, components - keys)
        hint = hint or f'Add "{name}" to WEIGHTS; weight 0 means shown, not paid.'
        message = f'The component "{name}" has no weight.'
        scope.error("component-without-weight", node, message, hint)
    for name in sorted(components - keys):
        message = f'WEIGHTS names "{name}", which is not returned.'
        scope.error("weight-without-component", node, message, "Return it, or drop it.")
