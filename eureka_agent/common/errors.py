"""Errors that a person can act on: what was wrong, where, and what to do."""

_MOST_CHARACTERS = 10_000


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
    """Raised when a command or a function cannot do what was asked."""

    exit_code = 2


class EnvironmentFailed(EurekaError):
    """Raised when the code of an environment fails, independent of any reward program."""


class MissingError(EurekaError):
    """Raised when the machine lacks something; the remedy names the command that installs it."""

    exit_code = 3


def describe(error: BaseException) -> str:
    """The type and the text of an error, such as "KeyError: 'x'".

    Use it for errors of untrusted code: they hold values of that code, and making a text of these
    may fail, as for a tuple that nests too deeply or an integer of too many digits.
    """
    name = type(error).__name__
    try:
        text = str(error)[:_MOST_CHARACTERS]
    except Exception as failure:
        return f"{name}: (a text that cannot be made: {type(failure).__name__})"
    return f"{name}: {text.strip() or 'no reason given'}"


class StorageError(EurekaError):
    """Raised when a disk or a folder refuses a read or a write."""
