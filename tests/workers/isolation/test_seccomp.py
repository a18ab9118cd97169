"""The filter's answers on both architectures: the tests run its program as a kernel would."""

import errno
import re
import struct
from pathlib import Path

import pytest

from eureka_agent.workers.isolation.seccomp import assemble, machine, refusals
from eureka_agent.workers.isolation.syscalls import LAST, NUMBERS

PID = 4242
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
I386 = 0x40000003
ALLOWED, KILLED = 0x7FFF0000, 0x80000000
HEADER = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
GENERIC_HEADER = Path("/usr/include/asm-generic/unistd.h")


def answer(program: bytes, number: int, *arguments: int, architecture: int) -> int:
    """A filter's answer to a call."""
    given = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    call = struct.pack("<IIQ6Q", number, architecture, 0, *given)
    place = value = 0
    while True:
        code, then, other, operand = struct.unpack_from("<HBBI", program, 8 * place)
        place += 1
        match code:
            case 0x20:
                (value,) = struct.unpack_from("<I", call, operand)
            case 0x54:
                value &= operand
            case 0x15:
                place += then if value == operand else other
            case 0x25:
                place += then if value > operand else other
            case 0x06:
                return operand
            case _:
                raise AssertionError(f"instruction {code:#x}")


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> str:
    return request.param


def error_of(architecture: str, call: str, *arguments: int, opening: bool = False) -> int:
    """The error number that a call gets; 0 if it is let through."""
    program = assemble(refusals(PID, opening=opening), architecture)
    number = NUMBERS[architecture][call]
    given = answer(program, number, *arguments, architecture=ARCHITECTURES[architecture])
    if given == ALLOWED:
        return 0
    assert given >> 16 == 5
    return given & 0xFFFF


def test_every_call_of_the_tables_is_refused_for_some_arguments(architecture: str) -> None:
    any_pid = 1
    revealing = {
        "mmap": (0, 1, 4, 2),
        "fcntl": (0, 8),
        "prctl": (1,),
        "prlimit64": (0, 0, 1),
    }
    for call in NUMBERS[architecture]:
        assert error_of(architecture, call, *revealing.get(call, (any_pid,))), call


@pytest.mark.parametrize(
    ("call", "allowed", "refused"),
    [
        ("clone", (0x3D0F00,), (17,)),
        ("kill", (PID, 9), (PID + 1, 9)),
        ("kill", (PID, 9), (2**32 - 1, 9)),
        ("tgkill", (PID, PID, 6), (PID + 1, PID + 1, 6)),
        ("sched_setaffinity", (0,), (1,)),
        ("fcntl", (0, 4), (0, 8)),
        ("fcntl", (0, 4), (0, 15)),
        ("fcntl", (0, 4), (0, 10)),
        ("fcntl", (0, 4, 0x800), (0, 4, 0x2800)),
        ("fcntl", (0, 1030), (0, 1024)),
        ("fcntl", (0, 1030), (0, 1026)),
        ("prctl", (15,), (1,)),
        ("prctl", (15,), (22,)),
        ("prctl", (0x53564D41,), (0x59616D61,)),
        ("prctl", (38,), (36,)),
        ("prctl", (3,), (4,)),
        ("prctl", (30,), (62,)),
        ("prlimit64", (0, 7, 0), (0, 7, 0x7FFF)),
        ("prlimit64", (0, 7, 0), (0, 7, 1 << 32)),
        ("mmap", (0, 9, 3, 0x22), (0, 9, 5, 2)),
        ("mmap", (0, 9, 7, 0x22), (0, 9, 7, 1)),
    ],
)
def test_arguments_decide(
    architecture: str, call: str, allowed: tuple[int, ...], refused: tuple[int, ...]
) -> None:
    assert error_of(architecture, call, *allowed) == 0
    assert error_of(architecture, call, *refused) == errno.EPERM


def test_a_gpus_libraries_can_be_opened_and_loaded(architecture: str) -> None:
    assert error_of(architecture, "openat", opening=True) == 0
    assert error_of(architecture, "mmap", 0, 9, 5, 2, opening=True) == 0
    assert error_of(architecture, "ioctl", 0, 0xC020462A, opening=True) == 0
    assert error_of(architecture, "unlinkat", opening=True)
    assert error_of(architecture, "execve", opening=True)


@pytest.mark.parametrize("opening", [False, True])
def test_no_call_reaches_other_processes_or_hears_from_them(
    architecture: str, opening: bool
) -> None:
    for call in (
        *("socket", "socketpair", "connect", "bind", "sendto", "sendmsg", "sendmmsg"),
        *("recvfrom", "recvmsg", "recvmmsg", "setsockopt", "mq_notify", "process_vm_writev"),
        *("pidfd_send_signal", "tkill", "getxattr", "lsm_set_self_attr", "io_setup"),
    ):
        assert error_of(architecture, call, opening=opening), call
    for command in (0x8901, 0x8902, 0x5452, 0x5410, 0x5412, 0x541C):
        assert error_of(architecture, "ioctl", 0, command, opening=opening)
        # The kernel reads the lower half of it alone.
        assert error_of(architecture, "ioctl", 0, 1 << 32 | command, opening=opening)


def test_everyday_calls_are_let_through() -> None:
    everyday = {"read": 0, "write": 1, "munmap": 11, "brk": 12, "futex": 202, "exit_group": 231}
    program = assemble(refusals(PID), "x86_64")
    for number in everyday.values():
        assert answer(program, number, architecture=ARCHITECTURES["x86_64"]) == ALLOWED


def test_newer_calls_and_those_of_x32_do_not_exist(architecture: str) -> None:
    program = assemble(refusals(PID), architecture)
    for number in (LAST + 1, 1000, 0x40000000, 0x40000000 | 59, 2**32 - 1):
        given = answer(program, number, architecture=ARCHITECTURES[architecture])
        assert given == 0x50000 | errno.ENOSYS


def test_calls_of_another_architecture_end_the_process(architecture: str) -> None:
    program = assemble(refusals(PID), architecture)
    assert answer(program, 11, architecture=I386) == KILLED


def test_the_kernel_takes_the_filter(architecture: str) -> None:
    program = assemble(refusals(PID), architecture)
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096


@pytest.mark.parametrize(
    ("name", "header", "pattern"),
    [
        ("x86_64", HEADER, r"#define __NR_(\w+) (\d+)"),
        ("aarch64", GENERIC_HEADER, r"#define __NR(?:3264)?_(\w+) (\d+)"),
    ],
)
def test_the_numbers_are_those_of_the_kernels_headers(
    name: str, header: Path, pattern: str
) -> None:
    if not header.is_file():
        pytest.skip("the kernel's headers are not installed")
    known = {call: int(number) for call, number in re.findall(pattern, header.read_text())}
    table = NUMBERS[name]
    assert {c: n for c, n in table.items() if known.get(c, n) != n} == {}
    assert len(table.keys() & known.keys()) > 100


def test_this_machine_is_in_the_tables() -> None:
    assert machine() in ARCHITECTURES
