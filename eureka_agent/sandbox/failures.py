"""The ways in which a child fails its parent."""

import re

from eureka_agent.errors import EurekaError
from eureka_agent.paths import telling_frame
from eureka_agent.sandbox.protocol import ProtocolError


class JobFailed(EurekaError):
    """Raised when a child answered a request with an error; the child goes on.

    Attributes:
        type: name of the exception class in the child.
    """

    def __init__(self, type_name: str, message: str) -> None:
        super().__init__(message)
        self.type = type_name


class ChildFailed(EurekaError):
    """Base of what ends a child; when it is raised the child and its process group are dead.

    Attributes:
        lane: the lane whose program ran at that moment, by the shared byte; None if none did.
        stderr: the end of what the child wrote to stderr: printable ASCII and line breaks.
    """

    def __init__(self, message: str, lane: int | None = None, stderr: str = "") -> None:
        super().__init__(message)
        self.lane = lane
        self.stderr = stderr


def crash_place(stderr: str) -> tuple[str, str]:
    """What a child wrote before it crashed, and the line of Python of that as a sentence.

    Args:
        stderr: of a child that called `watch_steps`; of any other the sentence is empty.
    """
    words, crashed, dump = stderr.partition("Fatal Python error: ")
    found = re.finditer(r'^  File "(.+)", line (\d+) in (\S+)$', dump, re.MULTILINE)
    frame = telling_frame((place[1], int(place[2]), place[3]) for place in found)
    if not crashed or frame is None:
        return stderr, ""
    return words.strip(), f"That was in {frame[0]}, line {frame[1]}, in {frame[2]}."


class ChildDied(ChildFailed):
    """Raised when a child ended, with whatever exit status, without an answer.

    Attributes:
        status: exit status, or minus the number of the signal; None if it only hung up.
    """

    status: int | None = None


class Hung(ChildFailed):
    """Raised when a child gave no sign of life for too long, or no answer in time."""


class MemoryExceeded(ChildFailed):
    """Raised when a child took more memory than it may."""


class Garbled(ChildFailed, ProtocolError):
    """Raised when a child sent something else than the protocol allows."""
