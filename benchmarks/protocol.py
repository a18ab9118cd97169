"""How long does the published protocol take, and where does the time go?

Published CPU searches take 5 generations of 8 rewards, each trained for a million steps. This runs
that on half_cheetah with the offline designer, judge included, without the trainings that come
after a search. About half an hour on two cores that do nothing else:

    python benchmarks/protocol.py
    python benchmarks/protocol.py --generations 1 --steps 200000      # a quick look

The run lies under --runs like any other; what is printed is its wall-clock time by what the search
waited for.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eureka_agent.config import SearchConfig
from eureka_agent.search.loop import search
from eureka_agent.search.setup import new_search
from eureka_agent.workers.judge_client import JudgeClient
from eureka_agent.workers.trainer_client import TrainerClient

WAITS: tuple[tuple[type, str, str], ...] = (
    (TrainerClient, "advance", "training"),
    (JudgeClient, "judge", "judging"),
    (TrainerClient, "score", "judging"),
    (TrainerClient, "weights", "judging"),
    (TrainerClient, "__init__", "starting workers"),
    (JudgeClient, "__init__", "starting the judge"),
)
"""What a search waits for: a method, and what it is counted as."""


@contextmanager
def timed(spent: defaultdict[str, float]) -> Iterator[None]:
    """Count the seconds of every wait."""

    def watch(method: Callable[..., Any], label: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            try:
                return method(*args, **kwargs)
            finally:
                spent[label] += time.monotonic() - began

        return call

    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in WAITS]
    for (owner, name, label), (_, _, method) in zip(WAITS, originals, strict=True):
        setattr(owner, name, watch(method, label))
    try:
        yield
    finally:
        for owner, name, method in originals:
            setattr(owner, name, method)


def main() -> None:
    """Search, and print the split."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environment", default="half_cheetah")
    parser.add_argument("--generations", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, default=Path("runs/protocol"))
    args = parser.parse_args()
    launch = new_search(
        args.environment,
        args.runs,
        lambda found: SearchConfig.for_environment(
            found,
            designer="offline",
            generations=args.generations,
            candidates=args.candidates,
            steps=args.steps,
            seed=args.seed,
            retrainings=0,
        ),
    )
    spent: defaultdict[str, float] = defaultdict(float)
    began, processor = time.monotonic(), time.process_time()
    with timed(spent):
        search(launch)
    wall = time.monotonic() - began
    steps = launch.run.row().env_steps
    launch.run.close()
    spent["everything else"] = wall - sum(spent.values())
    print(f"{steps / 1e6:.1f} M steps in {wall / 60:.1f} min, {steps / wall / 1000:.1f} k/s")
    for label, seconds in sorted(spent.items(), key=lambda item: -item[1]):
        print(f"  {label:20} {seconds:8.1f} s  {seconds / wall:6.1%}")
    print(f"  of which this process {time.process_time() - processor:.1f} s of processor time")


if __name__ == "__main__":
    main()
