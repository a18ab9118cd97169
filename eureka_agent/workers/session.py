"""A conversation with one worker process, and workers that start ahead of their use."""

import os
from collections.abc import Callable
from typing import Self, TypeVar

from eureka_agent.config import SearchConfig
from eureka_agent.workers.process import (
    WorkerProcess,
)


class PrestartedWorker:
    """Keeps at most one child that nobody uses yet; a context manager.

    It is one process more while it waits, so ask for it when a child will surely be needed and
    the processors have nothing better to do.

    Args:
        start: starts such a child; it returns at once, while the child goes on with its imports.
    """

    def __init__(self, start: Callable[[], WorkerProcess]) -> None:
        self._start = start
        self._child: WorkerProcess | None = None

    def prepare(self) -> None:
        """Start a child, unless one is waiting already."""
        if self._child is not None and not self._child.alive:
            self.close()
        if self._child is None:
            self._child = self._start()

    def take(self) -> WorkerProcess:
        """The child that waits, or a new one; it belongs to the caller from now on."""
        self.prepare()
        child, self._child = self._child, None
        assert child is not None
        return child

    def close(self) -> None:
        """End the child that waits, if there is one."""
        if self._child is not None:
            self._child.close()
            self._child = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


SHORT_S = 120.0
"""Deadline for requests that train nothing."""


LONG_S = 24 * 3600.0
"""Deadline for requests that do; they are watched by their heartbeat."""


GPU_OPEN_S, GPU_SILENCE_S, GPU_MEMORY_GIB = 1800.0, 900.0, 16.0
"""Of a worker on a GPU: the first one on a machine compiles kernels, without a word and for
minutes; and the driver maps far more address space than it uses. Making many environments of
Gymnasium one by one may take as long to open."""


T = TypeVar("T")


def thread_count(config: SearchConfig) -> int:
    """Physics threads: as configured, or one per core that this process may use.

    The networks run on one thread, which children have by default: they are so small that a second
    costs more than it brings, and their results then do not depend on the number of cores.
    """
    if config.threads:
        return config.threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
