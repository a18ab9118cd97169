"""How many broken reward programs does the exam find, and how many sound ones does it doubt?

The programs are those that authors wrote for the pool, sound and broken, before the exam was tuned;
the episodes are those of the pool's runs. Three banks are tried: episodes of random actions alone,
those of all policies that nobody trained, and besides those of the first eight offline programs, as
a search has them after its first generation. Nothing is trained; a minute for each environment:

    python -m benchmarks.exam --entry "as found"         # measure, and keep it under that name
    python -m benchmarks.exam --report                   # the tables of what was measured

An environment whose runs are missing is left out; `python -m benchmarks.pool train` makes them.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.exam_report import report
from benchmarks.pool.members import PROGRAMS, Member, load
from benchmarks.pool.results import RESULTS as POOL
from benchmarks.pool.results import read
from eureka_agent.analysis.rewards.bank import BEFORE_ALL, FOLDER, SUFFIX, Bank, Entry
from eureka_agent.common.errors import MissingError
from eureka_agent.critic.examination import Examination
from eureka_agent.critic.examiner import Examiner
from eureka_agent.environment import Environment, find_environment
from eureka_agent.store import list_runs
from eureka_agent.store.folder import write_atomically
from eureka_agent.workers.probe_client import ProbeClient

ENVIRONMENTS = ("hopper", "half_cheetah", "walker2d")
BANKS = ("random", "references", "generation")
RUNS = Path(__file__).resolve().parents[1] / "runs" / "pool"
RESULTS = Path(__file__).resolve().parent / "results" / "exam.json"
OPENING = 8
"""Programs of the first generation."""
SEED = 0
"""Of the pool's runs that are looked at."""


def examined(
    environment: Environment, folder: Path, members: Sequence[Member], kind: str
) -> list[dict[str, Any]]:
    """What the exam says of each program on one kind of bank.

    Args:
        environment: the task.
        folder: of a run of the pool.
        members: programs.
        kind: one of `BANKS`.

    Raises:
        ChildFailed: programs cannot be scored.
        JobFailed: the environment cannot be set up.
    """
    with part_of_bank(folder, kind) as bank, ProbeClient(environment) as prober:
        texts = [m.text for m in members]
        found = Examiner(environment, bank, prober).examine(texts)
        without = Examiner(environment, bank, prober, declared=False).examine(texts)
    return [
        {
            "file": member.file,
            "kind": member.kind,
            "fault": member.fault,
            **verdict(result, ""),
            **verdict(plain, "_undeclared"),
            "objections": result.objections if result else [],
        }
        for member, result, plain in zip(members, found, without, strict=True)
    ]


def verdict(result: Examination | None, suffix: str) -> dict[str, bool]:
    """Whether a program is refused, or anything is objected to it; nothing if it is not known."""
    return {
        f"doubted{suffix}": result is not None and (result.suspect or result.refused),
        f"refused{suffix}": result is not None and result.refused,
    }


@contextmanager
def part_of_bank(folder: Path, kind: str) -> Iterator[Bank]:
    """A copy of what a run's bank held at some time.

    Args:
        folder: of the run.
        kind: one of `BANKS`.

    Raises:
        MissingError: the run has not got so far.
    """
    with tempfile.TemporaryDirectory(prefix="eureka-exam-") as copy:
        whole = shutil.copytree(folder / FOLDER, Path(copy) / "whole")
        held = Bank(whole, 1 << 40, print).entries
        for entry in held:
            if not _belongs(entry, kind):
                (whole / f"{entry.name}{SUFFIX}").unlink()
        bank = Bank(whole, 1 << 40, print)
        policies = {entry.candidate for entry in bank.entries} - {0}
        if not bank.entries or (kind == "generation" and len(policies) < OPENING):
            raise MissingError(
                f"{folder} does not hold a {kind} bank yet.",
                "Train its first programs: python -m benchmarks.pool train",
            )
        yield bank


def _belongs(entry: Entry, kind: str) -> bool:
    if kind == "random":
        return entry.policy == "random"
    last = BEFORE_ALL if kind == "references" else 0
    return entry.generation <= last


def truth(environment: str, results: Path) -> dict[str, float]:
    """True fitness of an environment's programs, the mean over the seeds that are done."""
    document = read(results, environment)
    programs = document["programs"] if document else []
    found = {
        p["file"]: [s["true_fitness"] for s in p["seeds"].values() if s["true_fitness"] is not None]
        for p in programs
    }
    return {file: sum(values) / len(values) for file, values in found.items() if values}


def measure(args: argparse.Namespace, document: dict[str, Any]) -> None:
    """Measure what can be, into one entry of a document that is written after each bank."""
    entry = document.setdefault(args.entry, {})
    for name in args.env:
        runs = list_runs(args.runs / name / f"seed-{SEED}")
        if not runs:
            print(f"{name} is left out: no run in {args.runs}", flush=True)
            continue
        environment = find_environment(name)
        members = [m for m in load(args.programs / f"{name}.toml") if m.kind != "offline"]
        for kind in args.bank:
            try:
                entry.setdefault(name, {})[kind] = examined(environment, runs[0], members, kind)
            except MissingError as error:
                print(error, flush=True)
                continue
            write_atomically(args.out, json.dumps(document, indent=1) + "\n")
            print(f"{name}, {kind}: examined {len(members)} programs", flush=True)


def main() -> None:
    """Measure, or report what was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--entry", default="now", help="name of the measurement")
    parser.add_argument("--env", nargs="+", choices=ENVIRONMENTS, default=ENVIRONMENTS)
    parser.add_argument("--bank", nargs="+", choices=BANKS, default=BANKS)
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of the pool's runs")
    parser.add_argument("--programs", type=Path, default=PROGRAMS, help="folder of programs")
    parser.add_argument("--pool", type=Path, default=POOL, help="folder of the pool's results")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of the results")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)
    there = args.out.is_file()
    document = json.loads(args.out.read_text(encoding="utf-8")) if there else {}
    if not args.report:
        measure(args, document)
    print(report(document, {name: truth(name, args.pool) for name in ENVIRONMENTS}))


if __name__ == "__main__":
    main()
