"""A client's conversation with its worker: start it, open it, ask, check answers, replace it."""

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from eureka_agent.config import SearchConfig
from eureka_agent.simulation import available_cores
from eureka_agent.workers.isolation.bootstrap import Wrapper
from eureka_agent.workers.process import Closing, OnProgress, WorkerProcess
from eureka_agent.workers.protocol import InvalidReply, JobFailed, Message, WorkerFailed
from eureka_agent.workers.replies import Reply, read_fields
from eureka_agent.workers.sandbox import require_isolation

SHORT_S = 120.0
"""Deadline for requests that train nothing."""
LONG_S = 24 * 3600.0
"""Deadline for requests that do; they are watched by their heartbeat."""
GPU_OPEN_S = 1800.0
"""Deadline for opening a worker on a GPU, where the first one on a machine compiles kernels for
minutes without a heartbeat. To make many environments of Gymnasium one by one may take as long."""

DEATHS = 2
"""Workers that a program may end before it is blamed: the first may be another's doing, or have
died before the program came."""

T = TypeVar("T")
Start = Callable[[Wrapper | None], WorkerProcess]


class Locked(Reply):
    """The reply of a worker that has locked itself: the layers that hold."""

    layers: list[str] | None


class ClientSession(Closing):
    """Base of the clients: one worker process, its lock-down, its requests and its successor.

    Every request raises `WorkerFailed` when the worker ends, and then its process is dead; a wrong
    reply ends it, too. `JobFailed` means that it refused and keeps running.

    Args:
        start: starts the process, inside of a wrapper if there is one.
        opening: fields of the request that opens it.
        answer: model of the reply to that.
        sandbox: policy of the process's lock-down; None for a process that is not locked.
        open_s: deadline of the request that opens it.

    Attributes:
        opened: the reply of the process that was opened last; None before that.
    """

    def __init__(
        self,
        start: Start,
        opening: Mapping[str, Any],
        answer: type[Reply],
        *,
        sandbox: str | None = None,
        open_s: float = SHORT_S,
    ) -> None:
        self._start, self._opening, self._answer = start, opening, answer
        self._sandbox, self._open_s = sandbox, open_s
        self._process: WorkerProcess | None = None
        self.opened: Reply | None = None

    def ensure_open(self) -> None:
        """Start a process and open it, unless there is one that lives."""
        if self._process is not None and self._process.alive:
            return
        self.close()
        isolation = require_isolation(self._sandbox) if self._sandbox is not None else None
        layers = {"layers": list(isolation.layers)} if isolation is not None else {}
        self._process = self._start(isolation.wrapper if isolation is not None else None)
        try:
            request = Message("open", {**self._opening, **layers})
            reply = self._process.request(request, deadline_s=self._open_s)
            self.opened = read_fields(self._answer, reply.fields)
        except BaseException:
            self.close()
            raise

    def ask(
        self,
        message: Message,
        read: Callable[[Message], T],
        *,
        deadline_s: float = SHORT_S,
        processor_s: float = math.inf,
        on_progress: OnProgress | None = None,
        refusable: bool = True,
    ) -> T:
        """Ask the open process; returns its reply as `read` gives it.

        Args:
            message: the request.
            read: checks the reply; raises `InvalidReply`.
            deadline_s: as for `WorkerProcess.request`.
            processor_s: as for `WorkerProcess.request`.
            on_progress: as for `WorkerProcess.request`.
            refusable: whether a sound worker may refuse the request.
        """
        process = self._process
        assert process is not None
        try:
            reply = process.request(
                message, deadline_s=deadline_s, processor_s=processor_s, on_progress=on_progress
            )
            return read(reply)
        except InvalidReply:
            process.kill()
            raise
        except JobFailed as error:
            if refusable:
                raise
            process.kill()
            said = f"The {process.name} process refused to {message.kind}: {error.message}"
            raise WorkerFailed(said) from error

    def close(self) -> None:
        """End the process, if there is one, and remove what it left."""
        if self._process is not None:
            self._process.close()
            self._process = None


class PrestartedWorker(Closing):
    """Keeps at most one process that starts, and imports, ahead of its use; a context manager.

    It is one process more while it waits: use it when a worker will surely be needed and the
    processors are idle.

    Args:
        start: starts such a process, and returns at once.
    """

    def __init__(self, start: Callable[[], WorkerProcess]) -> None:
        self._start = start
        self._waiting: WorkerProcess | None = None

    def prepare(self) -> None:
        """Start a process, unless one is waiting already."""
        if self._waiting is None or not self._waiting.alive:
            self.close()
            self._waiting = self._start()

    def take(self) -> WorkerProcess:
        """The process that waits, or a new one; it belongs to the caller from now on."""
        self.prepare()
        process, self._waiting = self._waiting, None
        assert process is not None
        return process

    def close(self) -> None:
        """End the process that waits, if there is one."""
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None


def thread_count(config: SearchConfig) -> int:
    """Physics threads: as configured, or one per core that this process may use.

    The networks run on one thread, the default of workers: they are so small that a second one
    costs more than it brings, and their results then do not depend on the number of cores.
    """
    return config.threads or available_cores()
