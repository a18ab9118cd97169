"""Seccomp: a filter through which every system call of a process passes, for good.

It lists what is refused and lets the rest through: a list of what is allowed would break with
every new C library and driver. Whatever is newer than the list does not exist for the process.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Sequence
from typing import NamedTuple

from eureka_agent.workers.isolation.syscalls import LAST, NUMBERS, prctl, system_call

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

FILES = (
    "unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir link linkat symlink symlinkat "
    "truncate mknod mknodat chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime "
    "utimes utimensat futimesat setxattr lsetxattr fsetxattr setxattrat removexattr lremovexattr "
    "fremovexattr removexattrat getxattr lgetxattr fgetxattr getxattrat listxattr llistxattr "
    "flistxattr listxattrat file_getattr file_setattr name_to_handle_at open_by_handle_at "
    "fanotify_init fanotify_mark inotify_init inotify_init1 inotify_add_watch mq_open mq_unlink "
    "mq_timedsend mq_timedreceive mq_notify mq_getsetattr sync syncfs"
)
OPENING = "open creat openat openat2 memfd_create ioctl"
"""What a process that will load nothing any more, and drives no device, can do without."""
PROGRAMS = "execve execveat fork vfork uselib"
NETWORK = (
    "socket socketpair connect bind listen accept accept4 shutdown getsockname getpeername "
    "getsockopt setsockopt sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg"
)
"""All that there is: one end of a pair of datagram sockets reaches every other socket by name."""
PROCESSES = (
    "tkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open pidfd_getfd pidfd_send_signal ptrace "
    "process_vm_readv process_vm_writev process_madvise process_mrelease kcmp setsid setpgid "
    "setpriority ioprio_set sched_setscheduler sched_setparam sched_setattr get_robust_list "
    "shmget shmat shmctl shmdt msgget msgsnd msgrcv msgctl semget semop semctl semtimedop"
)
RIGHTS = (
    "setuid setgid setreuid setregid setresuid setresgid setfsuid setfsgid setgroups capset "
    "setrlimit personality seccomp lsm_set_self_attr"
)
SYSTEM = (
    "bpf perf_event_open userfaultfd keyctl add_key request_key memfd_secret mount umount2 "
    "pivot_root chroot setns unshare open_tree open_tree_attr move_mount fsopen fsconfig fsmount "
    "fspick mount_setattr statmount listmount init_module finit_module delete_module kexec_load "
    "kexec_file_load reboot swapon swapoff settimeofday clock_settime adjtimex clock_adjtime "
    "sethostname setdomainname acct quotactl quotactl_fd syslog iopl ioperm modify_ldt vhangup "
    "mbind set_mempolicy set_mempolicy_home_node move_pages migrate_pages vmsplice ustat sysfs "
    "nfsservctl lookup_dcookie"
)
ABSENT = "clone3 io_uring_setup io_uring_enter io_uring_register io_setup io_submit"
"""What the C library does without if the kernel lacks it; a filter cannot look into these."""


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
        opening: leave it to others (Landlock) what may be opened and loaded as code.

    Raises:
        OSError: it did not hold.
    """
    if not machine():
        raise OSError(errno.ENOSYS, f"seccomp: no table of calls for {platform.machine()}")
    install(assemble(refusals(os.getpid(), opening=opening), machine()))


def install(program: bytes) -> None:
    """Have all threads of this process pass their calls through a filter from now on.

    Args:
        program: from `assemble`, for this architecture.

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
    """What the filter refuses to a process.

    Args:
        pid: of the process.
        opening: as for `restrict`.
    """
    refused = [Refusal(call, errno.EACCES) for call in f"{FILES} {NETWORK}".split()]
    refused += [Refusal(call, errno.ENOSYS) for call in ABSENT.split()]
    for group in (PROGRAMS, PROCESSES, RIGHTS, SYSTEM):
        refused += [Refusal(call, errno.EPERM) for call in group.split()]
    other = Condition(0, pid, equal=False)
    refused += [
        Refusal("clone", errno.EPERM, [[Condition(0, 0, mask=_CLONE_THREAD)]]),
        Refusal("kill", errno.EPERM, [[other]]),
        Refusal("tgkill", errno.EPERM, [[other]]),
        Refusal("sched_setaffinity", errno.EPERM, [[other, Condition(0, 0, equal=False)]]),
        # Whoever owns a pipe or a socket gets signals when something happens to it.
        Refusal(
            "fcntl",
            errno.EPERM,
            [
                *([Condition(1, command)] for command in _FCNTL.values()),
                [Condition(1, _F_SETFL), Condition(2, _O_ASYNC, mask=_O_ASYNC)],
            ],
        ),
        Refusal("prctl", errno.EPERM, [[Condition(0, option)] for option in _PRCTL.values()]),
        Refusal(
            "prlimit64",
            errno.EPERM,
            [[Condition(2, 0, equal=False)], [Condition(2, 0, equal=False, upper=True)]],
        ),
    ]
    if not opening:
        refused += [Refusal(call, errno.EACCES) for call in OPENING.split()]
        code_of_file = [
            Condition(2, _PROT_EXEC, mask=_PROT_EXEC),
            Condition(3, 0, mask=_MAP_ANONYMOUS),
        ]
        refused.append(Refusal("mmap", errno.EPERM, [code_of_file]))
    else:
        commands = [[Condition(1, command)] for command in _IOCTL.values()]
        refused.append(Refusal("ioctl", errno.EPERM, commands))
    return refused


def assemble(refused: Sequence[Refusal], architecture: str) -> bytes:
    """The filter as the kernel takes it: 8 bytes an instruction.

    Calls of another architecture end the process. Calls that are newer than the tables, among them
    those of the x32 ABI, do not exist.

    Args:
        refused: what it refuses; calls that the architecture does not have are left out.
        architecture: "x86_64" or "aarch64".
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
    """What happens to a call whose number fits."""
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
