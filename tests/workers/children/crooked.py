"""A worker that does, on request, everything that a worker must not do."""

import json
import os
import resource
import signal
import struct
import sys
import threading
import time

import numpy as np

from eureka_agent.common.errors import UsageError
from eureka_agent.workers.isolation.lock import lock
from eureka_agent.workers.protocol import Message, done
from eureka_agent.workers.serve import Job, Reporter, serve


def send_raw(content: bytes) -> None:
    """Write past the protocol, to the very pipe."""
    pipe = int(sys.argv[2])
    while content:
        content = content[os.write(pipe, content) :]


def header(content: object) -> bytes:
    text = json.dumps(content).encode()
    return struct.pack("<I", len(text)) + text


def raw(name: str, content: bytes) -> Job:
    """A job that sends `content` and then holds the pipe open."""

    def handler(request: Message, reporter: Reporter) -> Message:
        send_raw(content)
        time.sleep(60)
        return done()

    handler.__name__ = name
    return handler


def lock_down(request: Message, reporter: Reporter) -> Message:
    return done({"layers": lock()})


def lock_too_late(request: Message, reporter: Reporter) -> Message:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    return lock_down(request, reporter)


def echo(request: Message, reporter: Reporter) -> Message:
    return done(request.fields, request.arrays)


def other_kind(request: Message, reporter: Reporter) -> Message:
    return request


def stray_print(request: Message, reporter: Reporter) -> Message:
    print("printed", flush=True)
    os.write(1, b"written to fd 1\n")
    return done({"read": os.read(0, 10).decode()})


def beat(request: Message, reporter: Reporter) -> Message:
    """Work for longer than the silence that is allowed."""
    for step in range(1500):
        reporter.heartbeat(step=step)
        time.sleep(0.001)
    return done()


def flood_heartbeats(request: Message, reporter: Reporter) -> Message:
    while True:
        send_raw(header({"kind": "heartbeat", "fields": {}, "arrays": []}))


def fail_without_words(request: Message, reporter: Reporter) -> Message:
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


def flood(request: Message, reporter: Reporter) -> Message:
    while True:
        send_raw(b"y" * 65536)


def answer(token: int) -> bytes:
    return header({"kind": "done", "fields": {}, "arrays": [], "token": token})


def reply_twice(request: Message, reporter: Reporter) -> Message:
    send_raw(2 * answer(request.token))
    time.sleep(60)
    return done()


def forge(request: Message, reporter: Reporter) -> Message:
    """Answer twice, the second time to a request that is yet to come."""
    send_raw(answer(request.token))
    return done()


def forge_first(request: Message, reporter: Reporter) -> Message:
    """Answer as a program would that writes to the pipe: without the request's token."""
    send_raw(header({"kind": "done", "fields": {}, "arrays": []}))
    return done()


def leave(request: Message, reporter: Reporter) -> Message:
    print("I am leaving \x1b[31mnow\x07", flush=True)
    os._exit(request.fields["status"])


def crash(request: Message, reporter: Reporter) -> Message:
    reporter.mark_lane(request.fields["lane"])
    os.kill(os.getpid(), signal.SIGSEGV)
    return request


def native_hang(request: Message, reporter: Reporter) -> Message:
    """Hold the interpreter's lock in C: no Python thread or signal handler of this process runs."""
    reporter.heartbeat()
    reporter.mark_lane(request.fields["lane"])
    return done({"sum": sum(range(10**12))})


def clean_lane(request: Message, reporter: Reporter) -> Message:
    reporter.mark_lane(5)
    return done()


def cut_active_lane(request: Message, reporter: Reporter) -> Message:
    os.truncate(sys.argv[3], 0)
    os._exit(1)


def grow(request: Message, reporter: Reporter) -> Message:
    hoard = []
    while True:
        hoard.append(np.ones(1 << 21))  # 16 MiB, touched
        reporter.heartbeat()
        time.sleep(0.01)


def allocate(request: Message, reporter: Reporter) -> Message:
    return done({"bytes": len(bytearray(request.fields["bytes"]))})


def fork(request: Message, reporter: Reporter) -> Message:
    """Leave a grandchild that holds the pipe, then hang or go."""
    grandchild = os.fork()
    if grandchild == 0:
        time.sleep(60)
        os._exit(0)
    reporter.heartbeat(grandchild=grandchild)
    if request.fields["leave"]:
        os._exit(0)
    time.sleep(60)
    return request


def fail(request: Message, reporter: Reporter) -> Message:
    raise UsageError("The bell \x07 rang.", "Wear ear plugs.")


def bug(request: Message, reporter: Reporter) -> Message:
    return done({"ratio": 1 / request.fields["zero"]})


def not_json(request: Message, reporter: Reporter) -> Message:
    return done({"object": object()})


def limits(request: Message, reporter: Reporter) -> Message:
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


HEADER = {"kind": "done", "fields": {}, "arrays": []}
serve(
    *(lock_down, lock_too_late, echo, other_kind, stray_print, beat, flood, flood_heartbeats),
    *(
        reply_twice,
        forge,
        forge_first,
        leave,
        crash,
        native_hang,
        clean_lane,
        cut_active_lane,
        grow,
        allocate,
    ),
    *(fork, fail, fail_without_words, bug, not_json, limits),
    raw("half", header(HEADER)[:9]),
    raw("garbage", b"Traceback (most recent call last)"),
    raw("huge_header", struct.pack("<I", 2**32 - 1)),
    raw("huge_array", header(HEADER | {"arrays": [["a", "uint8", [10_000_000_000]]]})),
)
