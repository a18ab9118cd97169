"""From text to a syntax tree of bounded size, or to findings. Nothing of it is run."""

import ast
import io
import re
import tokenize
import warnings

from eureka_agent.common.text import is_hidden
from eureka_agent.reward.findings import Report
from eureka_agent.reward.language import MAX_BYTES, MAX_DEPTH, MAX_LINE_LENGTH, MAX_NODES

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


def read_tree(text: object, report: Report) -> ast.Module | None:
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


def _check_text(text: str, report: Report) -> None:
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


def _parse(text: str, report: Report) -> ast.Module | None:
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


def _check_size(tree: ast.Module, report: Report) -> None:
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


def _check_names(text: str, report: Report) -> None:
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
