"""Findings: what is wrong with a reward program, where, and what to write instead."""

import ast
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from eureka_agent.common.errors import EurekaError

RULES = {
    # the text
    "not-text": "A program is text.",
    "too-long": "A program, and the number of its helpers, is limited.",
    "long-line": "A line is limited.",
    "hidden-character": "No character may be invisible or move others about.",
    "encoding-comment": "The first two lines declare no encoding.",
    "syntax": "A program is Python.",
    "too-deep": "Expressions nest to a limited depth.",
    # the module
    "no-thought": "A program begins with a docstring that says its idea (a warning).",
    "no-weights": "There is a table WEIGHTS.",
    "weights": "Weights have a sensible size, and one of them is not 0.",
    "table": "WEIGHTS and SCALES are dicts of names and numbers, written out.",
    "unused-scale": "What SCALES holds is asked for (a warning).",
    "scale-name": "A key of SCALES is no signal.",
    "import": "Only torch, math, F and typing are imported, for they are there anyway.",
    "module-statement": "Outside functions stand the docstring and the two tables, each once.",
    # functions
    "no-compute-reward": "There is a function compute_reward.",
    "decorator": "A decorator is one of those that are taken out.",
    "parameters": "Parameters are plain names.",
    "default": "Defaults are plain numbers, True, False or None; compute_reward has SCALES.",
    "unknown-parameter": "compute_reward asks for what the task offers, and for keys of SCALES.",
    "no-signal": "compute_reward asks for at least one signal.",
    "return": "A function ends with a return; compute_reward returns a dict.",
    "recursion": "A helper calls only helpers that stand above it.",
    # names
    "reserved-name": "Names that mean something are not given away.",
    "odd-name": "Names are ASCII, without two underscores in a row.",
    "unknown-name": "A name is assigned to, or is a parameter, before it is read.",
    "unassigned-name": "A name is assigned to, or is a parameter, before it is read.",
    "table-in-function": "WEIGHTS and SCALES are not read by functions.",
    "module-as-value": "torch, math and F stand before a dot only.",
    "function-as-value": "Functions are called, never passed on.",
    "call-of-variable": "Variables are never called.",
    # expressions
    "unknown-syntax": "Only the listed parts of Python are in the language.",
    "unknown-function": "Only the listed functions are called.",
    "unknown-method": "Only the listed methods are called.",
    "unknown-attribute": "Only the listed attributes are read.",
    "in-place": "No tensor is changed in place by a method.",
    "randomness": "Nothing is random.",
    "keyword": "Arguments have one of the listed names.",
    "positional": "Options are named, not counted.",
    "option": "Options that are text have one of the listed values.",
    "device": "No device is named.",
    "string": "Text names components and options, and is no value.",
    "constant": "Constants are numbers, True, False and None.",
    "large-integer": "Integers are limited.",
    "large-number": "Numbers are finite.",
    "large-exponent": "Exponents are limited, and are no powers.",
    "list-arithmetic": "Lists and tuples are not calculated with.",
    "component-name": "Keys of dicts are names, written out, each once.",
    "range": "range stands in the head of a loop only.",
    # statements
    "loop": "Loops are short and say how short; all together they stay within a limit.",
    "assignment": "What is assigned to is a variable, or items of one.",
    "no-effect": "No line computes something and drops it.",
    # rows
    "row-index": "x[0] is one transition of many; a column is x[:, 0].",
    "column": "A column is one that the signal has.",
    "mixed-rows": "Reductions name the columns' dimension: each row is paid for itself.",
    "number-function": "Functions for plain numbers get no tensors.",
    "tensor-truth": "if, and, or, not and chained comparisons decide by numbers, not by tensors.",
    "component-shape": "A component has a value for each row.",
    "component-without-weight": "Every component that is returned is in WEIGHTS.",
    "weight-without-component": "Every component of WEIGHTS is returned.",
}
"""What each rule asks for; each finding has the id of its rule."""

Severity = Literal["error", "warning"]
MAX_FINDINGS = 20
MAX_FINDING_LENGTH = 300


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a program.

    Attributes:
        rule: short id of the rule, in kebab-case.
        severity: an "error" rejects the program, a "warning" does not.
        line: line of the program's text, from 1.
        column: column of that line, from 1.
        message: what is wrong, in one sentence.
        hint: what to write instead; may be empty.
    """

    rule: str
    severity: Severity
    line: int
    column: int
    message: str
    hint: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain data."""
        return asdict(self)


class RewardRejected(EurekaError):
    """Raised when a text is not an acceptable reward program.

    Attributes:
        findings: all errors and warnings.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        first, *others = [finding for finding in findings if finding.severity == "error"]
        more = f" (and {len(others)} more)" if others else ""
        super().__init__(f"Line {first.line}: {first.message}{more}", first.hint)
        self.findings = tuple(findings)


class EnoughFound(Exception):
    """Raised to end a check that has found as many errors as it reports."""


class Findings:
    """Collects the findings of a check.

    Args:
        most: number of errors that ends the check; None for no limit.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._findings: dict[Finding, None] = {}  # a set that keeps the order

    def error(self, rule: str, where: ast.AST | int, message: str, hint: str = "") -> None:
        """Add an error; `where` is a syntax node or a line.

        Raises:
            EnoughFound: there are `most` errors. A hint takes time, and a hostile text can contain
                thousands of errors.
        """
        self._add("error", rule, where, message, hint)
        if self._most is not None and self._errors >= self._most:
            raise EnoughFound

    def warning(self, rule: str, where: ast.AST | int, message: str, hint: str = "") -> None:
        """Add a warning; `where` is a syntax node or a line."""
        self._add("warning", rule, where, message, hint)

    def sorted(self) -> list[Finding]:
        """The first findings in the order of the text; if there are too many, errors stay."""
        by_severity = sorted(self._findings, key=lambda f: (f.severity, f.line, f.column))
        return sorted(by_severity[:MAX_FINDINGS], key=lambda f: (f.line, f.column))

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return self._errors > 0

    @property
    def _errors(self) -> int:
        return sum(finding.severity == "error" for finding in self._findings)

    def __len__(self) -> int:
        return len(self._findings)

    def _add(
        self, severity: Severity, rule: str, where: ast.AST | int, message: str, hint: str
    ) -> None:
        line, column = where if isinstance(where, int) else getattr(where, "lineno", 1), 1
        if isinstance(where, ast.AST):
            column = getattr(where, "col_offset", 0) + 1
        finding = Finding(rule, severity, line, column, _printable(message), _printable(hint))
        self._findings[finding] = None


def _printable(text: str) -> str:
    """Escape what a terminal or a prompt must not get: names come from the program."""
    plain = "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in text)
    return plain if len(plain) <= MAX_FINDING_LENGTH else f"{plain[: MAX_FINDING_LENGTH - 3]}..."
