"""The worker's side of every conversation: read a request, answer it, until the client hangs up."""

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
    """Sends a job's reports while it works.

    Attributes:
        mark_lane: `mark_lane(lane)` before a lane's program runs, `mark_lane(-1)` after it.
    """

    def __init__(self, sink: BinaryIO, mark_lane: Callable[[int], None]) -> None:
        self._sink = sink
        self._last = -math.inf
        self.mark_lane = mark_lane

    def heartbeat(self, **progress: Any) -> None:
        """Show that work continues; drops calls within a quarter of a second of the last.

        Call it where progress is made, never from a timer: a beating heart must mean that.

        Args:
            progress: JSON values for the client.
        """
        now = time.monotonic()
        if now - self._last >= HEARTBEAT_PERIOD_S:
            self._last = now
            write_message(self._sink, Message("heartbeat", progress))


Job = Callable[[Message, Reporter], Message]


def serve(*jobs: Job) -> NoReturn:
    """Answer requests, by the names of the jobs, until the client hangs up; for a `__main__`.

    A job that raises is answered with kind "error" and fields `type` and `message`, and the worker
    keeps running. The message is the text of an `EurekaError`, and the traceback's end of anything
    else.

    Raises:
        ProtocolError: the client sent something that is not a message.
    """
    source, sink, active_lane = sys.argv[1:4]
    by_name = {job.__name__: job for job in jobs}
    with os.fdopen(int(source), "rb") as requests, os.fdopen(int(sink), "wb") as replies:
        reporter = Reporter(replies, ActiveLaneWriter(Path(active_lane)))
        write_message(replies, Message("ready"))
        while (request := read_message(requests)) is not None:
            write_parts(replies, answer(by_name, request, reporter))
    os._exit(0)  # nothing is left to do, and taking torch apart would take long


def watch_steps(environment: "Environment", reporter: Reporter) -> None:
    """Send heartbeats from an environment whose worlds are stepped one by one.

    A crash in compiled code leaves the line of Python at which it came on stderr.
    """
    if environment.reads_files:
        faulthandler.enable(all_threads=False)
        environment.alive = reporter.heartbeat


def answer(
    jobs: Mapping[str, Job], request: Message, reporter: Reporter
) -> list[bytes | memoryview]:
    """Return the encoded reply to one request, an error if the job raised one."""
    try:  # encoding is within it, as a reply can be too large
        if request.kind not in jobs:
            raise EurekaError(f"There is no job '{request.kind}' here.")
        return encode(replace(jobs[request.kind](request, reporter), token=request.token))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a program that leaves its language may raise what it likes
        # The end of a long traceback is its best part.
        message = log_text(_text(error)[-ERROR_LIMIT:], ERROR_LIMIT, newlines=True)
        fields = {"type": type(error).__name__, "message": message}
        return encode(Message("error", fields, token=request.token))
    finally:
        reporter.mark_lane(-1)


def _text(error: BaseException) -> str:
    if isinstance(error, EurekaError):
        return str(error)
    try:
        return "".join(traceback.format_exception(error)[-3:])
    except Exception:  # its causes or its notes have no text
        return describe(error)
