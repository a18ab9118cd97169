"""A parent that says its child's pid and scratch folder, and waits for an answer or ends."""

import sys
from pathlib import Path

from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import Message

child = WorkerProcess("crooked", import_path=[Path(__file__).parent])
folder = child.request(Message("limits"), deadline_s=60).fields["folder"]


def tell(*_: object) -> None:
    print(child.pid, folder, flush=True)


if sys.argv[1] == "hang":
    child.request(Message("native_hang", {"lane": 0}), deadline_s=60, on_progress=tell)
else:
    tell()
