"""Does our trainer learn as well as stable-baselines3's PPO?

Both train on the human reward for a million steps, eight seeds each, on three environments: ours
with each environment's own settings, eight seeds as the lanes of one population; stable-baselines3
with the hyper-parameters of its zoo (`zoo_ppo.py`). Both are looked at in the same way at twelve
points: the deterministic policy on 16 reporting episodes of our environment. On one core a cell of
stable-baselines3 takes 15 to 30 minutes and there are 24, so let it run overnight:

    python benchmarks/learning.py --out benchmarks/results/learning
    python benchmarks/learning.py --out benchmarks/results/learning --report

Every cell (trainer, environment, seed) is a file, written when it is done; the same command goes on
with those that are missing, and several processes may share the work.
"""

import argparse
import fcntl
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import learning_report
import torch
import zoo_ppo
from torch import Tensor

from eureka_agent.common.errors import UsageError
from eureka_agent.environment import (
    Environment,
    MujocoWorlds,
    TrainingSettings,
    find_environment,
    list_environments,
    load_fitness,
    pools,
    record,
)
from eureka_agent.reward import parse
from eureka_agent.training import Population
from eureka_agent.training.networks import make_policy

TRAINERS = ("sb3", "population")
SEEDS = 8
LOOKS = 12
EPISODES = 16


@dataclass
class Cell:
    """A training and how good its policy was along the way.

    Attributes:
        trainer: "sb3" or "population".
        environment: its name.
        seed: of the training.
        version: fingerprint of the human reward and the fitness.
        points: environment steps at each look.
        returns: mean return of the human reward at each look.
        fitness: mean fitness at each look.
        lengths: mean length of an episode at each look, in control steps.
        seconds: that the training took, looks and neighbours included.
    """

    trainer: str
    environment: str
    seed: int
    version: str
    points: list[int] = field(default_factory=list)
    returns: list[float] = field(default_factory=list)
    fitness: list[float] = field(default_factory=list)
    lengths: list[float] = field(default_factory=list)
    seconds: float = 0.0


class Looker:
    """Measures policies on the reporting episodes of an environment."""

    def __init__(self, environment: Environment, episodes: int, threads: int) -> None:
        path = environment.human_reward_path
        if path is None:
            raise UsageError(f"{environment.name} has no human reward.", "Choose another one.")
        text = path.read_text(encoding="utf-8")
        self.reward = parse(text, environment.signals_described).compile()
        self._fitness = load_fitness(environment.fitness_path)
        self._worlds = MujocoWorlds(environment, episodes, threads)

    @torch.no_grad()
    def measure(self, cell: Cell, steps: int, act: zoo_ppo.Act) -> None:
        """Run a policy and add a point to its cell."""
        worlds = self._worlds
        streams = pools.streams(pools.REPORTING, 0, worlds.n)
        recorded, _ = record(worlds, streams, lambda t, seen: act(seen).clamp(-1.0, 1.0))
        layout = self._worlds.layout
        paid = self.reward(recorded.arguments(layout, self.reward.parameters))
        done = self._fitness(recorded.arguments(layout, self._fitness.parameters))
        fitness = self._fitness.episode(
            done.total.view(recorded.actions.shape[:2]).double(), recorded.lengths
        )
        cell.points.append(steps)
        cell.returns.append(float(recorded.sums(paid).mean()))
        cell.fitness.append(float(fitness.mean()))
        cell.lengths.append(float(recorded.lengths.double().mean()))


def train_sb3(environment: Environment, seed: int, steps: int, episodes: int) -> list[Cell]:
    """One training of stable-baselines3."""
    cell = Cell("sb3", environment.name, seed, version(environment))
    looker = Looker(environment, episodes, threads=1)
    began = time.monotonic()
    zoo_ppo.train(
        environment,
        seed,
        steps,
        looks(steps)[:-1],
        lambda done, act: looker.measure(cell, done, act),
    )
    cell.seconds = time.monotonic() - began
    return [cell]


