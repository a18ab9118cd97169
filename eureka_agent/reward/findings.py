"""Findings: what is wrong with a reward program, where, and what to write instead."""

import ast
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from eureka_agent.errors import EurekaError

Severity = Literal["error", "warning"]
MAX_FINDINGS = 20
MAX_LENGTH = 300


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
    """Raised when a text is no acceptable reward program.

    Attributes:
        findings: everything that was found, warnings among it.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        errors = [finding for finding in findings if finding.severity == "error"]
        first, others = errors[0], len(errors) - 1
        more = f" (and {others} more)" if others else ""
        super().__init__(f"Line {first.line}: {first.message}{more}", first.hint)
        self.findings = tuple(findings)


class EnoughFound(Exception):
    """Raised by a report that has room for no more errors, to end the check."""


class Report:
    """Collects findings while a program is checked.

    Args:
        most: errors with which it is full; without a number it never is.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._findings: dict[Finding, None] = {}

    def error(self, rule: str, where: ast.AST | int, message: str, hint: str = "") -> None:
        """Note what rejects the program; `where` is a node or a line.

        Raises:
            EnoughFound: the report is full. Hints take time, and a hostile text earns thousands.
        """
        self._note(rule, "error", where, message, hint)
        if self._most is not None:
            errors = sum(finding.severity == "error" for finding in self._findings)
            if errors >= self._most:
                raise EnoughFound

    def warning(self, rule: str, where: ast.AST | int, message: str, hint: str = "") -> None:
        """Note what is suspicious, yet accepted."""
        self._note(rule, "warning", where, message, hint)

    def sorted(self) -> list[Finding]:
        """The first findings in the order of the text; errors stay if there are too many."""
        by_severity = sorted(self._findings, key=lambda f: (f.severity, f.line, f.column))
        return sorted(by_severity[:MAX_FINDINGS], key=lambda f: (f.line, f.column))

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(finding.severity == "error" for finding in self._findings)

    def __len__(self) -> int:
        return len(self._findings)

    def _note(
        self, rule: str, severity: Severity, where: ast.AST | int, message: str, hint: str
    ) -> None:
        line, column = where if isinstance(where, int) else getattr(where, "lineno", 1), 1
        if isinstance(where, ast.AST):
            column = getattr(where, "col_offset", 0) + 1
        finding = Finding(rule, severity, line, column, _printable(message), _printable(hint))
        self._findings[finding] = None


def _printable(text: str) -> str:
    """Names come from the program: nothing in them may reach a terminal or a prompt as it is."""
    plain = "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in text)
    return plain if len(plain) <= MAX_LENGTH else f"{plain[: MAX_LENGTH - 3]}..."
