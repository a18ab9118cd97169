"""What a GPU brings: raw physics, training, memory, and whether it learns as on the CPU.

    python benchmarks/gpu.py                      # on a machine with a GPU: eight minutes
    python benchmarks/gpu.py --report             # the tables again, from the results

It needs nothing but the extra `gpu`. Measurements are written one by one, the most telling ones
first; when the time is up the same command goes on with those that are missing. The learning check
compares with the CPU's trainings of `learning.py`:

    python benchmarks/learning.py --only population --environments ant

`--device cpu --backend warp --worlds 16 --seconds 0.5` tries the script itself without a GPU.
"""

import argparse
import gc
import json
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gpu_report
import torch
from gpu_clock import wait
from gpu_measures import MEASURES, Cell, Setting
from gpu_report import BAR_ENVIRONMENT, BAR_WORLDS

from eureka_agent.simulation import describe_devices, resolve_device

WORLDS = (1024, 4096, 8192, 32768)
LANES = (1, 4, 16)
CHECKED, CHECK_STEPS, CHECK_SEEDS = "ant", 1_000_000, 8


def cells(worlds: Sequence[int]) -> Iterator[Cell]:
    """All measurements, the most telling ones first."""
    middle = BAR_WORLDS if BAR_WORLDS in worlds else worlds[len(worlds) // 2]
    yield Cell("raw", BAR_ENVIRONMENT, middle)
    for lanes in reversed(LANES):
        yield Cell("training", BAR_ENVIRONMENT, middle, lanes)
    yield Cell("raw", CHECKED, middle)
    yield Cell("training", CHECKED, middle, LANES[-1])
    if BAR_WORLDS in worlds:
        yield Cell("learning", CHECKED, CHECK_STEPS, CHECK_SEEDS)
    yield Cell("deterministic", BAR_ENVIRONMENT, middle)
    for environment in (BAR_ENVIRONMENT, CHECKED):
        for n in worlds:
            yield Cell("raw", environment, n)
            for lanes in LANES:
                yield Cell("training", environment, n, lanes)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure what is missing until the time is up."""
    deadline = time.monotonic() + 60 * args.minutes
    device = resolve_device(args.device)
    setting = Setting(device, args.backend, args.seconds)
    results = read(args.out)
    results["machine"] = _machine(device)
    for cell in cells(args.worlds):
        if time.monotonic() > deadline:
            print("The time is up: the same command goes on.", flush=True)
            break
        if cell.key in results["cells"]:
            continue
        began = time.monotonic()
        # Noted at once: what brings the whole process down is not tried again and again.
        results["cells"][cell.key] = asdict(cell) | {"failed": "the process ended"}
        write(args.out, results)
        with _failures_told() as told:
            results["cells"][cell.key] = asdict(cell) | MEASURES[cell.kind](cell, setting)
        if told:
            results["cells"][cell.key]["failed"] = told[0]
        write(args.out, results)
        _release(device)
        print(f"{cell.key}: {time.monotonic() - began:.0f} s {told or ''}", flush=True)
    return results


@contextmanager
def _failures_told() -> Iterator[list[str]]:
    """One measurement that fails does not end the others."""
    told: list[str] = []
    try:
        yield told
    except Exception as error:
        traceback.print_exc()
        told.append(f"{type(error).__name__}: {error}")


def _release(device: torch.device) -> None:
    gc.collect()
    wait(device)
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _machine(device: torch.device) -> dict[str, Any]:
    return {"device": str(device), "torch": torch.__version__} | describe_devices()


def read(path: Path) -> dict[str, Any]:
    """Results so far."""
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"machine": {}, "cells": {}}


def write(path: Path, results: dict[str, Any]) -> None:
    """Write a JSON file all at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    part.replace(path)


def main() -> None:
    """Measure, then print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/gpu.json"))
    parser.add_argument("--reference", type=Path, default=Path("benchmarks/results/learning"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--backend", choices=["warp"])
    parser.add_argument("--worlds", type=int, nargs="+", default=list(WORLDS))
    parser.add_argument("--minutes", type=float, default=7.5)
    parser.add_argument("--seconds", type=float, default=1.5, help="shortest measurement")
    parser.add_argument("--report", action="store_true", help="print the tables, measure nothing")
    args = parser.parse_args()
    results = read(args.out) if args.report else run(args)
    print(gpu_report.report(results, args.reference))


if __name__ == "__main__":
    main()
