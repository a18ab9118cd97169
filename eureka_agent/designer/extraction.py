"""The program in a language model's reply, wherever the model put it."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from eureka_agent.common.choices import FREE, SIGNS
from eureka_agent.common.text import prompt_line
from eureka_agent.reward import Finding
from eureka_agent.reward.language import MAX_BYTES
from eureka_agent.reward.parser import PARSER_ERRORS, bounded_tree, parse_text

ENTRY = "compute_reward"
REPLY_LIMIT = 400_000
"""Characters of a reply that are looked at."""
TEXT_LIMIT = 2 * MAX_BYTES
"""Characters of a program that are kept: any as long is refused, and its author sees why."""
MOST_BLOCKS = 64
"""Blocks of a reply that are looked at, the last ones."""
TRIES = 40
"""Stretches of a reply without a fence that are parsed at most, each as long as a program may be:
the work must not grow with the number of lines at which one could begin or end."""
LESSON_LIMIT, BEGINNING_LIMIT = 240, 60

_OPENING = re.compile(r"^[ \t]*+(`{3,}+|~{3,}+)[ \t]*+([\w+.-]*+)[^`\n]*+$", re.MULTILINE)
_LESSON = re.compile(r"^[^\w\n]*+lesson[^\w\n:]*+:[^\w\n]*+(.+)$", re.IGNORECASE | re.MULTILINE)
_ENTRY = re.compile(rf"^[ \t]*(?:async )?def {ENTRY}\b", re.MULTILINE)
# Lines with which a program can begin when no fence says where it does.
_BEGINNING = re.compile(
    r'[rRuU]?"""|[rRuU]?\'\'\'|WEIGHTS\b|SCALES\b|def |@|import |from \w+ import '
)
_OUTER = re.compile(r"[^\s)\]}]")
"""A line that does not belong to the one before."""
_PYTHON = ("", "python", "py", "python3")


@dataclass(frozen=True)
class ExtractedProgram:
    """What a reply holds.

    Attributes:
        text: the program; empty if there is none.
        lesson: what the author says that earlier results teach; may be empty.
        findings: what is wrong with the reply itself.
    """

    text: str
    lesson: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class _Block:
    language: str
    code: str
    closed: bool
    span: tuple[int, int]


def extract_program(reply: str, finish_reason: str = "") -> ExtractedProgram:
    """Find the program in a reply.

    Helpers in fences of their own are put before the program that calls them; of several programs
    the last one counts; without a fence the longest stretch that is Python does.

    Args:
        reply: what the model said, without its reasoning.
        finish_reason: why it ended, as the server says.
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
        findings.append(_nothing_found(reply, blocks))
    if cut and not _parses(text):
        message = "The reply ended in the middle of the program: it was too long, or cut off."
        findings.append(
            _finding("cut-off", message, "Answer with less text and a shorter program.")
        )
    return ExtractedProgram(text, lesson, tuple(findings))


def _finding(rule: str, message: str, hint: str = "") -> Finding:
    hint = hint or "Give the complete program in one ```python fence."
    return Finding(rule, "error", 1, 1, message, hint)


def _nothing_found(reply: str, blocks: Sequence[_Block]) -> Finding:
    if any(block.language.lower() in _PYTHON for block in blocks):
        return _finding("no-entry", f"The reply's code defines no function {ENTRY}.")
    beginning = prompt_line(reply, BEGINNING_LIMIT)
    return _finding("no-program", f'The reply holds no program; it begins "{beginning}".')


def _prose(reply: str, blocks: Sequence[_Block], text: str) -> str:
    """A reply without its code: what a program says in comments and strings is no lesson."""
    if not blocks:
        return reply.replace(text.rstrip("\n"), "") if text else reply
    starts = [0, *(block.span[1] for block in blocks)]
    ends = [*(block.span[0] for block in blocks), len(reply)]
    return "\n".join(reply[start:end] for start, end in zip(starts, ends, strict=True))


def _lesson(prose: str) -> str:
    """The last line that calls itself a lesson, as one printable line."""
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
        start = opening.end() + 1
        closing = re.compile(rf"^[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$", re.MULTILINE)
        end = closing.search(reply, start)
        code = reply[start : end.start() if end else len(reply)]
        after = end.end() if end else len(reply)
        blocks.append(
            _Block(opening[2], _dedented(code), end is not None, (opening.start(), after))
        )
        position = after
    return blocks


def _dedented(code: str) -> str:
    """Without the indentation of a fence inside a list; tabs and ragged code stay as they are."""
    lines = [line for line in code.split("\n") if line.strip()]
    indent = min((len(line) - len(line.lstrip(" ")) for line in lines), default=0)
    return "\n".join(line[indent:] for line in code.split("\n")).strip("\n") + "\n"


def _from_blocks(blocks: Sequence[_Block]) -> str:
    """The last program in the blocks, with what it needs of the others."""
    python = [block.code for block in blocks if block.language.lower() in _PYTHON][-MOST_BLOCKS:]
    mains = [i for i, code in enumerate(python) if _ENTRY.search(code)]
    if not mains:
        return ""
    # A later program that was cut off counts less than an earlier one that is complete.
    complete = [i for i in mains if _parses(python[i])]
    main = (complete or mains)[-1]
    missing = _names_used(python[main]) - _names_bound(python[main])
    parts = []
    for i, code in enumerate(python):
        if i != main and i not in mains and _names_defined(code) & missing:
            parts.append(code)
            missing -= _names_defined(code)
    return _joined(parts, python[main])


def _joined(parts: Sequence[str], main: str) -> str:
    """Parts before the program, its docstring first of all."""
    if not parts:
        return main
    tree = bounded_tree(main)
    first = tree.body[0] if tree and tree.body else None
    thought = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    lines = main.split("\n")
    head = (first.end_lineno or 0) if first is not None and thought else 0
    return "\n".join(["\n".join(lines[:head]), *parts, "\n".join(lines[head:])]).strip("\n") + "\n"


def _without_fence(reply: str) -> str:
    """The program among lines of prose; where none parses, all from its likely beginning.

    The parser says which line is wrong, so few stretches are tried: a line before the function is
    prose that the program follows, a line behind it is prose that follows the program.
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
        # Only where a statement could begin: half a function is no program.
        end = next((i for i in range(start + wrong, main, -1) if _OUTER.match(lines[i])), 0)
        if not end:
            break
    return "\n".join(lines[beginnings[0] :]).rstrip() + "\n"


