"""Which cheap look at a reward program tells best how well it trains?

40 programs, good and bad, on each of four environments are trained to the end on three seeds, and
then everything that a search may guess by is held against what they reached. The trainings take
about three hours of two cores; they go on where they stopped:

    python -m benchmarks.pool programs        # offline programs up to 40, all checked
    python -m benchmarks.pool train --ledger  # what is left, and how long it takes
    python -m benchmarks.pool train           # seed 0 of all environments, then the others
    python -m benchmarks.pool table           # the comparison, as far as trainings are complete
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.baselines_cells import training_rate
from benchmarks.pool import results, table
from benchmarks.pool.comparison import compared
from benchmarks.pool.guesses import guesses
from benchmarks.pool.members import ENVIRONMENTS, PROGRAMS, complete, fill, load
from benchmarks.pool.training import STEPS, Cell, train_cell
from eureka_agent.common.errors import EurekaError
from eureka_agent.environment import find_environment
from eureka_agent.store.folder import write_atomically
from eureka_agent.workers.probe_client import ProbeClient

RUNS = Path(__file__).resolve().parents[2] / "runs" / "pool"
"""Where the runs lie; git ignores it."""
SEEDS = (0, 1, 2)
JUDGING = 1.15
"""What a training takes at most in all, judging included, for each step of its own."""


def fill_all(args: argparse.Namespace) -> None:
    """Write the offline programs and check all."""
    for name in args.env:
        environment = find_environment(name)
        with ProbeClient(environment) as prober:
            written = fill(args.programs / f"{name}.toml", environment, prober, args.size)
        kinds = [member.kind for member in load(args.programs / f"{name}.toml")]
        counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
        print(f"{name}: {counts}; {len(written)} of them new", flush=True)


def cells_of(args: argparse.Namespace) -> list[Cell]:
    """The cells that are asked for and can be trained, all environments of a seed together."""
    cells = []
    for seed in args.seed:
        for name in args.env:
            try:
                members = complete(args.programs / f"{name}.toml", args.size)
            except EurekaError as error:
                print(f"left out: {error}", flush=True)
                continue
            cells.append(Cell(find_environment(name), seed, members, args.runs, args.steps))
    return cells


def ledger(cells: Sequence[Cell]) -> str:
    """What is left to be trained, and how long it will take."""
    lines, total = [], 0.0
    for cell in cells:
        left = cell.left()
        if left:
            rate = measured_rate(cell)
            seconds = JUDGING * left * cell.steps / rate
            total += seconds
            lines.append(
                f"{cell.environment.name:12} seed {cell.seed}: {left:2} trainings x "
                f"{cell.steps:,} steps at {rate:>6,.0f} a second: {seconds / 60:5.1f} min"
            )
    return "\n".join([*lines, f"Together {total / 60:.0f} minutes."] if lines else ["Nothing."])


def measured_rate(cell: Cell) -> float:
    """Steps per second of training: of the cell's environment so far, or of a short trial."""
    rows = [run.row() for _, run in cell.begun()]
    seconds = sum(row.train_seconds for row in rows)
    if not seconds:
        return training_rate(cell.environment, cell.config)
    return sum(row.env_steps for row in rows) / seconds


def train_all(args: argparse.Namespace) -> None:
    """Train what is left, and write the results after each population."""
    os.nice(args.nice)
    cells = cells_of(args)
    print(ledger(cells), flush=True)
    if args.ledger:
        return
    began, trained = time.monotonic(), 0
    for cell in cells:
        left = cell.left()
        for run in train_cell(cell) if left else ():
            trained += left - cell.left()
            left = cell.left()
            results.write(args.results, results.document(cell))
            waiting = sum(c.left() for c in cells)
            minutes = waiting * (time.monotonic() - began) / max(trained, 1) / 60
            row = run.row()
            print(
                f"{time.strftime('%H:%M')} {row.environment} seed {cell.seed}: {left} programs "
                f"left, {row.env_steps / max(row.train_seconds, 1):,.0f} steps/s; {waiting} "
                f"trainings left in all, about {minutes:.0f} min",
                flush=True,
            )


def compare_all(args: argparse.Namespace) -> None:
    """Compare on all cells that are complete; what was guessed before is not guessed anew."""
    path = args.results / "table.json"
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"environments": {}}
    guessed = {name: entry["seeds"] for name, entry in kept["environments"].items()}
    for cell in cells_of(args):
        name, seed = cell.environment.name, str(cell.seed)
        seeds = guessed.setdefault(name, {})
        if not cell.left() and (args.again or seed not in seeds):
            seeds[seed] = guesses(cell)
            entries = {name: {"seeds": done} for name, done in guessed.items()}
            write_atomically(path, json.dumps({"environments": entries}))  # it takes minutes a cell
            print(f"{name} seed {seed}: guessed", flush=True)
    trained = {name: results.read(args.results, name) for name, seeds in guessed.items() if seeds}
    found = {name: document for name, document in trained.items() if document is not None}
    document = compared(found, {name: guessed[name] for name in found})
    write_atomically(path, json.dumps(document, allow_nan=False) + "\n")
    print(table.text(document))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--env", nargs="+", choices=ENVIRONMENTS, default=ENVIRONMENTS)
    common.add_argument("--programs", type=Path, default=PROGRAMS, help="folder of programs")
    common.add_argument("--runs", type=Path, default=RUNS, help="folder of runs")
    common.add_argument("--results", type=Path, default=results.RESULTS, help="folder of results")
    common.add_argument("--size", type=int, default=40, help="programs of each environment")
    common.add_argument("--seed", nargs="+", type=int, default=SEEDS)
    common.add_argument("--steps", type=int, default=STEPS, help="of each training")
    made = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = made.add_subparsers(required=True)
    commands.add_parser("programs", parents=[common]).set_defaults(do=fill_all)
    train = commands.add_parser("train", parents=[common])
    train.add_argument("--ledger", action="store_true", help="print what it would take, and end")
    train.add_argument("--nice", type=int, default=0, help="how far to step back for others")
    train.set_defaults(do=train_all)
    compare = commands.add_parser("table", parents=[common])
    compare.add_argument("--again", action="store_true", help="guess anew")
    compare.set_defaults(do=compare_all)
    return made


def main() -> None:
    """Do what is asked for."""
    args = parser().parse_args()
    torch.set_num_threads(1)  # tiny networks: more threads only wait for each other
    args.do(args)


if __name__ == "__main__":
    main()
