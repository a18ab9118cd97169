"""Errors that a person can act on: what was wrong, where, and what to do."""


class EurekaError(Exception):
    """Base of every error that the program raises on purpose.

    Args:
        message: what was wrong and where, in one sentence.
        remedy: what to do about it, in one sentence; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


class UsageError(EurekaError):
    """Raised when a command or a function was asked for something that cannot be done as asked."""

    exit_code = 2


class EnvironmentFailed(EurekaError):
    """Raised when the code of an environment fails; no reward program has any part in it."""


class MissingError(EurekaError):
    """Raised when the machine lacks something; the remedy names the command that installs it."""

    exit_code = 3
