"""Is the winner of a search better than training on the fitness itself?

Searches, then retrains on fresh seeds: the winner, the human reward, the bare fitness, and the bare
fitness once more with the best of as many trainings as the search had candidates. About 14 million
steps with the defaults, 15 minutes on two cores:

    python benchmarks/winner_against_bare.py half_cheetah --search-seeds 0 --out winner.json

The document is written after every part; the same command goes on where it stopped.
"""

import argparse
import json
import statistics
from pathlib import Path

from eureka_agent.common.statistics import estimate
from eureka_agent.config import SearchConfig
from eureka_agent.environment import pools
from eureka_agent.search.loop import evaluate, search
from eureka_agent.search.setup import new_search, resumed_search
from eureka_agent.search.trainer import Job, Trainer
from eureka_agent.store import RunReader, find_run
from eureka_agent.views.documents import run_document
from eureka_agent.workers.judge_client import JudgeClient


def searched(environment: str, designer: str, seed: int, steps: int | None, runs: Path) -> Path:
    """The finished run of a search; an unfinished one goes on."""
    folder = runs / f"{designer}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.glob("*/run.db")):
        path = find_run("latest", folder)
        with RunReader.open(path) as run:
            if run.status() == "finished":
                return path
        launch = resumed_search(path)
    else:
        launch = new_search(
            environment,
            folder,
            lambda found: SearchConfig.for_environment(
                found, designer=designer, seed=seed, steps=steps, retrainings=0
            ),
        )
    search(launch)
    launch.run.close()
    return launch.run.path


def best_of_bare(path: Path, count: int) -> list[float]:
    """Reporting fitness of `count` bare trainings on seeds that nothing else uses."""
    launch = resumed_search(path)
    run, config = launch.run, launch.config
    seeds = [config.training_seed(100 + i) for i in range(count)]
    with run.lock(), JudgeClient(launch.environment, config, launch.fitness) as judge:
        trainer = Trainer(run, launch.environment, config, judge, launch.fitness)
        rows = [run.add_training("fitness", seed, steps_total=config.steps) for seed in seeds]
        jobs = [Job(r.id, None, r.seed, "bare") for r in rows if r.reporting_fitness is None]
        for start in range(0, len(jobs), config.candidates):
            for outcome in trainer.train(jobs[start : start + config.candidates]):
                if outcome.best is not None:
                    (judged,) = judge.judge(
                        [outcome.best.weights], pools.REPORTING, config.reporting_episodes
                    )
                    run.set_reporting(outcome.job.training, float(judged.fitness.mean()))
    values = {t.seed: t.reporting_fitness for t in run.trainings("fitness")}
    run.close()
    return [value for seed in seeds if (value := values[seed]) is not None]


def difference(ours: list[float], theirs: list[float]) -> tuple[float, float, float]:
    """Mean difference of two groups of trainings with Welch's 95 % interval."""
    import math

    from eureka_agent.common.statistics import t_quantile

    variances = [statistics.variance(group) / len(group) for group in (ours, theirs)]
    error = math.sqrt(sum(variances))
    freedom = sum(variances) ** 2 / sum(
        v**2 / (len(g) - 1) for v, g in zip(variances, (ours, theirs), strict=True)
    )
    mean = statistics.mean(ours) - statistics.mean(theirs)
    width = t_quantile(max(int(freedom), 1)) * error
    return mean, mean - width, mean + width


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("environment")
    parser.add_argument("--search-seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--designers", nargs="+", default=["offline"])
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seeds", type=int, default=5, help="fresh training seeds per reward")
    parser.add_argument("--bare", type=int, default=12, help="bare trainings to take the best of")
    parser.add_argument("--runs", type=Path, default=Path("runs/winner_against_bare"))
    parser.add_argument("--out", type=Path, default=Path("winner_against_bare.json"))
    args = parser.parse_args()
    results: dict[str, object] = {}
    for designer in args.designers:
        for seed in args.search_seeds:
            path = searched(args.environment, designer, seed, args.steps, args.runs)
            launch = resumed_search(path)
            evaluate(launch, args.seeds)
            launch.run.close()
            with RunReader.open(path) as run:
                fresh = run_document(run)["comparison"]
                text = run.candidate(run.row().best_candidate or 1).text
            winner, human, bare = (
                list(fresh[role]["values"])[: args.seeds]
                for role in ("winner", "human", "fitness_only")
            )
            many = best_of_bare(path, args.bare) if args.bare else []
            mean, low, high = difference(winner, bare)
            result = {
                "winner": winner,
                "human": human,
                "bare": bare,
                "winner_minus_bare": [mean, low, high],
                "best_of_many_bare": max(many, default=None),
                "many_bare": many,
                "program": text,
            }
            results[f"{designer}-{seed}"] = result
            args.out.write_text(json.dumps(results, indent=2))
            print(f"{designer} search, seed {seed}")
            for name, values in (("winner", winner), ("human", human), ("bare", bare)):
                interval = estimate(values)
                print(f"  {name:8} {interval.mean:.3f}  {[round(v, 3) for v in values]}")
            print(f"  winner - bare {mean:.3f} [{low:.3f}, {high:.3f}]")
            if many:
                average = statistics.mean(many)
                print(f"  best of {len(many)} bare trainings {max(many):.3f}, mean {average:.3f}")


if __name__ == "__main__":
    main()
