"""How near to the speed of the physics do we train, and how far from stable-baselines3's PPO?

One run measures, interleaved in rounds: the physics limit (the same simulator and worlds replaying
what a trained policy did), our training on the human reward for several numbers of policies K and
two networks, and stable-baselines3's PPO on Gymnasium's environments with the same model, control
step and work per step. Every measurement has a process of its own; a ratio is taken within a round,
what is shown is the median over rounds. While the trainer is worked on, the bar alone (K = 8, 64
worlds each, networks 64-64), under two minutes per environment:

    python benchmarks/throughput.py --quick --environments half_cheetah

Everything, an hour or two on two cores; the same command goes on where it stopped:

    python benchmarks/throughput.py --out benchmarks/results/throughput.json
    python benchmarks/throughput.py --out benchmarks/results/throughput.json --report

And the peak memory of a worker process with K = 16, N = 128 on `ant`:

    python benchmarks/throughput.py --memory

Replay and training begin where a training of 100,000 steps stood, as what a robot does decides what
its physics cost; that training is kept under `--recordings` until the task or the program changes.
Gymnasium's MuJoCo environments need the package `imageio`; `--peers` with nothing leaves them out.

Rates are given twice: by the clock, and as they would be on idle cores, reckoned from processor
time, as if no thread ever waited for another. The first tells the truth on an idle machine (`cores`
near the number of threads in the rows of the limit), the second nearly so on a shared one.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from gymnasium_twin import gymnasium_twin
from rates.memory import worker_memory
from rates.processes import measured, recorded, work
from rates.report import report
from rates.setting import (
    ENVIRONMENTS,
    LANES,
    PEERS,
    Cell,
    Measurement,
    Setting,
    bar,
    plan,
    program_digest,
)

from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.environment import find_environment

ROUNDS = 3


class Results:
    """Measurements by cell and round, in a file that is complete after each of them.

    Args:
        path: of the file; None to keep them in memory only.
        setting: of the run.
        going_on: whether more will be measured; then the file must be of this setting and program.

    Raises:
        UsageError: the file holds results of another setting or of another program.
    """

    def __init__(self, path: Path | None, setting: Setting, going_on: bool) -> None:
        self._path = path
        self._document: dict[str, Any] = {
            "setting": asdict(setting),
            "program": program_digest(),
            "machine": {"cores": os.cpu_count(), "platform": platform.platform()},
            "cells": {},
        }
        if path is not None and path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            for what in ("setting", "program"):
                if going_on and found[what] != self._document[what]:
                    raise UsageError(
                        f"{path} holds results of another {what}: {found[what]}.",
                        "Name another file with --out, or remove this one.",
                    )
            self._document = found

    def done(self, cell: Cell, number: int) -> bool:
        """Whether a cell has been measured in a round."""
        return str(number) in self._document["cells"].get(cell.key, {})

    def add(self, cell: Cell, number: int, measurement: Measurement) -> None:
        """Keep a measurement."""
        self._document["cells"].setdefault(cell.key, {})[str(number)] = asdict(measurement)
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self._path.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(self._document, indent=1), encoding="utf-8")
            unfinished.replace(self._path)

    def rounds(self) -> dict[str, dict[int, Measurement]]:
        """All measurements by key and round."""
        return {
            key: {int(number): Measurement(**values) for number, values in rounds.items()}
            for key, rounds in self._document["cells"].items()
        }


def measure(
    cells: Sequence[Cell], rounds: int, results: Results, setting: Setting, recordings: Path
) -> None:
    """Measure what is missing, round by round.

    Args:
        cells: of one environment.
        rounds: how often each.
        results: what there is, and where it goes.
        setting: of the run.
        recordings: folder of the policies that measurements start from.

    Raises:
        EurekaError: a process failed.
    """
    files = {
        cell: recorded(cell, setting, recordings)
        for cell in cells
        if not all(results.done(cell, number) for number in range(rounds))
    }
    for number in range(rounds):
        for cell in cells:
            if not results.done(cell, number):
                found = measured(cell, setting, files[cell])
                results.add(cell, number, found)
                print(
                    f"round {number + 1}  {cell.key:36} {found.rate:9,.0f} steps/s, "
                    f"{found.idle_rate:9,.0f} if idle, {found.cores:.2f} cores, "
                    f"{found.memory_mb:6,.0f} MB",
                    flush=True,
                )


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", nargs="+", default=ENVIRONMENTS)
    parser.add_argument("--lanes", type=int, nargs="+", default=LANES, help="values of K")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="none: empty")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, help="file of the results; one to go on with as well")
    parser.add_argument("--recordings", type=Path, default=Path("runs/throughput"))
    parser.add_argument("--quick", action="store_true", help="only the bar")
    parser.add_argument("--memory", action="store_true", help="only the memory of a worker")
    parser.add_argument("--report", action="store_true", help="print tables, measure nothing")
    parser.add_argument("--child", metavar="JOB", help=argparse.SUPPRESS)
    for field in fields(Setting):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = parsed(arguments)
    if args.child:
        work(args.child)
        return
    setting = Setting(**{field.name: getattr(args, field.name) for field in fields(Setting)})
    if args.memory:
        peak = worker_memory("ant", lanes=16, worlds=128, threads=setting.threads)
        print(f"Peak resident memory of a worker, K=16, N=128, ant: {peak:,.0f} MB")
        return
    results = Results(args.out, setting, going_on=not args.report)
    for name in [] if args.report else args.environments:
        if args.peers:  # what they lack should show before anything is measured
            gymnasium_twin(find_environment(name)).close()
        cells = bar(name, args.peers) if args.quick else plan(name, args.lanes, args.peers)
        measure(cells, args.rounds, results, setting, args.recordings)
    print(report(results.rounds()))


if __name__ == "__main__":
    try:
        main()
    except EurekaError as error:
        print(f"{error.message}\n{error.remedy}".strip(), file=sys.stderr)
        sys.exit(error.exit_code)
