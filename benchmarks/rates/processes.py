"""Every measurement in a process of its own: so memory is its own, and nothing is warm."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from eureka_agent.common.errors import EurekaError
from rates.peers import measure_sb3
from rates.physics import measure_limit
from rates.population import measure_population
from rates.recording import Recording, record, recording_path
from rates.setting import TWICE, Cell, Measurement, Setting

RECORD, MEASURE = "record", "measure"
SCRIPT = Path(__file__).resolve().parents[1] / "throughput.py"


def recorded(cell: Cell, setting: Setting, folder: Path) -> Path:
    """The file of the recording that a cell needs, made if there is none.

    Raises:
        EurekaError: the process failed.
    """
    path = recording_path(folder, cell.environment, cell.hidden, setting)
    if not path.exists():
        print(f"Recording: training on {cell.environment} for {setting.training:,} steps first.")
        _run(RECORD, cell, setting, path)
    return path


def measured(cell: Cell, setting: Setting, recording: Path) -> Measurement:
    """Measure a cell in a process, or in two side by side where it says "twice".

    Raises:
        EurekaError: a process failed.
    """
    count = 2 if cell.peer.endswith(TWICE) else 1
    said = _run(MEASURE, cell, setting, recording, count)
    found = [Measurement(**json.loads(text.splitlines()[-1])) for text in said]
    if count == 1:
        return found[0]
    return Measurement(
        rate=sum(one.rate for one in found),
        idle_rate=sum(one.idle_rate for one in found),
        memory_mb=sum(one.memory_mb for one in found),
        cores=sum(one.cores for one in found),
    )


def work(job: str) -> None:
    """In the process: record, or measure and print the measurement.

    Args:
        job: JSON, as `_run` writes it.
    """
    fields = json.loads(job)
    setting, recording = Setting(**fields["setting"]), Path(fields["recording"])
    cell = Cell.from_key(fields["cell"])
    if fields["task"] == RECORD:
        record(cell.environment, cell.hidden, setting).save(recording)
    else:
        print(json.dumps(asdict(measurement_of(cell, setting, recording))))


def measurement_of(cell: Cell, setting: Setting, recording: Path) -> Measurement:
    """Measure a cell in this process.

    Args:
        cell: what to measure.
        setting: of the run.
        recording: file to start from.
    """
    if cell.kind == "sb3":
        return measure_sb3(cell, setting)
    measure = measure_population if cell.kind == "ours" else measure_limit
    return measure(cell, setting, Recording.load(recording))


def _run(task: str, cell: Cell, setting: Setting, recording: Path, count: int = 1) -> list[str]:
    """Run a task in processes side by side; what each of them printed."""
    job = {
        "task": task,
        "cell": cell.key,
        "setting": asdict(setting),
        "recording": str(recording),
    }
    # As a worker is started: networks on one thread, and waiting threads sleep.
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    running = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), "--child", json.dumps(job)],
            env=os.environ | one_thread,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    said = [process.communicate()[0] for process in running]
    if any(process.returncode for process in running):
        raise EurekaError(f"The process of {cell.key} failed.", "It said why, above.")
    return said
