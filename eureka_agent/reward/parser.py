"""From text to a syntax tree of bounded size, and the rewriting of that tree."""

import ast
import io
import re
import tokenize
import warnings
from types import CodeType
from typing import TypeVar

from eureka_agent.common.text import is_hidden
from eureka_agent.reward.findings import Findings
from eureka_agent.reward.language import (
    HARMLESS_DECORATORS,
    HARMLESS_IMPORTS,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_LINE_LENGTH,
    MAX_NODES,
)

_COOKIE = re.compile(r"^[ \t]*#.*coding[:=]")
_FENCE = re.compile(r"^\s*```", re.MULTILINE)
PARSER_ERRORS = (
    SyntaxError,
    ValueError,
    MemoryError,
    RecursionError,
    OverflowError,
    SystemError,  # what some versions of the parser raise when it nests too deeply
)
"""What Python's parser and compiler raise, depending on the version, when a text is too odd."""


def read_tree(text: object, report: Findings) -> ast.Module | None:
    """Parse a program.

    Args:
        text: the program; anything is allowed here.
        report: where findings go.

    Returns:
        The tree of at most MAX_NODES nodes and MAX_DEPTH levels, or None after a finding.
    """
    if type(text) is not str:
        report.error("not-text", 1, f"The program is not text but {type(text).__name__}.")
        return None
    source = text.replace("\r\n", "\n")
    _check_text(source, report)
    if report.failed:
        return None
    tree = _parse(source, report)
    if tree is not None:
        _check_size(tree, report)
        if not source.isascii():
            _check_names(source, report)
    return None if report.failed else tree


def bounded_tree(text: str) -> ast.Module | None:
    """Parse a text that may be a program; None where it is no Python, or too long for a program.

    So the parser's work is bounded, whatever a text is. Unlike `read_tree` it bounds no depth.
    """
    if len(text) > MAX_BYTES:
        return None
    try:
        return parse_text(text)
    except PARSER_ERRORS:
        return None


def parse_text(text: str) -> ast.Module:
    """Parse a text without warnings; raises one of `PARSER_ERRORS` if it is no Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as odd escapes in a docstring
        return ast.parse(text)


def _check_text(text: str, report: Findings) -> None:
    """What the parser should never see, or reads otherwise than a person."""
    # Characters first: a lone surrogate has no encoding.
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        report.error(
            "too-long",
            1,
            f"The program is longer than {MAX_BYTES} bytes.",
            "Write a shorter program; a good one fits on a screen.",
        )
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > MAX_LINE_LENGTH:
            message = f"The line has {len(line)} characters; {MAX_LINE_LENGTH} are allowed."
            report.error("long-line", number, message, "Break the line.")
        hidden = next((c for c in line if is_hidden(c)), None)
        if hidden is not None:
            message = f"The line holds the invisible character U+{ord(hidden):04X}."
            report.error("hidden-character", number, message, "Write plain text.")
        if number <= 2 and _COOKIE.match(line):
            message = "The comment declares an encoding."
            report.error("encoding-comment", number, message, "Leave the comment out.")


def _parse(text: str, report: Findings) -> ast.Module | None:
    try:
        return parse_text(text)
    except PARSER_ERRORS as error:
        hint = ""
        if _FENCE.search(text):
            hint = "Write the program alone, without code fences."
        reason, line = "it nests too deeply", 1  # what all but a SyntaxError mean
        if isinstance(error, SyntaxError):
            reason, line = (error.msg or "").split("\n")[0], error.lineno or 1
        report.error("syntax", line, f"This is not valid Python: {reason}.", hint)
        return None


def _check_size(tree: ast.Module, report: Findings) -> None:
    """Bound nodes and depth with an explicit stack, so that all later passes may recurse."""
    stack: list[tuple[ast.AST, int, int]] = [(tree, 0, 1)]
    count = 0
    while stack:
        node, depth, line = stack.pop()
        line = getattr(node, "lineno", line)
        count += 1
        if count > MAX_NODES:
            message = f"The program has more than {MAX_NODES} syntax nodes."
            report.error("too-long", 1, message, "Write a shorter program.")
            return
        if depth > MAX_DEPTH:
            message = f"The expression nests deeper than {MAX_DEPTH} levels."
            report.error("too-deep", line, message, "Split it into several assignments.")
            return
        stack.extend((child, depth + 1, line) for child in ast.iter_child_nodes(node))


def _check_names(text: str, report: Findings) -> None:
    """Refuse names of other letters: Python reads some of them as ASCII, which a person does not.

    Only the text shows them; in the tree they are replaced already. Comments and strings are free.
    """
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME and not token.string.isascii():
                message = f'The name "{token.string}" is not made of plain letters.'
                report.error("odd-name", token.start[0], message, "Choose another name.")
    except (tokenize.TokenError, *PARSER_ERRORS):
        message = "The text cannot be split into words as Python does it."
        report.error("syntax", 1, message, "Write plain ASCII.")


# Names of the run-time helpers below. Programs cannot say them: two underscores are refused.
SET_ITEM = "__set_item"
SLICE = "__slice"
POWER = "__power"
PRODUCT = "__product"
COMPONENTS = "__components"

FILE = "<reward>"
"""What tracebacks call a program."""

_Node = TypeVar("_Node", bound=ast.AST)


def dotted_path(node: ast.AST) -> str | None:
    """`torch.linalg.norm` for such a chain of names; None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def normalise(tree: ast.Module) -> ast.Module:
    """Take out harmless habits: known imports and decorators, annotations, `torch.no_grad` blocks.

    Whatever is not harmless stays, for the check to refuse. The tree is changed in place.
    """
    return ast.fix_missing_locations(_Normaliser().visit(tree))


