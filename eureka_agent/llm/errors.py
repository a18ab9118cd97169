"""Errors of a conversation with a model."""

from eureka_agent.common.errors import EurekaError, MissingError


class ModelError(EurekaError):
    """Base of the errors that end a request to a model."""


class ModelRefused(ModelError):
    """Raised when the server will never accept a request: a wrong key or model, no credit.

    Args:
        message: what was refused, by which server, and why in the server's words.
        remedy: what to set differently.
        exit_code: 2 if the command was wrong, 3 if the machine or the account lacks something.
    """

    def __init__(self, message: str, remedy: str, exit_code: int = MissingError.exit_code) -> None:
        super().__init__(message, remedy)
        self.exit_code = exit_code


class ModelDeclined(ModelRefused):
    """Raised when the server will never answer this one question, whatever it says to others."""


class ModelUnavailable(ModelError):
    """Raised when the server gave no usable answer, however often it was asked."""

    exit_code = MissingError.exit_code
