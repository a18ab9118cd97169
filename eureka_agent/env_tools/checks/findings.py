"""What a check of an environment finds."""

from dataclasses import asdict, dataclass
from typing import Literal

Outcome = Literal["ok", "note", "failed"]


@dataclass(frozen=True)
class CheckFinding:
    """One sentence about an environment.

    Attributes:
        check: the property that was checked.
        outcome: `failed` if it does not hold, `note` if a person should look at it.
        message: what was seen.
        hint: what to write, or where to look; may be empty.
    """

    check: str
    outcome: Outcome
    message: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Said:
    """A finding before it is known to which check it belongs."""

    outcome: Outcome
    message: str
    hint: str = ""


def ok(message: str) -> Said:
    """The property holds."""
    return Said("ok", message)


def note(message: str, hint: str = "") -> Said:
    """The property may hold; a person should look."""
    return Said("note", message, hint)


def failed(message: str, hint: str) -> Said:
    """The property does not hold; the hint says what to write."""
    return Said("failed", message, hint)