def _reach(lines: Sequence[str], start: int) -> int:
    """Behind the last line that a program which begins at `start` can hold."""
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


def _parses(code: str) -> bool:
    return bounded_tree(code) is not None and bool(_ENTRY.search(code))


def _names_used(code: str) -> set[str]:
    tree = bounded_tree(code)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} if tree else set()
    return names | {"WEIGHTS", "SCALES"}


def _names_bound(code: str) -> set[str]:
    """Every name that the code gives a meaning, its functions' own included."""
    tree = bounded_tree(code)
    bound = _names_defined(code)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    return bound


def _names_defined(code: str) -> set[str]:
    tree = bounded_tree(code)
    defined: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, ast.FunctionDef):
            defined.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        defined |= {target.id for target in targets if isinstance(target, ast.Name)}
    return defined


KINDS = ("sparse", "dense")
SIGN_WEIGHTS = {"sparse": 1.0, "dense": 0.1}
"""What the sign of each part is worth per step."""
RULE = "parts"
_SIGN = ("sign", "sgn")


def structure_findings(text: str, parts: str) -> tuple[Finding, ...]:
    """What keeps a program from being made of the parts that were asked for.

    Args:
        text: the program; one that is no Python is left to the critic.
        parts: one of `FREE`, `TWO_KINDS` and `SIGNS`.
    """
    if parts == FREE or (tree := bounded_tree(text)) is None:
        return ()
    weights = _weights(tree)
    if weights is None:
        return ()
    if parts == SIGNS:
        return _sign_findings(tree, weights)
    unkind = [name for name in weights if not re.match(rf"(?:{'|'.join(KINDS)})_", name)]
    if unkind:
        message = f"Components are of no kind: {', '.join(unkind)}."
        return (_structure_finding(message, "Begin the name of each with sparse_ or dense_."),)
    missing = [kind for kind in KINDS if not any(name.startswith(kind) for name in weights)]
    if missing:
        message = f"There is no {' and no '.join(missing)} component."
        return (_structure_finding(message, "Write components of both kinds."),)
    return ()


def _sign_findings(tree: ast.Module, weights: dict[str, float]) -> tuple[Finding, ...]:
    if weights != SIGN_WEIGHTS:
        return (
            _structure_finding(
                "The weights are others than asked for.", f"WEIGHTS = {SIGN_WEIGHTS}"
            ),
        )
    returned = _returned(tree)
    unlimited = [name for name in weights if name not in returned or not _is_sign(returned[name])]
    if unlimited:
        message = (
            f"More than the sign is returned of {' and '.join(unlimited)}, as far as it shows."
        )
        hint = 'Return {"sparse": torch.sign(sparse), "dense": torch.sign(dense)}.'
        return (_structure_finding(message, hint),)
    return ()


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


def _is_sign(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in _SIGN
    return False


def _weights(tree: ast.Module) -> dict[str, float] | None:
    """The table WEIGHTS; None if there is none that can be read, which the critic says."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="WEIGHTS")], value=ast.Dict() as table):
                try:
                    return {str(k): float(v) for k, v in ast.literal_eval(table).items()}
                except (ValueError, TypeError, OverflowError, RecursionError):
                    return None
    return None


def _structure_finding(message: str, hint: str) -> Finding:
    return Finding(RULE, "error", 1, 1, message, hint)
