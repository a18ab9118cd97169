"""The program in a language model's reply, and whether it has the structure that was asked for."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from eureka_agent.common.choices import FREE, SIGNS
from eureka_agent.common.text import prompt_line
from eureka_agent.reward import Finding
from eureka_agent.reward.check import ENTRY
from eureka_agent.reward.language import MAX_BYTES
from eureka_agent.reward.parser import PARSER_ERRORS, bounded_tree, parse_text

REPLY_LIMIT = 400_000
"""Characters of a reply that are read."""
TEXT_LIMIT = 2 * MAX_BYTES
"""Characters of a program that are kept. A longer one is refused, and its author sees why."""
MOST_BLOCKS = 64
"""The number of blocks of a reply that are read; the last ones count."""
TRIES = 40
"""Parses of a reply without a fence, each of at most MAX_BYTES: the work must not grow with the
number of lines at which a program could begin or end."""
LESSON_LIMIT, BEGINNING_LIMIT = 240, 60
SIGN_WEIGHTS = {"sparse": 1.0, "dense": 0.1}
"""Reward per step for the sign of each component."""

_OPENING = re.compile(r"^[ \t]*+(`{3,}+|~{3,}+)[ \t]*+([\w+.-]*+)[^`\n]*+$", re.MULTILINE)
_LESSON = re.compile(r"^[^\w\n]*+lesson[^\w\n:]*+:[^\w\n]*+(.+)$", re.IGNORECASE | re.MULTILINE)
_ENTRY = re.compile(rf"^[ \t]*(?:async )?def {ENTRY}\b", re.MULTILINE)
_BEGINNING = re.compile(
    r'[rRuU]?"""|[rRuU]?\'\'\'|WEIGHTS\b|SCALES\b|def |@|import |from \w+ import '
)
"""Lines with which a program without a fence can begin."""
_OUTER = re.compile(r"[^\s)\]}]")
"""A line that does not continue the previous one."""
_PYTHON = ("", "python", "py", "python3")


