"""From text to a syntax tree of bounded size, and the rewriting of that tree."""

import ast
import io
import re
import tokenize
import warnings
from types import CodeType
from typing import TypeVar

from eureka_agent.common.text import is_hidden
from eureka_agent.reward import language
from eureka_agent.reward.findings import Findings

# Run-time helpers that rewritten programs call. Programs cannot name them: two underscores are
# refused.
SET_ITEM = "__set_item"
SLICE = "__slice"
POWER = "__power"
PRODUCT = "__product"
COMPONENTS = "__components"

FILE = "<reward>"
"""File name of programs in tracebacks."""
PARSER_ERRORS = (
    SyntaxError,
    ValueError,
    MemoryError,
    RecursionError,
    OverflowError,
    SystemError,  # some versions of the parser raise it for deep nesting
)
"""What the parser and compiler of some Python version raise for odd texts."""

_COOKIE = re.compile(r"^[ \t]*#.*coding[:=]")
_FENCE = re.compile(r"^\s*```", re.MULTILINE)
_Node = TypeVar("_Node", bound=ast.AST)


def read_tree(text: object, findings: Findings) -> ast.Module | None:
    """Parse a program.

    Args:
        text: the program; may be any object.
        findings: where findings go.

    Returns:
        A tree of at most MAX_NODES nodes and MAX_DEPTH levels, or None after a finding.
    """
    if type(text) is not str:
        findings.error("not-text", 1, f"The program is not text but {type(text).__name__}.")
        return None
    source = text.replace("\r\n", "\n")
    _check_text(source, findings)
    if findings.failed:
        return None
    try:
        tree = parse_text(source)
    except PARSER_ERRORS as error:
        hint = "Write the program alone, without code fences." if _FENCE.search(source) else ""
        reason, line = syntax_error(error)
        findings.error("syntax", line, f"This is not valid Python: {reason}.", hint)
        return None
    _check_size(tree, findings)
    if not source.isascii():
        _check_names(source, findings)
    return None if findings.failed else tree


def bounded_tree(text: str) -> ast.Module | None:
    """Parse a text that may be a program; None if it is not Python or too long for a program.

    The length bounds the parser's work. Unlike `read_tree` this does not bound the depth.
    """
    if len(text) > language.MAX_BYTES:
        return None
    try:
        return parse_text(text)
    except PARSER_ERRORS:
        return None


def parse_text(text: str) -> ast.Module:
    """Parse a text without warnings; raises one of `PARSER_ERRORS` if it is not Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as odd escapes in a docstring
        return ast.parse(text)


def compile_tree(tree: ast.Module) -> CodeType:
    """Compile the functions of a lowered tree.

    Raises:
        SyntaxError: of the few errors that only the compiler finds; or another of `PARSER_ERRORS`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as a number with an index, which fails when called
        return compile(tree, FILE, "exec", dont_inherit=True)


def syntax_error(error: BaseException) -> tuple[str, int]:
    """Reason and line of one of `PARSER_ERRORS`."""
    if isinstance(error, SyntaxError):
        return (error.msg or "").split("\n")[0], error.lineno or 1
    return "it nests too deeply", 1


def _check_text(text: str, findings: Findings) -> None:
    """Refuse what the parser should not get, and what it reads differently than a person."""
    # Characters first: a lone surrogate cannot be encoded.
    if len(text) > language.MAX_BYTES or len(text.encode(errors="replace")) > language.MAX_BYTES:
        message = f"The program is longer than {language.MAX_BYTES} bytes."
        findings.error("too-long", 1, message, "Write a shorter program that fits on a screen.")
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if len(line) > language.MAX_LINE_LENGTH:
            message = (
                f"The line has {len(line)} characters; {language.MAX_LINE_LENGTH} are allowed."
            )
            findings.error("long-line", number, message, "Break the line.")
        hidden = next((c for c in line if is_hidden(c)), None)
        if hidden is not None:
            message = f"The line contains the invisible character U+{ord(hidden):04X}."
            findings.error("hidden-character", number, message, "Write plain text.")
        if number <= 2 and _COOKIE.match(line):
            message = "The comment declares an encoding."
            findings.error("encoding-comment", number, message, "Leave the comment out.")


