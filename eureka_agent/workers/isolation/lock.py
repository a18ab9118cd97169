"""The lock-down: what a worker gives up before it receives the first program, for good.

It comes when everything is imported, loaded and has run once, as nothing can be opened afterwards.
It comes while there is only one thread, so that Landlock and the dropped capabilities, which hold
a thread and those it starts, hold all of them.
"""

import gc
import os
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from eureka_agent.common.errors import EurekaError
from eureka_agent.workers.isolation import landlock, seccomp
from eureka_agent.workers.isolation.syscalls import NUMBERS, prctl, system_call

_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _CLEAR_ALL = 24, 47, 4
_CAPABILITIES = 64
"""More than there are."""
_MOMENT_S, _PATIENCE_S, _PAUSE_S = 0.1, 2.0, 0.001
_CAPSET_VERSION = 0x20080522

LANDLOCK, SECCOMP = "landlock", "seccomp"

LIBRARIES = ("torch", "nvidia", "triton", "warp", "mujoco_warp")
"""Packages that load parts of themselves when a GPU first needs them."""
_DEVICES = (
    *("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset"),
    *("/dev/nvidia-caps", "/dev/kfd", "/dev/dri", "/dev/dxg", "/dev/null", "/dev/zero"),
)
# Not all of /usr: packages lie there, too, and this one's hold the fitness.
_DRIVERS = (
    *("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib/wsl"),
    *("/usr/local/cuda", "/usr/local/nvidia", "/etc/ld.so.cache", "/dev/urandom"),
    *("/proc/driver/nvidia", "/proc/driver/nvidia-uvm", "/proc/cpuinfo", "/proc/meminfo"),
    *("/sys/bus/pci", "/sys/module/nvidia", "/sys/devices/system"),
)


def offered() -> list[str]:
    """The layers that this kernel has, in the order in which they are put on."""
    if sys.platform != "linux":
        return []
    has = {LANDLOCK: landlock.abi() > 0, SECCOMP: seccomp.supported()}
    return [layer for layer, there in has.items() if there]


def lock(layers: Sequence[str] | None = None, *, cuda: bool = False) -> list[str]:
    """Give up files, network, processes and privileges.

    Args:
        layers: what must hold afterwards, of `LANDLOCK` and `SECCOMP`; with none of them nothing
            is given up. All that the kernel offers when None.
        cuda: leave open what a GPU's driver and libraries need: its device nodes, and reading and
            loading those libraries. Call it when the GPU has done some work.

    Returns:
        The layers that hold now.

    Raises:
        EurekaError: a layer did not hold, or came too late.
    """
    chosen = offered() if layers is None else list(layers)
    if not chosen:
        return []
    if LANDLOCK in chosen and not cuda and not landlock.covers_threads(landlock.abi()):
        _await_one_thread()
    try:
        drop_capabilities()
        if LANDLOCK in chosen:
            landlock.restrict(_gpu_rules() if cuda else ())
        if SECCOMP in chosen:
            seccomp.restrict(opening=cuda)
    except OSError as error:
        raise EurekaError(
            f"The lock-down of this process failed: {error}.",
            "See what this machine can do with: eureka-agent doctor",
        ) from error
    return chosen


def drop_capabilities() -> None:
    """Give up root's capabilities; an ordinary user has none."""
    prctl(_PR_CAP_AMBIENT, _CLEAR_ALL)
    for capability in range(_CAPABILITIES):
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError:  # there is no such one, or this user never had any
            break
    if machine := seccomp.machine():
        header, nothing = struct.pack("Ii", _CAPSET_VERSION, 0), bytes(24)
        system_call("capset", NUMBERS[machine]["capset"], header, nothing)


def _await_one_thread() -> None:
    """Let threads end whose pool was forgotten; refuse if others keep running."""
    count = 0
    for patience_s in (_MOMENT_S, _PATIENCE_S):
        end = time.monotonic() + patience_s
        while (count := len(os.listdir("/proc/self/task"))) > 1 and time.monotonic() < end:
            time.sleep(_PAUSE_S)
        if count == 1:
            return
        gc.collect()  # a pool that is part of a cycle; not at once, as it takes long
    raise EurekaError(
        f"{count - 1} threads run already that Landlock would not hold.",
        "An environment must not start threads when it is loaded.",
    )


def _gpu_rules() -> list[landlock.Rule]:
    """Files that a process on a GPU may still use; the environment is not among them."""
    nodes = [*map(Path, _DEVICES), *Path("/dev").glob("nvidia[0-9]*")]
    modules = (sys.modules.get(name) for name in LIBRARIES)
    packages = [Path(path) for module in modules for path in getattr(module, "__path__", ())]
    rules = [landlock.Rule(path, landlock.USE) for path in nodes]
    rules += [landlock.Rule(path, landlock.READ) for path in (*map(Path, _DRIVERS), *packages)]
    # The driver names its threads there; of others' threads nothing is beneath it.
    return [*rules, landlock.Rule(Path("/proc/self/task"), landlock.USE)]