def lower(tree: ast.Module) -> ast.Module:
    """Rewrite all in-place writes out of place, so that no argument is ever changed.

    `x[i] = v` becomes `x = __set_item(x, i, v)`, `x += v` becomes `x = x + v`. Powers and products
    become calls that never compute huge integers; a dict becomes one that does not give its keys
    away, so that no text is ever a value. Docstrings go, so that they make no difference. Every
    node keeps its line. The tree, which must have passed the check, is changed in place.
    """
    return ast.fix_missing_locations(_Lowering().visit(tree))


def compile_tree(tree: ast.Module) -> CodeType:
    """Code that defines the functions of a lowered tree.

    Raises:
        SyntaxError: only the compiler sees that something is wrong.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as a number with an index: it fails soon enough
        return compile(tree, FILE, "exec", dont_inherit=True)


class _Normaliser(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> ast.AST:
        harmless = all(
            (alias.name in HARMLESS_IMPORTS and alias.asname in (None, alias.name))
            or (alias.name == "torch.nn.functional" and alias.asname == "F")
            for alias in node.names
        )
        return _at(ast.Pass(), node) if harmless else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        names = {(alias.name, alias.asname) for alias in node.names}
        harmless = node.level == 0 and (
            (node.module == "typing" and ("*", None) not in names)
            or (node.module == "torch" and names == {("Tensor", None)})
            or (node.module == "torch.nn" and names == {("functional", "F")})
            or (node.module == "__future__" and names == {("annotations", None)})
        )
        return _at(ast.Pass(), node) if harmless else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.decorator_list = [d for d in node.decorator_list if not _is_harmless(d)]
        node.returns = None
        parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for argument in (*parameters, node.args.vararg, node.args.kwarg):
            if argument is not None:
                argument.annotation = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return _at(ast.Pass(), node)
        return _at(ast.Assign(targets=[node.target], value=node.value), node)

    def visit_With(self, node: ast.With) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        harmless = all(
            item.optional_vars is None and _is_harmless(item.context_expr) for item in node.items
        )
        return node.body if harmless else node


def _is_harmless(decorator: ast.expr) -> bool:
    if isinstance(decorator, ast.Call) and not decorator.args and not decorator.keywords:
        decorator = decorator.func
    return dotted_path(decorator) in HARMLESS_DECORATORS


class _Lowering(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        for block in (
            n for n in ast.walk(node) if isinstance(n, ast.FunctionDef | ast.If | ast.For)
        ):
            block.body = _without_idle(block.body) or [_at(ast.Pass(), block)]
            if not isinstance(block, ast.FunctionDef):
                block.orelse = _without_idle(block.orelse)
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        node.value = self.visit(node.value)
        target = node.targets[0]
        if isinstance(target, ast.Subscript):
            return self._write(target, node.value, node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        before = self.visit(_load(node.target))
        operation = ast.BinOp(left=before, op=node.op, right=self.visit(node.value))
        return self._write(node.target, self._bounded(_at(operation, node)), node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        return self._bounded(node)

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        self.generic_visit(node)
        return _call(COMPONENTS, [node], node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        # Given a type, `view` takes the same bits for other numbers; `reshape` knows sizes only.
        if isinstance(node.func, ast.Attribute) and node.func.attr == "view":
            node.func.attr = "reshape"
        return node

    def _bounded(self, node: ast.BinOp) -> ast.expr:
        """The operations by which an integer grows faster than the text; others stay."""
        names = {ast.Pow: POWER, ast.Mult: PRODUCT}
        if type(node.op) not in names:
            return node
        return _call(names[type(node.op)], [node.left, node.right], node)

    def _write(self, target: ast.expr, value: ast.expr, where: ast.stmt) -> ast.Assign:
        """An assignment to a plain name that has the effect of assigning to `target`."""
        while isinstance(target, ast.Subscript):
            base = self.visit(_load(target.value))
            value = _call(SET_ITEM, [base, self._index(target.slice), value], where)
            target = target.value
        return _at(ast.Assign(targets=[_store(target)], value=value), where)

    def _index(self, node: ast.expr) -> ast.expr:
        """An index as an ordinary expression: slices have no syntax outside brackets."""
        if isinstance(node, ast.Slice):
            bounds = (node.lower, node.upper, node.step)
            return _call(
                SLICE, [self.visit(b) if b else _at(ast.Constant(None), node) for b in bounds], node
            )
        if isinstance(node, ast.Tuple):
            elements = [self._index(element) for element in node.elts]
            return _at(ast.Tuple(elts=elements, ctx=ast.Load()), node)
        return self.visit(node)


def _without_idle(block: list[ast.stmt]) -> list[ast.stmt]:
    """Without docstrings and without what normalisation left."""
    return [statement for statement in block if not isinstance(statement, ast.Expr | ast.Pass)]


def _call(name: str, arguments: list[ast.expr], where: ast.AST) -> ast.Call:
    function = _at(ast.Name(id=name, ctx=ast.Load()), where)
    return _at(ast.Call(func=function, args=arguments, keywords=[]), where)


def _load(target: ast.expr) -> ast.expr:
    """The target's value before the write, as a node of its own."""
    if isinstance(target, ast.Subscript):
        copy = ast.Subscript(value=_load(target.value), slice=target.slice, ctx=ast.Load())
        return _at(copy, target)
    assert isinstance(target, ast.Name), "the check admits names and subscripts only"
    return _at(ast.Name(id=target.id, ctx=ast.Load()), target)


def _store(target: ast.expr) -> ast.expr:
    assert isinstance(target, ast.Name), "the check admits names and subscripts only"
    return _at(ast.Name(id=target.id, ctx=ast.Store()), target)


def _at(node: _Node, where: ast.AST) -> _Node:
    return ast.copy_location(node, where)
