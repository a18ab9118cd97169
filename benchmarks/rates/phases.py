"""Where the time of a thread goes: its processor time by phase."""

import time
from collections.abc import Callable
from typing import Any

PHYSICS = "physics"
ENVIRONMENT = "environment"
RESETS = "resets"
INFERENCE = "inference"
STORING = "storing"
REWARD = "reward"
UPDATE = "update"
OTHER = "other"
PHASES: tuple[str, ...] = (PHYSICS, ENVIRONMENT, RESETS, INFERENCE, STORING, REWARD, UPDATE, OTHER)
"""The phases of a training, in the order in which tables show them."""


class PhaseClock:
    """Shares a thread's processor time among phases by watching methods of objects.

    Watched methods may call each other: time counts as the innermost phase. What is watched by one
    clock must run in one thread at a time.

    Attributes:
        seconds: of every phase since the last reset.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(PHASES, 0.0)
        self._running: list[str] = []
        self._since = 0.0

    def reset(self) -> None:
        """Begin to count; nothing that is watched may be running."""
        self.seconds = dict.fromkeys(PHASES, 0.0)

    def watch(self, owner: object, name: str, phase: str) -> None:
        """Count calls of `owner.name`, a method or a callable object, as a phase from now on."""
        setattr(owner, name, _Watched(getattr(owner, name), lambda call: self._timed(phase, call)))

    def _timed(self, phase: str, call: Callable[[], Any]) -> Any:
        # The networks run in the update as well; there they are part of it.
        if self._running[-1:] == [UPDATE]:
            return call()
        self._count()
        self._running.append(phase)
        try:
            return call()
        finally:
            self._count()
            self._running.pop()

    def _count(self) -> None:
        """Add what has passed to the phase that is running, if one is."""
        now = time.thread_time()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


class _Watched:
    """Stands in for a callable, whose attributes it has."""

    def __init__(self, original: Callable[..., Any], timed: Callable[..., Any]) -> None:
        self._original, self._timed = original, timed

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._timed(lambda: self._original(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)
