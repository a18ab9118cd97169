"""System calls that Python has no function for.

This module imports nothing of the project: a child uses it before it may load anything else.
"""

import ctypes
import os

_LIBRARY = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: int) -> int:
    """Call `prctl`; arguments that are left out are 0.

    Raises:
        OSError: it failed.
    """
    given = [*arguments, 0, 0, 0, 0][:4]
    return _checked(f"prctl({option})", _LIBRARY.prctl(option, *map(ctypes.c_ulong, given)))


def system_call(name: str, number: int, *arguments: object) -> int:
    """Call the kernel by number.

    Args:
        name: what an error calls it.
        number: its number on this architecture.
        arguments: integers, or what `ctypes` passes as a pointer.

    Raises:
        OSError: it failed.
    """
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    _LIBRARY.syscall.restype = ctypes.c_long
    return _checked(name, _LIBRARY.syscall(ctypes.c_long(number), *given))


def _checked(name: str, result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
