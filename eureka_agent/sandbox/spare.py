"""A child that is started ahead of its use: imports take seconds, and somebody may be waiting."""

from collections.abc import Callable
from typing import Self

from eureka_agent.sandbox.process import Child


class Spare:
    """Keeps at most one child that nobody uses yet; a context manager.

    It is one process more while it waits, so ask for it when a child will surely be needed and
    the processors have nothing better to do.

    Args:
        start: starts such a child; it returns at once, while the child goes on with its imports.
    """

    def __init__(self, start: Callable[[], Child]) -> None:
        self._start = start
        self._child: Child | None = None

    def prepare(self) -> None:
        """Start a child, unless one is waiting already."""
        if self._child is not None and not self._child.alive:
            self.close()
        if self._child is None:
            self._child = self._start()

    def take(self) -> Child:
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
