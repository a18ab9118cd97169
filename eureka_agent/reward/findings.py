"""Findings: what is wrong with a reward program, where, and what to write instead."""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from eureka_agent.common.errors import EurekaError
from eureka_agent.common.text import prompt_line

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


def has_errors(findings: Iterable[Finding]) -> bool:
    """Whether any finding is an error, which rejects the program."""
    return any(finding.severity == "error" for finding in findings)


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
        # Names come from the program: nothing in them may reach a terminal or a prompt as it is.
        message, hint = (prompt_line(text, MAX_FINDING_LENGTH) for text in (message, hint))
        self._findings[Finding(rule, severity, line, column, message, hint)] = None