def _check_size(tree: ast.Module, findings: Findings) -> None:
    """Bound nodes and depth with an explicit stack, so that all later passes may recurse."""
    stack: list[tuple[ast.AST, int, int]] = [(tree, 0, 1)]
    count = 0
    while stack:
        node, depth, line = stack.pop()
        line = getattr(node, "lineno", line)
        count += 1
        if count > language.MAX_NODES:
            message = f"The program has more than {language.MAX_NODES} syntax nodes."
            findings.error("too-long", 1, message, "Write a shorter program.")
            return
        if depth > language.MAX_DEPTH:
            message = f"The expression nests deeper than {language.MAX_DEPTH} levels."
            findings.error("too-deep", line, message, "Split it into several assignments.")
            return
        stack.extend((child, depth + 1, line) for child in ast.iter_child_nodes(node))


def _check_names(text: str, findings: Findings) -> None:
    """Refuse names with non-ASCII letters: Python reads some of them as ASCII, people do not.

    The tree has the ASCII letters already, so the text is searched. Comments and strings may hold
    any letters.
    """
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.NAME and not token.string.isascii():
                message = f'The name "{token.string}" is not made of plain letters.'
                findings.error("odd-name", token.start[0], message, "Choose another name.")
    except (tokenize.TokenError, *PARSER_ERRORS):
        message = "The text cannot be split into words as Python does it."
        findings.error("syntax", 1, message, "Write plain ASCII.")


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
    """Remove harmless habits: known imports and decorators, annotations, `torch.no_grad` blocks.

    Everything else stays for the check to refuse. Changes the tree in place.
    """
    return ast.fix_missing_locations(_Normaliser().visit(tree))


def lower(tree: ast.Module) -> ast.Module:
    """Rewrite in-place writes to out-of-place ones, so that no argument is ever changed.

    `x[i] = v` becomes `x = __set_item(x, i, v)`, and `x += v` becomes `x = x + v`. Powers and
    products become calls that never compute huge integers. A dict becomes an object that does not
    give out its keys, so that no text is ever a value. Docstrings are removed, so that they do not
    change the fingerprint. Every node keeps its line. The tree must have passed the check, and is
    changed in place.
    """
    return ast.fix_missing_locations(_Lowering().visit(tree))


class _Normaliser(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> ast.AST:
        harmless = all(
            (alias.name in language.HARMLESS_IMPORTS and alias.asname in (None, alias.name))
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
    return dotted_path(decorator) in language.HARMLESS_DECORATORS


class _Lowering(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        for block in ast.walk(node):
            if isinstance(block, ast.FunctionDef | ast.If | ast.For):
                block.body = _without_idle(block.body) or [_at(ast.Pass(), block)]
            if isinstance(block, ast.If | ast.For):
                block.orelse = _without_idle(block.orelse)
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        node.value = self.visit(node.value)
        target = node.targets[0]
        return self._write(target, node.value, node) if isinstance(target, ast.Subscript) else node

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
        # `view` with a dtype reinterprets the bits as other numbers; `reshape` takes sizes only.
        if isinstance(node.func, ast.Attribute) and node.func.attr == "view":
            node.func.attr = "reshape"
        return node

    def _bounded(self, node: ast.BinOp) -> ast.expr:
        """Replace the operations by which an integer grows faster than the text."""
        name = {ast.Pow: POWER, ast.Mult: PRODUCT}.get(type(node.op))
        return _call(name, [node.left, node.right], node) if name else node

    def _write(self, target: ast.expr, value: ast.expr, where: ast.stmt) -> ast.Assign:
        """An assignment to a plain name that has the effect of assigning to `target`."""
        while isinstance(target, ast.Subscript):
            base = self.visit(_load(target.value))
            value = _call(SET_ITEM, [base, self._index(target.slice), value], where)
            target = target.value
        assert isinstance(target, ast.Name), "the check admits names and subscripts only"
        name = _at(ast.Name(id=target.id, ctx=ast.Store()), target)
        return _at(ast.Assign(targets=[name], value=value), where)

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
    """A block without docstrings and without what normalisation left."""
    return [statement for statement in block if not isinstance(statement, ast.Expr | ast.Pass)]


def _call(name: str, arguments: list[ast.expr], where: ast.AST) -> ast.Call:
    function = _at(ast.Name(id=name, ctx=ast.Load()), where)
    return _at(ast.Call(func=function, args=arguments, keywords=[]), where)


def _load(target: ast.expr) -> ast.expr:
    """The target's value before the write, as a new node."""
    if isinstance(target, ast.Subscript):
        copy = ast.Subscript(value=_load(target.value), slice=target.slice, ctx=ast.Load())
        return _at(copy, target)
    assert isinstance(target, ast.Name), "the check admits names and subscripts only"
    return _at(ast.Name(id=target.id, ctx=ast.Load()), target)


def _at(node: _Node, where: ast.AST) -> _Node:
    return ast.copy_location(node, where)
