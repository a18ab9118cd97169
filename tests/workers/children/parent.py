"""A parent that says its worker's pid and scratch folder, and waits for an answer or ends."""

import sys
from pathlib import Path

from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import Message

worker = WorkerProcess("crooked", import_path=[Path(__file__).parent])
folder = worker.request(Message("limits"), deadline_s=60).fields["folder"]


def tell(*_: object) -> None:
    print(worker.pid, folder, flush=True)


if sys.argv[1] == "hang":
    worker.request(Message("native_hang", {"lane": 0}), deadline_s=60, on_progress=tell)
else:
    tell()
