"""How good is the winner? Retrained, beside the human reward and the bare fitness.

Every number here comes from the reporting pool, on which nothing was trained or chosen, and from
training seeds that the search never used.
"""

import shutil

from eureka_agent.environment import Environment, pools
from eureka_agent.search.children import Judge
from eureka_agent.search.config import SearchConfig
from eureka_agent.search.trainer import Job, Outcome, Trainer
from eureka_agent.store import CandidateRow, Run
from eureka_agent.store.rows import Role


def enter_baselines(run: Run, environment: Environment, config: SearchConfig) -> None:
    """Enter the baselines' trainings, so that everybody can see how much is left to do."""
    roles: list[Role] = (
        ["fitness"] if environment.human_reward_path is None else ["human", "fitness"]
    )
    for role in roles:
        for seed in _fresh_seeds(config):
            run.add_training(role, seed, steps_total=config.steps)


def compare(
    run: Run,
    trainer: Trainer,
    judge: Judge,
    environment: Environment,
    config: SearchConfig,
) -> None:
    """Retrain what is not retrained yet: the winner, the human reward, the bare fitness.

    The winner is trained alone, once more on the seed of the search: it shared a process with the
    other candidates, and must come out the same without them.
    """
    number = run.row().best_candidate
    if number is None:
        run.event("comparison", "There is no winner to compare.")
        return
    winner = run.candidate(number)
    fresh = _fresh_seeds(config)
    _retrain(
        run,
        trainer,
        judge,
        config,
        "winner",
        winner.text,
        [config.training_seed(0), *fresh],
        winner,
    )
    _check_reproduction(run, winner, config)
    _ship(run, winner)
    human = environment.human_reward_path
    if human is not None:
        text = human.read_text(encoding="utf-8")
        _retrain(run, trainer, judge, config, "human", text, fresh, None)
    _retrain(run, trainer, judge, config, "fitness", None, fresh, None)


def _fresh_seeds(config: SearchConfig) -> list[int]:
    """Training seeds that the search does not use."""
    return [config.training_seed(r) for r in range(1, config.retrainings + 1)]


def _retrain(
    run: Run,
    trainer: Trainer,
    judge: Judge,
    config: SearchConfig,
    role: Role,
    program: str | None,
    seeds: list[int],
    candidate: CandidateRow | None,
) -> None:
    """Train one reward on several seeds, and judge what ships on the reporting pool."""
    names = {"winner": "the winner", "human": "the human reward", "fitness": "the bare fitness"}
    jobs = []
    for seed in seeds:
        number = candidate.id if candidate else None
        row = run.add_training(role, seed, steps_total=config.steps, candidate=number)
        if row.reporting_fitness is None and row.state != "failed":
            jobs.append(Job(row.id, program, seed, f"{names[role]} on seed {seed}"))
    if not jobs:
        return
    run.set_phase(f"comparison: {names[role]} trains on {len(jobs)} seeds")
    _report(run, judge, config, trainer.train(jobs))


def _report(run: Run, judge: Judge, config: SearchConfig, outcomes: list[Outcome]) -> None:
    """Judge shipped checkpoints on the reporting pool, a population at a time."""
    shipped = [(o.job, o.best) for o in outcomes if o.best is not None]
    for start in range(0, len(shipped), config.candidates):
        part = shipped[start : start + config.candidates]
        judgements = judge.judge(
            [best.weights for _, best in part], pools.REPORTING, config.reporting_episodes
        )
        for (job, _), judgement in zip(part, judgements, strict=True):
            run.set_reporting(job.training, float(judgement.fitness.mean()))


def _check_reproduction(run: Run, winner: CandidateRow, config: SearchConfig) -> None:
    """Compare the winner's training alone with the one in the search, point by point."""
    seed = config.training_seed(0)
    searched, alone = (
        next(
            t
            for t in run.trainings()
            if t.role == role and t.candidate_id == winner.id and t.seed == seed
        )
        for role in ("candidate", "winner")
    )
    curves = [
        [(e.step, e.fitness, e.own_return) for e in run.evaluations(training.id)]
        for training in (searched, alone)
    ]
    same = curves[0] == curves[1]
    run.set_reproduced(alone.id, same)
    if same and alone.reporting_fitness is not None:
        run.set_reporting(searched.id, alone.reporting_fitness)
    if not same:
        run.event(
            "warning",
            "trained alone, it did not come out as in the search: another candidate may "
            "have disturbed it, or the machine changed. Trust the retrainings.",
            winner.id,
        )


def _ship(run: Run, winner: CandidateRow) -> None:
    """Put the winner's program and policy where people look for them."""
    for name in ("policy.zip", "policy.json"):
        shutil.copyfile(run.candidate_folder(winner.id) / name, run.path / "best" / name)
