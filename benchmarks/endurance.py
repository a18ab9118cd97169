"""Do the environments hold out? Random actions for 10,000 steps in 64 worlds, and what went wrong.

A world whose physics fail is counted and begins anew; a number that is not finite anywhere else is
an error of the environment. Some actions are held for a while and a quarter are extreme, as limits
are met that way. About a minute per environment on two cores:

    python benchmarks/endurance.py [ENV ...] --out benchmarks/results/endurance.json

The document is written after every environment; the same command goes on where it stopped.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from eureka_agent.environment import (
    Environment,
    MujocoWorlds,
    find_environment,
    list_environments,
    pools,
)

LONGEST_HOLD = 20


def endure(environment: Environment, worlds: int, steps: int) -> dict[str, Any]:
    """Step an environment with random actions and count what happens."""
    running = MujocoWorlds(environment, worlds)
    streams = pools.streams(pools.TRAINING, 0, worlds)
    running.start(slice(0, worlds), streams, torch.zeros(worlds, dtype=torch.int64))
    generator = torch.Generator().manual_seed(0)
    shape = (worlds, running.action_size)
    action = torch.zeros(shape)
    counts = dict.fromkeys(("diverged", "terminated", "truncated", "not_finite"), 0)
    began = time.perf_counter()
    for _ in range(steps):
        fresh = torch.rand(shape, generator=generator) * 2 - 1
        fresh[: worlds // 4] = fresh[: worlds // 4].sign()
        again = torch.rand(worlds, 1, generator=generator) < 2 / LONGEST_HOLD
        action = torch.where(again, fresh, action)
        step = running.step(action)
        for name in ("diverged", "terminated", "truncated"):
            counts[name] += int(getattr(step, name).sum())
        for seen in (step.after, step.final_observation, running.signals, running.observation):
            counts["not_finite"] += int((~seen.isfinite()).sum())
    return {
        "worlds": worlds,
        "steps": steps,
        **counts,
        "steps_per_second": round(worlds * steps / (time.perf_counter() - began)),
    }


def main() -> None:
    """Try the environments that are not in the document yet."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("environments", nargs="*", metavar="ENV")
    parser.add_argument("--worlds", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    done: dict[str, Any] = {}
    if args.out is not None and args.out.is_file():
        done = json.loads(args.out.read_text(encoding="utf-8"))
    for name in args.environments or list_environments():
        if name in done:
            continue
        done[name] = endure(find_environment(name), args.worlds, args.steps)
        print(name, json.dumps(done[name]), flush=True)
        if args.out is not None:
            args.out.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