def train_population(
    environment: Environment, seeds: Sequence[int], steps: int, episodes: int
) -> list[Cell]:
    """All seeds as the lanes of one population."""
    cells = [Cell("population", environment.name, seed, version(environment)) for seed in seeds]
    looker = Looker(environment, episodes, threads=0)
    settings = environment.training
    population = Population(environment, len(seeds), settings.worlds)
    for lane, seed in enumerate(seeds):
        population.load(lane, looker.reward, seed)
    began = time.monotonic()
    done = 0
    for point in looks(steps):
        if point <= done:
            continue  # whole rollouts have gone past it
        reports = population.advance(point - done)
        done = reports[0].steps
        for report, cell in zip(reports, cells, strict=True):
            if report.evicted is not None:
                raise UsageError(f"Seed {cell.seed} stopped: {report.evicted}", "See the trainer.")
            act = _deployed(population.weights(report.lane), settings)
            looker.measure(cell, done, act)
    for cell in cells:
        cell.seconds = time.monotonic() - began
    return cells


def _deployed(weights: Mapping[str, Tensor], settings: TrainingSettings) -> zoo_ppo.Act:
    """The deterministic policy of a folded state dict."""
    size = weights["mlp_extractor.policy_net.0.weight"].shape[1]
    policy = make_policy(size, len(weights["log_std"]), settings)
    policy.load_state_dict(weights)
    return lambda observation: policy.get_distribution(observation).mode()


def looks(steps: int) -> list[int]:
    """The steps at which policies are measured; the last one is the end."""
    return [steps * look // LOOKS for look in range(1, LOOKS + 1)]


def version(environment: Environment) -> str:
    """A fingerprint of what is paid and what is measured."""
    path = environment.human_reward_path
    files = [environment.fitness_path, *([path] if path else [])]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def run_cells(args: argparse.Namespace) -> None:
    """Train what is missing, first seed of everything first."""
    groups: list[tuple[str, str, list[int]]] = []
    if "population" in args.only:
        groups += [("population", name, args.seeds) for name in args.environments]
    if "sb3" in args.only:
        groups += [("sb3", name, [seed]) for seed in args.seeds for name in args.environments]
    for trainer, name, seeds in groups:
        files = [args.out / f"{trainer}-{name}-{seed}.json" for seed in seeds]
        if name not in list_environments():
            print(f"{name}: there is no such environment yet", flush=True)
            continue
        with claimed(files) as ours:
            if not ours:
                continue
            environment = find_environment(name)
            print(f"{trainer} {name} {seeds}", flush=True)
            if trainer == "sb3":
                cells = train_sb3(environment, seeds[0], args.steps, args.episodes)
            else:
                cells = train_population(environment, seeds, args.steps, args.episodes)
            for file, cell in zip(files, cells, strict=True):
                write(file, asdict(cell))
                print(f"  seed {cell.seed}: {cell.returns[-1]:.0f}", flush=True)


@contextmanager
def claimed(files: Sequence[Path]) -> Iterator[bool]:
    """Whether these results are ours to make: not there yet, and nobody else is at them.

    The kernel drops the claim of a process that dies.
    """
    claim = files[0].with_suffix(".claim")
    claim.parent.mkdir(parents=True, exist_ok=True)
    with claim.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        try:
            yield not all(file.exists() for file in files)
        finally:
            claim.unlink(missing_ok=True)


def write(file: Path, content: dict[str, Any]) -> None:
    """Write a JSON file all at once."""
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(content) + "\n", encoding="utf-8")
    part.replace(file)


def main() -> None:
    """Train what is missing, or report what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/learning"))
    parser.add_argument("--only", nargs="+", choices=TRAINERS, default=list(TRAINERS))
    parser.add_argument(
        "--environments", nargs="+", choices=list(zoo_ppo.ENTRIES), default=list(zoo_ppo.ENTRIES)
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(SEEDS)))
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--episodes", type=int, default=EPISODES)
    parser.add_argument("--report", action="store_true", help="print the tables, train nothing")
    args = parser.parse_args()
    if args.report:
        print(learning_report.report(args.out))
        return
    torch.set_num_threads(1)  # tiny networks: more threads only wait for each other
    run_cells(args)


if __name__ == "__main__":
    main()
