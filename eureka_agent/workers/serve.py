"""The child's side of the conversation: read a request, answer it, until the parent hangs up."""

import faulthandler
import math
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from eureka_agent.common.errors import EurekaError, describe
from eureka_agent.common.text import log_text
from eureka_agent.workers.protocol import (
    ActiveLaneWriter,
    Message,
    encode,
    read_message,
    write_message,
    write_parts,
)

if TYPE_CHECKING:
    from eureka_agent.environment import Environment

HEARTBEAT_PERIOD_S = 0.25
ERROR_LIMIT = 1000
"""Characters of an error's message."""


class Reporter:
    """What a handler tells the parent while it works.

    Attributes:
        blame: `blame(lane)` before a lane's program runs, `blame(-1)` after it.
    """

    def __init__(self, sink: BinaryIO, blame: Callable[[int], None]) -> None:
        self._sink = sink
        self._last = -math.inf
        self.blame = blame

    def heartbeat(self, **progress: Any) -> None:
        """Show that work goes on; what comes within a quarter of a second of the last is dropped.

        Call it where progress is made, never from a timer: a beating heart must mean that.

        Args:
            progress: JSON values for whoever watches.
        """
        now = time.monotonic()
        if now - self._last >= HEARTBEAT_PERIOD_S:
            self._last = now
            write_message(self._sink, Message("heartbeat", progress))


Handler = Callable[[Message, Reporter], Message]


def serve(handlers: Mapping[str, Handler]) -> NoReturn:
    """Answer requests by kind until the parent hangs up; for the `__main__` of a child's module.

    A handler that raises is answered with kind "error" and fields `type` and `message`, and the
    child goes on: an `EurekaError` speaks for itself, of anything else the traceback's end is sent.

    Raises:
        ProtocolError: the parent sent something that is not a message.
    """
    source, sink, blame_path = sys.argv[1:4]
    with os.fdopen(int(source), "rb") as requests, os.fdopen(int(sink), "wb") as replies:
        reporter = Reporter(replies, ActiveLaneWriter(Path(blame_path)))
        write_message(replies, Message("ready"))
        while (request := read_message(requests)) is not None:
            write_parts(replies, answer(handlers, request, reporter))
    os._exit(0)  # nothing is left to do, and taking torch apart would take long


def watch_steps(environment: "Environment", reporter: Reporter) -> None:
    """Show that an environment lives whose worlds are stepped one by one, and where it crashes.

    A crash in compiled code leaves the line of Python at which it came on stderr.
    """
    if environment.reads_files:
        faulthandler.enable(all_threads=False)
        environment.alive = reporter.heartbeat


def answer(
    handlers: Mapping[str, Handler], request: Message, reporter: Reporter
) -> list[bytes | memoryview]:
    """Return the encoded reply to one request, an error if the handler raised one."""
    try:  # encoding is within it, as a reply can be too large
        if request.kind not in handlers:
            raise EurekaError(f"There is no job '{request.kind}' here.")
        reply = handlers[request.kind](request, reporter)
        return encode(replace(reply, token=request.token))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a program that leaves its language may raise what it likes
        return encode(_error(error, request.token))
    finally:
        reporter.blame(-1)


def _error(error: BaseException, token: int) -> Message:
    # The end of a long traceback is its best part.
    message = log_text(_text(error)[-ERROR_LIMIT:], ERROR_LIMIT, newlines=True)
    return Message("error", {"type": type(error).__name__, "message": message}, {}, token)


def _text(error: BaseException) -> str:
    if isinstance(error, EurekaError):
        return str(error)
    try:
        return "".join(traceback.format_exception(error)[-3:])
    except Exception:  # its causes or its notes are no texts
        return describe(error)