@dataclass(frozen=True)
class ExtractedProgram:
    """What a reply contains.

    Attributes:
        text: the program; empty if there is none.
        lesson: what the author learned from earlier results; may be empty.
        findings: what is wrong with the reply itself.
    """

    text: str
    lesson: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Block:
    """A fenced block, from `start` to `end` of the reply."""

    language: str
    code: str
    closed: bool
    start: int
    end: int

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; empty if the code is not Python or too long."""
        return bounded_tree(self.code) or ast.Module(body=[], type_ignores=[])

    @property
    def is_python(self) -> bool:
        return self.language.lower() in _PYTHON


def extract_program(reply: str, finish_reason: str = "") -> ExtractedProgram:
    """Find the program in a reply.

    Helpers in fences of their own are put before the program that calls them. Of several programs
    the last one counts. Without a fence the longest stretch that is Python does.

    Args:
        reply: what the model wrote, without its reasoning.
        finish_reason: why the reply ended, as the server reports it.
    """
    reply = reply.replace("\r\n", "\n")[:REPLY_LIMIT]
    if not reply.strip():
        return ExtractedProgram("", "", (_finding("empty-reply", "The reply was empty."),))
    blocks = _blocks(reply)
    cut = finish_reason == "length" or any(not block.closed for block in blocks)
    text = (_from_blocks(blocks) or _without_fence(reply))[:TEXT_LIMIT]
    lesson = _lesson(_prose(reply, blocks, text))
    findings = []
    if not text:
        if any(block.is_python for block in blocks):
            rule, message = "no-entry", f"The reply's code defines no function {ENTRY}."
        else:
            beginning = prompt_line(reply, BEGINNING_LIMIT)
            rule = "no-program"
            message = f'The reply holds no program; it begins "{beginning}".'
        findings.append(_finding(rule, message))
    if cut and (bounded_tree(text) is None or not _ENTRY.search(text)):
        message = "The reply ended in the middle of the program: it was too long, or cut off."
        hint = "Answer with less text and a shorter program."
        findings.append(_finding("cut-off", message, hint))
    return ExtractedProgram(text, lesson, tuple(findings))


def _finding(
    rule: str, message: str, hint: str = "Give the complete program in one ```python fence."
) -> Finding:
    return Finding(rule, "error", 1, 1, message, hint)


def _prose(reply: str, blocks: Sequence[_Block], text: str) -> str:
    """A reply without its code: comments and strings of a program are not lessons."""
    if not blocks:
        return reply.replace(text.rstrip("\n"), "") if text else reply
    starts = [0, *(block.end for block in blocks)]
    ends = [*(block.start for block in blocks), len(reply)]
    return "\n".join(reply[start:end] for start, end in zip(starts, ends, strict=True))


def _lesson(prose: str) -> str:
    """The last line that begins with "Lesson:", in printable characters."""
    found = _LESSON.findall(prose)
    if not found:
        return ""
    words = "".join(c if " " <= c <= "~" else " " for c in found[-1])
    return " ".join(words.replace("`", "").replace("*", "").split())[:LESSON_LIMIT]


def _blocks(reply: str) -> list[_Block]:
    """The fenced blocks in order; the last one may never close."""
    blocks, position = [], 0
    while opening := _OPENING.search(reply, position):
        fence = opening[1]
        closing = re.compile(rf"^[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
        end = closing.search(reply, opening.end() + 1)
        code = reply[opening.end() + 1 : end.start() if end else len(reply)]
        position = end.end() if end else len(reply)
        blocks.append(
            _Block(opening[2], _dedented(code), end is not None, opening.start(), position)
        )
    return blocks


def _dedented(code: str) -> str:
    """Code without the indentation of a fence in a list; tabs and ragged code stay as they are."""
    lines = [line for line in code.split("\n") if line.strip()]
    indent = min((len(line) - len(line.lstrip(" ")) for line in lines), default=0)
    return "\n".join(line[indent:] for line in code.split("\n")).strip("\n") + "\n"


def _from_blocks(blocks: Sequence[_Block]) -> str:
    """The last program in the blocks, with the definitions that it needs from other blocks."""
    python = [block for block in blocks if block.is_python][-MOST_BLOCKS:]
    programs = [block for block in python if _ENTRY.search(block.code)]
    if not programs:
        return ""
    # A complete program wins over a later one that was cut off.
    complete = [block for block in programs if block.tree.body]
    main = (complete or programs)[-1]
    missing = _missing_names(main.tree)
    parts = []
    for block in python:
        if block not in programs and (defined := _names_defined(block.tree) & missing):
            parts.append(block.code)
            missing -= defined
    return _joined(parts, main)


def _joined(parts: Sequence[str], main: _Block) -> str:
    """The parts before the program, but after its docstring."""
    if not parts:
        return main.code
    first = main.tree.body[0] if main.tree.body else None
    thought = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    lines = main.code.split("\n")
    head = (first.end_lineno or 0) if first is not None and thought else 0
    return "\n".join(["\n".join(lines[:head]), *parts, "\n".join(lines[head:])]).strip("\n") + "\n"


def _without_fence(reply: str) -> str:
    """The program among lines of prose; if none parses, everything from its likely beginning.

    The parser reports the wrong line, so few stretches are tried: a wrong line before the function
    is prose before the program, a wrong line behind it is prose after the program.
    """
    entry = _ENTRY.search(reply)
    if entry is None or _OPENING.search(reply):
        return ""
    main = reply.count("\n", 0, entry.start())
    lines = reply.split("\n")
    beginnings = [i for i in range(main + 1) if _BEGINNING.match(lines[i])] or [main]
    starts, end = beginnings, 0
    for _ in range(TRIES):
        if not starts:
            break
        start = starts[0]
        end = end or _reach(lines, start)
        text = "\n".join(lines[start:end])
        wrong = _wrong_line(text) if end > main else 0
        if wrong is None:
            return text.rstrip() + "\n"
        if start + wrong <= main:
            starts, end = [s for s in starts if s >= max(start + 1, start + wrong)], 0
            continue
        # Only where a statement could begin: half a function is not a program.
        end = next((i for i in range(start + wrong, main, -1) if _OUTER.match(lines[i])), 0)
        if not end:
            break
    return "\n".join(lines[beginnings[0] :]).rstrip() + "\n"


def _reach(lines: Sequence[str], start: int) -> int:
    """The end of the longest program that can begin at line `start`."""
    room = MAX_BYTES
    for number in range(start, len(lines)):
        room -= len(lines[number]) + 1
        if room < 0:
            return number
    return len(lines)


def _wrong_line(text: str) -> int | None:
    """The line, from 0, at which a text stops being Python; None if it is Python."""
    try:
        parse_text(text)
    except SyntaxError as error:
        return min(max((error.lineno or 1) - 1, 0), text.count("\n"))
    except PARSER_ERRORS:
        return text.count("\n", 0, max(text.find("\0"), 0))
    return None


def _missing_names(tree: ast.Module) -> set[str]:
    """The names that the code uses without defining them, and the two tables."""
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    stored = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    parameters = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    used = {"WEIGHTS", "SCALES", *(node.id for node in names)}
    return used - stored - parameters - _names_defined(tree)


def _names_defined(tree: ast.Module) -> set[str]:
    """The functions and variables at the top level."""
    defined: set[str] = set()
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name):
                defined.add(name)
            case ast.Assign(targets=targets):
                defined |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                defined.add(name)
    return defined


def structure_findings(text: str, structure: str) -> tuple[Finding, ...]:
    """Why a program does not have the structure that was asked for.

    With two kinds, dense components lead the way and sparse ones reward what counts. With signs, as
    in Auto MC-Reward (Li et al., CVPR 2024), there is one component of each kind, and only its sign
    is paid: the author chooses situations and directions, but no sizes.

    Args:
        text: the program; the critic reports one that is not Python.
        structure: one of `FREE`, `TWO_KINDS` and `SIGNS`.
    """
    if structure == FREE or (tree := bounded_tree(text)) is None:
        return ()
    weights = _weights(tree)
    if weights is None:
        return ()
    if structure == SIGNS:
        return _sign_findings(tree, weights)
    unkind = [name for name in weights if not name.startswith(("sparse_", "dense_"))]
    if unkind:
        message = f"Components have no kind: {', '.join(unkind)}."
        return (_finding("parts", message, "Begin the name of each with sparse_ or dense_."),)
    missing = [kind for kind in SIGN_WEIGHTS if not any(name.startswith(kind) for name in weights)]
    if missing:
        message = f"There is no {' and no '.join(missing)} component."
        return (_finding("parts", message, "Write components of both kinds."),)
    return ()


def _sign_findings(tree: ast.Module, weights: dict[str, float]) -> tuple[Finding, ...]:
    if weights != SIGN_WEIGHTS:
        message = "These are not the weights that were asked for."
        return (_finding("parts", message, f"WEIGHTS = {SIGN_WEIGHTS}"),)
    returned = _returned(tree)
    unlimited = [name for name in weights if not _is_sign(returned.get(name))]
    if unlimited:
        message = f"compute_reward returns more than the sign of {' and '.join(unlimited)}."
        hint = 'Return {"sparse": torch.sign(sparse), "dense": torch.sign(dense)}.'
        return (_finding("parts", message, hint),)
    return ()


def _is_sign(value: ast.expr | None) -> bool:
    match value:
        case ast.Call(func=ast.Attribute(attr=("sign" | "sgn"))):
            return True
    return False


def _returned(tree: ast.Module) -> dict[str, ast.expr]:
    """What compute_reward returns, with names replaced by what was last assigned to them."""
    found: dict[str, ast.expr] = {}
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef) or function.name != ENTRY:
            continue
        assigned: dict[str, ast.expr] = {}
        for node in function.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    assigned[name] = value
                case ast.Return(value=ast.Dict(keys=keys, values=values)):
                    for key, value in zip(keys, values, strict=True):
                        if isinstance(key, ast.Constant):
                            name = value.id if isinstance(value, ast.Name) else ""
                            found[str(key.value)] = assigned.get(name, value)
                case _:  # what happens to a name here is not followed
                    for inner in ast.walk(node):
                        if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                            assigned.pop(inner.id, None)
    return found


def _weights(tree: ast.Module) -> dict[str, float] | None:
    """The table WEIGHTS; None if there is none that can be read, which the critic reports."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="WEIGHTS")], value=ast.Dict() as table):
                try:
                    return {str(k): float(v) for k, v in ast.literal_eval(table).items()}
                except (ValueError, TypeError, OverflowError, RecursionError):
                    return None
    return None
