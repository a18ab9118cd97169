"""A run as a search leaves it, small, with everything that can happen in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from eureka_agent.store import Run

# Text as a hostile or careless program may hold it: markup, an escape sequence, a bell, a direction
# override, a lone surrogate.
HOSTILE = "[red]loud[/red] [/] \x1b[2J\x1b]0;title\x07 \x07bell \u202eback :smile: \ud800 end"
PROGRAM = f'''"""Stay up. {HOSTILE}"""

WEIGHTS = {{"up": 1.0}}


def compute_reward(pole_up):
    return {{"up": pole_up}}  # {HOSTILE}
'''
STEPS = 1000


@pytest.fixture
def new_run(tmp_path: Path) -> Iterator[Run]:
    """A run in which nothing has happened."""
    config = {"generations": 2, "candidates": 3, "steps": STEPS}
    with Run.create(tmp_path, "cartpole", goal="Swing the pole up.", seed=0, config=config) as run:
        yield run


@pytest.fixture
def full_run(new_run: Run) -> Run:
    """One generation: a candidate that trained, one rejected, one that failed; baselines."""
    run = new_run
    for slot in range(3):
        run.add_candidate(0, slot, PROGRAM, designer="offline", thought=HOSTILE, note=HOSTILE)
    finding = {
        "rule": "unknown-name",
        "severity": "error",
        "line": 6,
        "column": 19,
        "message": f"pole_pu is no signal {HOSTILE}",
        "hint": "Did you mean pole_up?",
    }
    run.set_verdict(1, [], accepted=True)
    run.set_verdict(2, [finding], accepted=False, failure=f"pole_pu is no signal {HOSTILE}")
    run.set_failure(3, f"Traceback:\n  line 6\nRewardFailed: not finite {HOSTILE}")
    train(run, run.add_training("candidate", 0, steps_total=STEPS, candidate=1).id, 10.0)
    run.set_result(1, fitness=10.0, own_return=3.0, checkpoint_step=STEPS)
    run.set_best(1)
    run.event("failed", f"failed: {HOSTILE}", 3)
    for seed, fitness in enumerate([20.0, 22.0, 24.0]):
        training = run.add_training("human", seed, steps_total=STEPS)
        train(run, training.id, fitness)
        run.set_reporting(training.id, fitness)
    broken = run.add_training("fitness", 0, steps_total=STEPS)
    run.fail_training(broken.id, "the worker was killed")
    run.add_usage(env_steps=4 * STEPS, train_seconds=2.0, wall_seconds=5.0)
    run.set_phase("comparing")
    return run


def train(run: Run, training: int, fitness: float) -> None:
    """Bring a training run to its end with two evaluations."""
    run.start_training(training)
    for share in (0.5, 1.0):
        run.add_evaluation(
            training,
            int(share * STEPS),
            fitness=share * fitness,
            own_return=3.0 * share,
            episode_length=500.0,
            ended_early=0.25,
            components={HOSTILE: {"mean": 1.0, "min": 0.0, "max": 2.0, "share": 1.0}},
            diagnostics={"kl": 0.01},
        )
        run.set_progress({training: int(share * STEPS)})
    run.finish_training(training, ranking_fitness=fitness, own_return=3.0, checkpoint_step=STEPS)
