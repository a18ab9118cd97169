"""Seccomp: a filter through which every system call of a process passes, for good.

It lists refused calls and lets the rest through: a list of allowed calls would break with every new
C library and driver. Calls that are newer than the list do not exist for the process.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Sequence
from typing import NamedTuple

from eureka_agent.workers.isolation.syscalls import GROUPS, LAST, NUMBERS, prctl, system_call

_PR_GET_SECCOMP = 21
_SET_FILTER = 1
# Side channels are out of scope, and older kernels make a filtered process slow against them.
_ALL_THREADS, _SPECULATE = 1 << 0, 1 << 2
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# Instructions of the kernel's packet filter machine, and where it finds a call.
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_GREATER = 0x15, 0x25
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_ALL_BITS = 0xFFFFFFFF

_CLONE_THREAD = 0x10000
_PROT_EXEC, _MAP_ANONYMOUS = 0x4, 0x20
_PRCTL = {
    **{"PR_SET_PDEATHSIG": 1, "PR_SET_DUMPABLE": 4, "PR_SET_KEEPCAPS": 8, "PR_SET_SECCOMP": 22},
    **{"PR_CAPBSET_DROP": 24, "PR_SET_SECUREBITS": 28, "PR_MCE_KILL": 33, "PR_SET_MM": 35},
    **{"PR_SET_CHILD_SUBREAPER": 36, "PR_CAP_AMBIENT": 47, "PR_SET_IO_FLUSHER": 57},
    **{"PR_SCHED_CORE": 62, "PR_SET_PTRACER": 0x59616D61},
}
"""With them a process would outlive its parent, or reach out for other processes and rights."""
_F_SETFL, _O_ASYNC = 4, 0x2000
_FCNTL = {"F_SETOWN": 8, "F_SETSIG": 10, "F_SETOWN_EX": 15, "F_SETLEASE": 1024, "F_NOTIFY": 1026}
"""With them a process has signals sent to other processes, or keeps them from a file."""
_IOCTL = {
    **{"FIOSETOWN": 0x8901, "SIOCSPGRP": 0x8902, "FIOASYNC": 0x5452, "TIOCSPGRP": 0x5410},
    **{"TIOCSCTTY": 0x540E, "TIOCSTI": 0x5412, "TIOCLINUX": 0x541C, "TIOCCONS": 0x541D},
    "TIOCSETD": 0x5423,
}
"""The same by another way, and the ways to type at a terminal."""
_ERRORS = (
    *(("files", errno.EACCES), ("network", errno.EACCES), ("absent", errno.ENOSYS)),
    *((group, errno.EPERM) for group in ("programs", "processes", "rights", "system")),
)
"""Groups of calls that are always refused, and with which error."""


class Condition(NamedTuple):
    """Whether the bits `mask` of half an argument are (or are not) `value`."""

    argument: int
    value: int
    mask: int = _ALL_BITS
    equal: bool = True
    upper: bool = False


class Refusal(NamedTuple):
    """A refused call: always, or when all conditions of one of the alternatives hold."""

    call: str
    error: int
    alternatives: Sequence[Sequence[Condition]] = ()


def machine() -> str:
    """The name of this architecture in the tables; empty if they do not have it."""
    name = {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine(), platform.machine())
    return name if name in NUMBERS and sys.maxsize > 2**32 else ""


def supported() -> bool:
    """Whether this kernel filters calls, and this module knows its numbers."""
    if sys.platform != "linux" or not machine():
        return False
    try:
        prctl(_PR_GET_SECCOMP)
    except OSError:
        return False
    return True


def restrict(*, opening: bool = False) -> None:
    """Install the filter for all threads of this process.

    Args:
        opening: let Landlock decide which files may be opened and loaded as code.

    Raises:
        OSError: it did not hold.
    """
    if not machine():
        raise OSError(errno.ENOSYS, f"seccomp: no table of calls for {platform.machine()}")
    install(assemble(refusals(os.getpid(), opening=opening), machine()))


def install(program: bytes) -> None:
    """Pass the calls of all threads of this process through a filter of `assemble` from now on.

    Raises:
        OSError: it did not hold.
    """
    code = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    number = NUMBERS[machine()]["seccomp"]
    thread = system_call("seccomp", number, _SET_FILTER, _ALL_THREADS | _SPECULATE, described)
    if thread:
        raise OSError(errno.EPERM, f"seccomp: thread {thread} has a filter of its own")


def refusals(pid: int, *, opening: bool = False) -> list[Refusal]:
    """The calls that the filter refuses to the process `pid`; `opening` as for `restrict`."""
    other = Condition(0, pid, equal=False)
    conditional: dict[str, Sequence[Sequence[Condition]]] = {
        "clone": [[Condition(0, 0, mask=_CLONE_THREAD)]],
        "kill": [[other]],
        "tgkill": [[other]],
        "sched_setaffinity": [[other, Condition(0, 0, equal=False)]],
        # The owner of a pipe or a socket gets signals when something happens to it.
        "fcntl": [
            *([Condition(1, command)] for command in _FCNTL.values()),
            [Condition(1, _F_SETFL), Condition(2, _O_ASYNC, mask=_O_ASYNC)],
        ],
        "prctl": [[Condition(0, option)] for option in _PRCTL.values()],
        "prlimit64": [[Condition(2, 0, equal=False)], [Condition(2, 0, equal=False, upper=True)]],
    }
    always = [Refusal(call, error) for group, error in _ERRORS for call in GROUPS[group]]
    if opening:
        conditional["ioctl"] = [[Condition(1, command)] for command in _IOCTL.values()]
        closed = []
    else:
        closed = [Refusal(call, errno.EACCES) for call in GROUPS["opening"]]
        code_of_file = [Condition(2, _PROT_EXEC, mask=_PROT_EXEC), Condition(3, 0, _MAP_ANONYMOUS)]
        conditional["mmap"] = [code_of_file]
    sometimes = [Refusal(call, errno.EPERM, when) for call, when in conditional.items()]
    return [*always, *closed, *sometimes]


def assemble(refused: Sequence[Refusal], architecture: str) -> bytes:
    """The filter as the kernel takes it: 8 bytes an instruction.

    Calls of another architecture end the process. Calls that are newer than the tables, among them
    those of the x32 ABI, do not exist; refused ones that the architecture lacks are left out.
    """
    numbers = NUMBERS[architecture]
    program = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_IF_EQUAL, _ARCHITECTURES[architecture], then=1),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        _step(_IF_GREATER, LAST, other=1),
        _step(_RETURN, _ERROR | errno.ENOSYS),
    ]
    for refusal in refused:
        if refusal.call in numbers:
            block = _block(refusal)
            program += [_step(_IF_EQUAL, numbers[refusal.call], other=len(block)), *block]
    return b"".join([*program, _step(_RETURN, _ALLOW)])


def _block(refusal: Refusal) -> list[bytes]:
    """Instructions for a call whose number fits."""
    answer = _step(_RETURN, _ERROR | refusal.error)
    if not refusal.alternatives:
        return [answer]
    block: list[bytes] = []
    for conditions in refusal.alternatives:
        left = 3 * len(conditions)  # instructions up to the answer, behind the last of them
        for condition in conditions:
            left -= 3
            place = _ARGUMENTS + 8 * condition.argument + 4 * condition.upper
            away = left + 1
            jump = {"other" if condition.equal else "then": away}
            block += [
                _step(_LOAD, place),
                _step(_AND, condition.mask),
                _step(_IF_EQUAL, condition.value, **jump),
            ]
        block.append(answer)
    return [*block, _step(_RETURN, _ALLOW)]


def _step(code: int, operand: int, *, then: int = 0, other: int = 0) -> bytes:
    """An instruction; `then` and `other` are how many to pass over."""
    return struct.pack("HBBI", code, then, other, operand)
