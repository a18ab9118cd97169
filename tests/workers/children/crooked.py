"""A child that does, on request, everything a child must not do."""

import json
import os
import resource
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable

import numpy as np

from eureka_agent.common.errors import UsageError
from eureka_agent.workers.isolation.lock import lock
from eureka_agent.workers.protocol import Message
from eureka_agent.workers.serve import Reporter, serve


def send_raw(content: bytes) -> None:
    """Write past the protocol, to the very pipe."""
    pipe = int(sys.argv[2])
    while content:
        content = content[os.write(pipe, content) :]


def header(content: object) -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<I", len(text)) + text


def raw(content: bytes) -> Callable[[Message, Reporter], Message]:
    """A handler that sends `content` and then holds the pipe open."""

    def handler(request: Message, report: Reporter) -> Message:
        send_raw(content)
        time.sleep(60)
        return request

    return handler


def lock_down(request: Message, report: Reporter) -> Message:
    return Message("locked", {"layers": lock()})


def lock_too_late(request: Message, report: Reporter) -> Message:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return lock_down(request, report)


def echo(request: Message, report: Reporter) -> Message:
    return request


def stray_print(request: Message, report: Reporter) -> Message:
    print("printed", flush=True)
    os.write(1, b"written to fd 1\n")
    return Message("done", {"read": os.read(0, 10).decode()})


def beat(request: Message, report: Reporter) -> Message:
    """Work for longer than the silence that is allowed."""
    for step in range(1500):
        report.heartbeat(step=step)
        time.sleep(0.001)
    return Message("done")


def flood_heartbeats(request: Message, report: Reporter) -> Message:
    while True:
        send_raw(header({"kind": "heartbeat", "fields": {}, "arrays": []}))


def fail_without_words(request: Message, report: Reporter) -> Message:
    """Raise what has no text, or what ends processes."""
    key: tuple[object, ...] = ()
    for _ in range(6000):
        key = (key,)
    match request.fields["how"]:
        case "key":
            raise KeyError(key)
        case "group":
            raise ExceptionGroup("", [KeyError(key)])
        case "cycle":
            first, second = KeyError(key), KeyError("second")
            first.__cause__, second.__cause__ = second, first
            raise first
    raise SystemExit(3)


def flood(request: Message, report: Reporter) -> Message:
    while True:
        send_raw(b"y" * 65536)


def answer(token: int) -> bytes:
    return header({"kind": "done", "fields": {}, "arrays": [], "token": token})


def reply_twice(request: Message, report: Reporter) -> Message:
    return raw(2 * answer(request.token))(request, report)


def forge(request: Message, report: Reporter) -> Message:
    """Answer twice, the second time to a request that is yet to come."""
    send_raw(answer(request.token))
    return Message("forged")


def leave(request: Message, report: Reporter) -> Message:
    print("I am leaving \x1b[31mnow\x07", flush=True)
    os._exit(request.fields["status"])


def crash(request: Message, report: Reporter) -> Message:
    report.blame(request.fields["lane"])
    os.kill(os.getpid(), signal.SIGSEGV)
    return request


def native_hang(request: Message, report: Reporter) -> Message:
    """Hold the interpreter's lock in C: no Python thread or signal handler of this process runs."""
    report.heartbeat()
    report.blame(request.fields["lane"])
    return Message("done", {"sum": sum(range(10**12))})


def clean_lane(request: Message, report: Reporter) -> Message:
    report.blame(5)
    return Message("done")


def cut_blame(request: Message, report: Reporter) -> Message:
    os.truncate(sys.argv[3], 0)
    os._exit(1)


def grow(request: Message, report: Reporter) -> Message:
    hoard = []
    while True:
        hoard.append(np.ones(1 << 21))  # 16 MiB, touched
        report.heartbeat()
        time.sleep(0.01)


def allocate(request: Message, report: Reporter) -> Message:
    return Message("done", {"bytes": len(bytearray(request.fields["bytes"]))})


def fork(request: Message, report: Reporter) -> Message:
    """Leave a grandchild that holds the pipe, then hang or go."""
    grandchild = os.fork()
    if grandchild == 0:
        time.sleep(60)
        os._exit(0)
    report.heartbeat(grandchild=grandchild)
    if request.fields["leave"]:
        os._exit(0)
    time.sleep(60)
    return request


def fail(request: Message, report: Reporter) -> Message:
    raise UsageError("The bell \x07 rang.", "Wear ear plugs.")


def bug(request: Message, report: Reporter) -> Message:
    return Message("done", {"ratio": 1 / request.fields["zero"]})


def not_json(request: Message, report: Reporter) -> Message:
    return Message("done", {"object": object()})


def limits(request: Message, report: Reporter) -> Message:
    names = ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_AS")
    return Message(
        "done",
        {name: resource.getrlimit(getattr(resource, name)) for name in names}
        | {
            "status": open("/proc/self/status").read(),
            "folder": os.getcwd(),
            "session": os.getsid(0),
            "descriptors": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
            "modules": sorted(sys.modules),
            "hash": hash("a"),
        },
    )


serve(
    {
        "lock": lock_down,
        "lock_too_late": lock_too_late,
        "echo": echo,
        "stray_print": stray_print,
        "beat": beat,
        "half": raw(header({"kind": "done", "fields": {}, "arrays": []})[:9]),
        "garbage": raw(b"Traceback (most recent call last)"),
        "huge_header": raw(struct.pack("<I", 2**32 - 1)),
        "huge_array": raw(
            header({"kind": "done", "fields": {}, "arrays": [["a", "uint8", [10_000_000_000]]]})
        ),
        "flood": flood,
        "flood_heartbeats": flood_heartbeats,
        "reply_twice": reply_twice,
        "forge": forge,
        "leave": leave,
        "crash": crash,
        "native_hang": native_hang,
        "clean_lane": clean_lane,
        "cut_blame": cut_blame,
        "grow": grow,
        "allocate": allocate,
        "fork": fork,
        "fail": fail,
        "fail_without_words": fail_without_words,
        "bug": bug,
        "not_json": not_json,
        "limits": limits,
    }
)
