"""What do random actions, the human reward and the bare fitness reach on each environment?

Trains the human reward and the bare fitness, all seeds of one reward side by side, and judges them
on the reporting pool as `eureka-agent evaluate` does. `evaluate` and `show` tell what it writes to
`envs/baselines.json`. On two cores at most about 12 minutes an environment:

    python benchmarks/baselines.py                      # what is missing or out of date, everywhere
    python benchmarks/baselines.py hopper --seeds 3     # one environment
    python benchmarks/baselines.py --report             # the tables, nothing is trained

A cell is an environment with one kind of policy, and is written when it is done; the same command
goes on with those that are missing, and several processes may share the work.
"""

import argparse
import datetime
import fcntl
import functools
import importlib.metadata
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import baselines_report
import torch
from baselines_cells import TRAINED, Result, interval, trained, training_rate, untrained

import eureka_agent
from eureka_agent.common.errors import EurekaError
from eureka_agent.common.statistics import compare, estimate
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, find_environment, list_environments, load_fitness
from eureka_agent.store import baselines_path, fingerprint, read_baselines
from eureka_agent.store.folder import write_atomically
from eureka_agent.workers.session import thread_count

CELLS = ("random", "zero", *TRAINED)
SEEDS = 5
KEEP = Path(__file__).resolve().parents[1] / "runs" / "baselines"
"""Where claims and the best policies are kept; git ignores it."""
JUDGING = 1.15
"""What a training takes at most in all, judging included, for each step of its own."""
PACKAGES = ("mujoco", "torch", "stable-baselines3")
PAIRS = {"human_against_random": ("human", "random"), "human_against_bare": ("human", "bare")}


@dataclass(frozen=True)
class Plan:
    """How much is trained where the usual is too much for two cores.

    Attributes:
        seeds: trainings of each reward.
        steps: environment steps of each; None for the environment's own budget.
        reason: why not five seeds at the environment's own budget.
    """

    seeds: int = SEEDS
    steps: int | None = None
    reason: str = ""


HEAVY = {
    "ant": Plan(3, None, "eight motors on a free body, half of half_cheetah's rate"),
    "ant_isaac": Plan(3, None, "as ant"),
    "quadcopter": Plan(3, None, "600 k steps a training"),
    "franka_cabinet": Plan(4, 200_000, "an arm in contact with a drawer"),
    "humanoid": Plan(4, 300_000, "17 motors, a third of half_cheetah's rate and slow to learn"),
    "humanoid_isaac": Plan(4, 300_000, "as humanoid, with 21 motors"),
    "anymal": Plan(4, 200_000, "12 motors on a free body, with contacts of four feet"),
    "allegro_hand": Plan(4, 300_000, "a hand of 16 motors in constant contact with a cube"),
    "shadow_hand": Plan(4, 400_000, "a hand of 20 motors in constant contact with a cube"),
}
"""Here fewer seeds or steps must do; a GPU runs them at the budgets that their READMEs name."""


class Task:
    """An environment with how much of it is trained.

    Args:
        name: of the environment, or the path of its folder.
        seeds: trainings of each reward; None for those of the plan.
        steps: of each; None for those of the plan.
        cells: those to do.
    """

    def __init__(
        self,
        name: str,
        seeds: int | None = None,
        steps: int | None = None,
        cells: tuple[str, ...] = CELLS,
    ) -> None:
        self.environment: Environment = find_environment(name)
        self.name = self.environment.name
        self._cells = cells
        plan = HEAVY.get(self.name, Plan())
        seeds = seeds or plan.seeds
        self.config = SearchConfig.for_environment(
            self.environment,
            device="cpu",
            candidates=seeds,
            retrainings=seeds,
            steps=steps or plan.steps,
        )
        self.header: dict[str, Any] = {
            "fingerprint": fingerprint(self.environment.folder),
            "steps": self.config.steps,
            "seeds": seeds,
            "lanes": self.config.candidates,
            "worlds": self.config.worlds,
            "episodes": self.config.reporting_episodes,
        }
        self.reason = plan.reason if steps is None else ""

    @functools.cached_property
    def rate(self) -> float:
        """Environment steps per second of training, measured when it is first asked for."""
        return training_rate(self.environment, self.config)

    @property
    def cells(self) -> tuple[str, ...]:
        """What can be measured here."""
        human = self.environment.human_reward_path is not None
        return tuple(cell for cell in self._cells if cell != "human" or human)

    def missing(self, entry: dict[str, Any]) -> list[str]:
        """The cells that an entry of the document has not, or not as they would be now."""
        done = entry if self.current(entry) else {}
        return [cell for cell in self.cells if cell not in done]

    def current(self, entry: dict[str, Any]) -> bool:
        """Whether an entry is about this environment as it is, trained as much."""
        return all(entry.get(key) == value for key, value in self.header.items())

    def seconds(self, cell: str) -> float:
        """A forecast of what a cell takes."""
        steps = self.header["seeds"] * self.config.steps
        return JUDGING * steps / self.rate if cell in TRAINED else 0.0

    def measure(self, cell: str) -> Result:
        """Do a cell."""
        if cell in TRAINED:
            keep = KEEP / self.name / f"{cell}.zip"
            return trained(self.environment, self.config, cell, keep)
        return untrained(self.environment, self.config, cell)


