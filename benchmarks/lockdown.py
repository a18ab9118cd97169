"""What the lock-down of a worker costs: at its start, and in training speed.

    python benchmarks/lockdown.py [--environment half_cheetah] [--rounds 12]

Locked and open workers take turns, in another order each round, so that whatever else the machine
does hits both. What counts is the workers' processor time, all threads together: the median over
the rounds, with the quartiles. The filter works inside the kernel, so the share of a training that
is spent there bounds what it can cost. Two minutes on two idle cores.
"""

import argparse
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from eureka_agent.environment import find_environment
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import JobFailed, Message

LANES, WORLDS, THREADS = 8, 64, 2
DEADLINE_S = 600.0
LOCKED, OPEN = None, []
"""What the request to open calls them: all layers, no layers."""

PROGRAM = '''"""Use little effort."""
WEIGHTS = {"effort": 1.0}

def compute_reward(action):
    return {"effort": -action.square().sum(-1)}
'''


def processor_seconds(pid: int) -> float:
    """User and system time of a process, ended threads included."""
    return sum(_ticks(pid)) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> tuple[int, int]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]), int(fields[12])


def ask(worker: WorkerProcess, kind: str, **fields: object) -> float:
    """Have a worker answer a request; returns the processor time that it took."""
    before = processor_seconds(worker.pid)
    worker.request(Message(kind, fields), deadline_s=DEADLINE_S)
    return processor_seconds(worker.pid) - before


def started() -> WorkerProcess:
    """A worker that has imported everything."""
    worker = WorkerProcess("eureka_agent.workers.trainer_server")
    try:
        ask(worker, "stop", lane=0)
    except JobFailed:  # it has no lanes yet
        pass
    return worker


def open_worker(worker: WorkerProcess, folder: Path, layers: list[str] | None) -> float:
    """Open a worker and load its lanes; returns the processor time."""
    spent = ask(
        worker,
        "open",
        environment=str(folder),
        lanes=LANES,
        worlds=WORLDS,
        threads=THREADS,
        fitness=None,
        layers=layers,
    )
    return spent + sum(
        ask(worker, "load", lane=lane, program=PROGRAM, seed=0) for lane in range(LANES)
    )


def measure_start(folder: Path, rounds: int) -> list[float]:
    """Seconds that the lock-down adds to a start, up to the end of the first rollout."""
    differences = []
    for turn in range(rounds):
        spent: dict[bool, float] = {}
        for locked in (turn % 2 == 0, turn % 2 == 1):
            with started() as worker:
                opened = open_worker(worker, folder, LOCKED if locked else OPEN)
                spent[locked] = opened + ask(worker, "advance", steps=1)
        differences.append(spent[True] - spent[False])
    return differences


def measure_speed(folder: Path, rounds: int, steps: int) -> tuple[list[float], float, float]:
    """Processor time per step of a locked worker, in units of an open one's.

    Returns:
        The ratio of each round, and the shares of that time in the kernel: locked, open.
    """
    with started() as locked, started() as unlocked:
        open_worker(locked, folder, LOCKED)
        open_worker(unlocked, folder, OPEN)
        ratios = []
        before = {worker: _ticks(worker.pid) for worker in (locked, unlocked)}
        for turn in range(rounds):
            order = (locked, unlocked) if turn % 2 else (unlocked, locked)
            spent = {worker: ask(worker, "advance", steps=steps) for worker in order}
            ratios.append(spent[locked] / spent[unlocked])
        shares = []
        for worker, (user, system) in before.items():
            now = _ticks(worker.pid)
            shares.append((now[1] - system) / (sum(now) - user - system))
    return ratios, shares[0], shares[1]


def quartiles(values: Sequence[float], unit: float, name: str) -> str:
    """The median of some values, with the quartiles."""
    low, median, high = (value / unit for value in statistics.quantiles(values, n=4))
    return f"{median:.2f} {name} (quartiles {low:.2f} to {high:.2f}, {len(values)} rounds)"


def main() -> None:
    """Measure, and print three lines."""
    parser = argparse.ArgumentParser(description="What the lock-down of a worker costs.")
    parser.add_argument("--environment", default="half_cheetah")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--steps", type=int, default=8192, help="per lane and round")
    options = parser.parse_args()
    folder = find_environment(options.environment).folder
    start = measure_start(folder, options.rounds)
    print(f"start: {quartiles(start, 1e-3, 'ms of processor time more')}", flush=True)
    speed, locked, unlocked = measure_speed(folder, options.rounds, options.steps)
    print(f"speed: {quartiles(speed, 1.0, 'times the processor time per step')}")
    print(f"in the kernel: {locked:.2%} of the training locked, {unlocked:.2%} open")


if __name__ == "__main__":
    main()
