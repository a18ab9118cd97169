"""Landlock: a process gives up the file system, except for what it names, for good.

It needs Linux 5.13 and no privileges. A ruleset holds the calling thread and whatever it starts
from then on; from ABI 8 on the other threads of the process as well.
"""

import os
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from eureka_agent.workers.isolation.syscalls import system_call

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_VERSION = _BENEATH = 1
_ALL_THREADS = 1 << 3

_EXECUTE, _WRITE, _READ, _LIST = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _CONTROL = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _CONTROL
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: _REFER, 3: _TRUNCATE, 5: _CONTROL}
"""Rights that each ABI added to those that can be given up."""
_TCP, _TCP_ABI = 0b11, 4
_SCOPES, _SCOPES_ABI = 0b11, 6  # abstract Unix sockets and signals
_THREADS_ABI = 8

READ = _READ | _LIST
"""Read files and list folders."""
USE = READ | _WRITE | _TRUNCATE | _CONTROL
"""Read and write existing files: device nodes."""


class Rule(NamedTuple):
    """Rights that stay allowed beneath a path."""

    path: Path
    rights: int


def abi() -> int:
    """The kernel's version of Landlock; 0 if it has none, or a container hides it."""
    try:
        return system_call("landlock_create_ruleset", _CREATE, None, 0, _VERSION)
    except OSError:
        return 0


def covers_threads(version: int) -> bool:
    """Whether `restrict` holds threads that run already."""
    return version >= _THREADS_ABI


def restrict(rules: Iterable[Rule]) -> None:
    """Give up all files but those in the rules, TCP, and signals to others, for good.

    The process cannot run another program anywhere. Rights that the kernel's ABI does not know stay
    as they were. The process must have no_new_privs.

    Args:
        rules: the rights that stay. Missing paths are skipped, one by one.

    Raises:
        OSError: it did not hold.
    """
    version = abi()
    files = sum(rights for since, rights in _FILE_RIGHTS.items() if version >= since)
    network = _TCP if version >= _TCP_ABI else 0
    scopes = _SCOPES if version >= _SCOPES_ABI else 0
    ruleset = struct.pack("=QQQ", files, network, scopes)  # older kernels take it for the zeros
    created = system_call("landlock_create_ruleset", _CREATE, ruleset, len(ruleset), 0)
    try:
        for rule in rules:
            _add(created, rule, files)
        flags = _ALL_THREADS if covers_threads(version) else 0
        system_call("landlock_restrict_self", _RESTRICT, created, flags)
    finally:
        os.close(created)


def _add(ruleset: int, rule: Rule, handled: int) -> None:
    try:
        place = os.open(rule.path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        # The kernel refuses rights of folders on a file, and rights that are not given up at all.
        kind = handled if rule.path.is_dir() else handled & _OF_FILES
        attributes = struct.pack("=Qi", rule.rights & kind, place)
        system_call("landlock_add_rule", _ADD, ruleset, _BENEATH, attributes, 0)
    finally:
        os.close(place)
