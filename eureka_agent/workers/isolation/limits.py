"""What a child gives up before it imports, reads or runs anything else.

Every step is a function of the limits and must hold or raise: a child that could not confine
itself ends. Steps that a platform does not have are skipped there.
"""

import os
import resource
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from eureka_agent.workers.isolation.syscalls import prctl

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_LOCKED_MIB = 64


@dataclass(frozen=True)
class Limits:
    """What a child may use.

    Attributes:
        parent: pid of the process without which the child must not live.
        address_space_gib: virtual memory; None for no limit (CUDA maps far more than it uses).
        file_mib: size of the largest file it may write.
        open_files: file descriptors.
    """

    parent: int
    address_space_gib: float | None = None
    file_mib: int = 64
    open_files: int = 256


def confine(limits: Limits) -> None:
    """Take every step, in order.

    Raises:
        OSError: a step did not hold.
    """
    for step in _STEPS:
        step(limits)


def _die_with_parent(limits: Limits) -> None:
    """End when the parent does, however it ends; where there is no such call, at the pipes' end."""
    if sys.platform == "linux":
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != limits.parent:  # it was gone before the call above
        raise ProcessLookupError("The parent is gone.")


def _limit_resources(limits: Limits) -> None:
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_FSIZE, limits.file_mib << 20)
    _set_limit(resource.RLIMIT_NOFILE, limits.open_files)
    _set_limit(resource.RLIMIT_MEMLOCK, _LOCKED_MIB << 20)
    if limits.address_space_gib is not None and sys.platform == "linux":
        _set_limit(resource.RLIMIT_AS, int(limits.address_space_gib * (1 << 30)))


def _forbid_new_privileges(limits: Limits) -> None:
    del limits
    if sys.platform == "linux":
        prctl(_PR_SET_NO_NEW_PRIVS, 1)


_STEPS: tuple[Callable[[Limits], None], ...] = (
    _die_with_parent,
    _limit_resources,
    _forbid_new_privileges,
)


def _set_limit(which: int, value: int) -> None:
    """Set soft and hard limit, so that it cannot be raised again."""
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))
