"""Runs as a long search leaves them, written through the store: for views of many candidates."""

import math
from pathlib import Path
from typing import Any

from eureka_agent.store import Run
from eureka_agent.store.rows import Role

BASELINES: dict[Role, float] = {"human": 6.0, "fitness": 5.0}
STEPS = 300_000
POINTS = 5
PROGRAM = '''"""{thought}"""

WEIGHTS = {{"forward": {forward:.2f}, "upright": 0.30, "effort": 0.01}}


def compute_reward(torso_velocity, torso_up, action, prev_action):
    forward = torso_velocity[:, 0]
    upright = torch.exp(torso_up[:, 2] - 1.0)
    effort = -(action - prev_action).square().sum(-1)
    return {{"forward": forward, "upright": upright, "effort": effort}}
'''
FINDING = {
    "rule": "unknown-name",
    "severity": "error",
    "line": 8,
    "column": 14,
    "message": '"torso_speed" is no signal of this environment.',
    "hint": "Did you mean torso_velocity?",
}


FAILURES = {
    "episodes": 4,
    "failed": 2,
    "untyped": 1,
    "progress": "the way along torso_position[:, 0]",
    "types": [
        {
            "kind": "fell",
            "share": 0.5,
            "step": 120,
            "components": {"forward": 0.9},
            "sentence": "Fell: 1 of 2, from about step 120.",
        }
    ],
    "lines": ["Of its 4 episodes 2 failed. How, by rules:", "- Fell: 1 of 2, from about step 120."],
}


def _lens() -> dict[str, Any]:
    """A lens with as many numbers as that of a program of five components."""
    grids = [[round(0.123 * i, 3) for i in range(n)] for n in (26, 17)]
    line, square = [math.sin(x) for x in grids[0]], [[x * y for x in grids[1]] for y in grids[1]]
    speed = {"name": "torso_velocity[:, 0]", "unit": "m/s"}
    up = {"name": "torso_up[:, 2]", "unit": "1"}
    parts = {name: [float(f"{value / 3:.4g}") for value in line] for name in "abcde"}
    curve = [float(f"{value:.4g}") for value in line]
    return {
        "views": [
            {"swept": [speed], "grids": [grids[0]], "total": curve, "components": parts},
            {"swept": [up], "grids": [grids[0]], "total": curve, "components": parts},
            {
                "swept": [speed, up],
                "grids": [grids[1], grids[1]],
                "total": [[float(f"{value:.4g}") for value in row] for row in square],
                "components": {},
            },
        ],
        "spreads": {"forward": {"random": [-1.0, 0.0, 1.0], "own": [0.5, 1.5, 2.5]}},
        "lines": ["- Over torso_velocity[:, 0] from 0 to 3.08 m/s the reward rises."],
    }


def large_run(directory: Path, candidates: int = 1000, per_generation: int = 16) -> Run:
    """A finished search with everything that a view may show, written within a second or two.

    Of each generation one candidate is rejected and one fails; each has an exchange with the model
    and a parent in the generation before; the human reward and the bare fitness trained twice.

    Args:
        directory: where the run folder is made.
        candidates: how many; counted from 1 as in any run.
        per_generation: how many of them belong together.
    """
    generations = -(-candidates // per_generation)
    config = {"generations": generations, "candidates": per_generation, "steps": STEPS}
    goal = "Run forward as fast as you can."
    run = Run.create(directory, "synthetic", goal=goal, seed=7, config=config)
    with run.transaction():
        for number in range(1, candidates + 1):
            _candidate(run, number, per_generation)
        for role, fitness in BASELINES.items():
            for seed in range(2):
                training = run.add_training(role, seed, steps_total=STEPS)
                _train(run, training.id, fitness + 0.2 * seed)
                run.set_reporting(training.id, fitness + 0.2 * seed)
        rows = [row for row in run.candidates() if row.fitness is not None]
        best = max(rows, key=lambda row: row.fitness or 0.0, default=None)
        if best is not None:
            run.set_best(best.id)
            run.set_reporting(run.trainings("candidate", best.id)[0].id, best.fitness or 0.0)
        run.add_usage(env_steps=candidates * STEPS, train_seconds=6000.0, wall_seconds=7000.0)
        run.event("finished", "the search is over")
        run.set_status("finished")
    return run


def _candidate(run: Run, number: int, per_generation: int) -> None:
    """One candidate, brought to its end."""
    generation, slot = divmod(number - 1, per_generation)
    thought = f"Idea {number}: run forward, stay upright, waste no effort."
    text = PROGRAM.format(thought=thought, forward=1 + slot / 10)
    parents = (number - per_generation,) if generation else ()
    run.add_candidate(generation, slot, text, designer="openai", parents=parents, thought=thought)
    run.add_exchange(
        "designer",
        (generation, slot, 0),
        model="model",
        messages=[{"role": "system", "content": "Write a reward."}],
        reply=f"```python\n{text}```",
        reasoning="",
        finish_reason="stop",
        prompt_tokens=2000,
        completion_tokens=200,
        estimated=False,
        cost=0.01,
        seconds=3.0,
    )
    if slot == per_generation - 2:
        run.set_verdict(number, [FINDING], accepted=False, failure=FINDING["message"])
        return
    run.set_verdict(number, [], accepted=True)
    training = run.add_training("candidate", 0, steps_total=STEPS, candidate=number)
    if slot == per_generation - 1:
        run.fail_training(training.id, "RewardFailed: not finite")
        run.set_failure(number, "Traceback:\n  line 8\nRewardFailed: not finite")
        return
    fitness = 4.0 + math.sin(number) + generation / 50
    _train(run, training.id, fitness)
    run.set_result(number, fitness=fitness, own_return=9.0, checkpoint_step=STEPS)
    run.set_reflection(number, f"Trained for 300k steps: fitness {fitness:.2f}.")
    run.add_analysis(number, failures=FAILURES, lens=_lens())


def _train(run: Run, training: int, fitness: float) -> None:
    """A training run from its first evaluation to its last."""
    run.start_training(training)
    for point in range(1, POINTS + 1):
        share = point / POINTS
        run.add_evaluation(
            training,
            int(share * STEPS),
            fitness=fitness * share,
            own_return=9.0 * share,
            episode_length=1000.0,
            ended_early=0.0,
            components={
                "forward": {"mean": share, "min": -1.0, "max": 2.0, "share": 0.8},
                "upright": {"mean": 0.2, "min": 0.0, "max": 0.3, "share": 0.15},
                "effort": {"mean": -0.05, "min": -0.1, "max": 0.0, "share": 0.05},
            },
            diagnostics={"kl": 0.01, "learning_rate": 3e-4, "explained_variance": share},
        )
    run.set_progress({training: STEPS})
    run.finish_training(training, ranking_fitness=fitness, own_return=9.0, checkpoint_step=STEPS)