def ledger(tasks: Sequence[Task], document: dict[str, dict[str, Any]]) -> str:
    """What is left to be done and how long it will take, as far as a short trial can tell."""
    lines, total = [], 0.0
    for task in tasks:
        cells = [c for c in task.missing(document.get(task.name, {})) if c in TRAINED]
        if not cells:
            continue
        seconds = sum(task.seconds(cell) for cell in cells)
        total += seconds
        lines.append(
            f"{task.name:26} {len(cells) * task.header['seeds']:3} trainings x "
            f"{task.config.steps:>9,} steps at {task.rate:>8,.0f} a second: {seconds / 60:5.1f} min"
        )
    return "\n".join([*lines, f"Together {total / 60:.0f} minutes."] if lines else ["Nothing."])


def run_cells(tasks: Sequence[Task], path: Path, seconds_at_most: float = float("inf")) -> None:
    """Do what is missing, and write each cell when it is done.

    Args:
        tasks: the environments.
        path: of the document.
        seconds_at_most: no cell is begun that by its forecast would end later than this.
    """
    began = time.monotonic()
    for task in tasks:
        for cell in task.missing(read_baselines(path).get(task.name, {})):
            if time.monotonic() - began + task.seconds(cell) > seconds_at_most:
                print(f"{task.name} {cell}: left for another time", flush=True)
                continue
            with claimed(KEEP / f"{task.name}-{cell}.claim") as ours:
                if not ours or cell not in task.missing(read_baselines(path).get(task.name, {})):
                    continue
                try:
                    result = task.measure(cell)
                except EurekaError as error:
                    print(f"{task.name} {cell}: {error}", flush=True)
                    continue
                enter(path, task, cell, result)
                values = ", ".join(f"{value:.3f}" for value in result.fitness)
                print(f"{task.name} {cell}: {values}  ({result.seconds:.0f} s)", flush=True)


def enter(path: Path, task: Task, cell: str, result: Result) -> None:
    """Write a cell into the document, and all that follows from it."""
    with claimed(KEEP / "document.claim", wait=True):
        document = read_baselines(path)
        entry = document.get(task.name, {})
        if not task.current(entry):
            entry = dict(task.header)
        fitness = load_fitness(task.environment.fitness_path)
        entry |= {"meaning": fitness.meaning, "reason": task.reason} | machine()
        entry[cell] = interval(result.fitness, result.failed) | {"seconds": round(result.seconds)}
        if fitness.progress is not None:
            progress = entry.setdefault("progress", {})
            progress["meaning"] = fitness.progress.meaning
            progress[cell] = interval(result.progress)
            progress["verdicts"] = verdicts(progress)
        entry["verdicts"] = verdicts(entry)
        document[task.name] = entry
        write(path, dict(sorted(document.items())))


def verdicts(entry: dict[str, Any]) -> dict[str, Any]:
    """Whether the human reward beats random actions and the bare fitness, as far as is known."""
    found = {}
    for name, (one, other) in PAIRS.items():
        if one in entry and other in entry:
            first, second = (estimate(entry[side]["values"]) for side in (one, other))
            difference = compare(first, second)
            low, high = difference.interval or (None, None)
            found[name] = {
                "difference": difference.difference,
                "low": low,
                "high": high,
                "verdict": difference.verdict,
            }
    return found


def machine() -> dict[str, Any]:
    """By what, when and where the newest cell of an entry was measured."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "trainer": fingerprint(Path(eureka_agent.__file__).parent / "training"),
        "versions": {"eureka-agent": eureka_agent.__version__} | versions,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cores": thread_count(SearchConfig()),
    }


def write(path: Path, document: dict[str, Any]) -> None:
    """Write the document all at once, so that it is whole whenever somebody reads it."""
    write_atomically(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


@contextmanager
def claimed(claim: Path, wait: bool = False) -> Iterator[bool]:
    """Whether we have a claim for the length of the block: nobody else has it.

    The kernel drops the claim of a process that dies.
    """
    claim.parent.mkdir(parents=True, exist_ok=True)
    with claim.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def main() -> None:
    """Measure what is missing, or report what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("environments", nargs="*", metavar="ENV", help="all when none is named")
    parser.add_argument("--seeds", type=int, help="trainings of each reward")
    parser.add_argument("--steps", type=int, help="environment steps per training")
    parser.add_argument("--cells", nargs="+", choices=CELLS, default=CELLS)
    parser.add_argument("--seconds-at-most", type=float, default=float("inf"))
    parser.add_argument("--out", type=Path, default=baselines_path("any"))
    parser.add_argument("--ledger", action="store_true", help="print what it would take, and end")
    parser.add_argument("--report", action="store_true", help="print the tables, train nothing")
    args = parser.parse_args()
    torch.set_num_threads(1)  # tiny networks: more threads only wait for each other
    if args.report:
        print(baselines_report.report(read_baselines(args.out)))
        return
    names = args.environments or list_environments()
    tasks = [Task(name, args.seeds, args.steps, tuple(args.cells)) for name in names]
    print(ledger(tasks, read_baselines(args.out)), flush=True)
    if not args.ledger:
        run_cells(tasks, args.out, args.seconds_at_most)


if __name__ == "__main__":
    main()
