"""How good is the winner? Retrained, beside the human reward and the bare fitness.

Every number here comes from the reporting pool, on which nothing was trained or chosen, and from
training seeds that the search never used.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from eureka_agent.analysis.rewards.bank import SAMPLE_SIZE, Bank
from eureka_agent.config import SearchConfig
from eureka_agent.environment import SCRIPTED_POLICIES, Environment, pools
from eureka_agent.search.trainer import Job, Outcome, Trainer
from eureka_agent.store import CandidateRow, Run, TrainingRow, solved
from eureka_agent.store.rows import Role
from eureka_agent.video.policies import read_weights
from eureka_agent.workers.judge_client import EvaluatedEpisodes, JudgeClient
from eureka_agent.workers.probe_client import ProbeClient
from eureka_agent.workers.protocol import JobFailed, WorkerFailed
from eureka_agent.workers.replies import Weights


def enter_baselines(run: Run, environment: Environment, config: SearchConfig) -> None:
    """Enter the baselines' trainings, so that everybody can see how much is left to do.

    Without a fitness there are none.
    """
    if not config.measured:
        return
    human = human_reward(run, environment)
    roles: list[Role] = ["fitness"] if human is None else ["human", "fitness"]
    for role in roles:
        for seed in _fresh_seeds(config):
            run.add_training(role, seed, steps_total=config.steps)


def compare_with_baselines(
    run: Run,
    trainer: Trainer,
    judge: JudgeClient,
    environment: Environment,
    config: SearchConfig,
    *,
    asked: bool = False,
) -> None:
    """Retrain what is not retrained yet: the winner, the human reward, the bare fitness.

    The winner is trained alone, once more on the seed of the search: it shared a process with the
    other candidates, and must come out the same without them. Where nothing is retrained, the
    policy that it shipped in the search is judged as it is. So is one that did no better than
    policies without training, unless somebody asked for more; the others train all the same, as
    they say whether the task can be learned in these steps. Without a fitness nothing is compared.

    Args:
        run: a search that is over.
        trainer: trains.
        judge: judges.
        environment: the task.
        config: how many retrainings, among other things.
        asked: whether a person asked for it.

    Raises:
        JudgeFailed: policies cannot be judged.
    """
    number = run.row().best_candidate
    if number is None:
        run.event("comparison", "There is no winner to compare.")
        return
    winner = run.candidate(number)
    fresh = _fresh_seeds(config)
    if not config.measured:
        if fresh:
            seeds = [config.training_seed(0)]
            _retrain(run, trainer, judge, config, "winner", winner.text, seeds, winner)
            _check_reproduction(run, winner, config)
        return
    worked = asked or solved(run) is not False
    if not (fresh and worked):
        _report_as_shipped(run, judge, winner, config)
    if not fresh:
        return
    if worked:
        seeds = [config.training_seed(0), *fresh]
        _retrain(run, trainer, judge, config, "winner", winner.text, seeds, winner)
        _check_reproduction(run, winner, config)
    else:
        run.event("comparison", "No reward did better than untrained policies: none trains again.")
    human = human_reward(run, environment)
    if human is not None:
        text = human.read_text(encoding="utf-8")
        _retrain(run, trainer, judge, config, "human", text, fresh, None)
    if run.row().measure.get("one_function"):
        _copy_to_bare(run)
        return
    _retrain(run, trainer, judge, config, "fitness", None, fresh, None)


def _copy_to_bare(run: Run) -> None:
    """Take the trainings of the human reward for those of the bare fitness, the same function."""
    for human in run.trainings("human"):
        bare = run.add_training("fitness", human.seed, steps_total=human.steps_total)
        if bare.state == "finished":
            continue
        if human.ranking_fitness is None:
            run.fail_training(bare.id, human.failure or "unknown")
            continue
        with run.transaction():
            run.finish_training(
                bare.id,
                ranking_fitness=human.ranking_fitness,
                own_return=human.own_return,
                checkpoint_step=human.checkpoint_step,
                progress=human.progress,
            )
            if human.reporting_fitness is not None:
                run.set_reporting(bare.id, human.reporting_fitness)


def human_reward(run: Run, environment: Environment) -> Path | None:
    """The expert's reward, where it was written for what this run is about."""
    return environment.human_reward_path if run.row().goal == environment.task else None


def _fresh_seeds(config: SearchConfig) -> list[int]:
    """Training seeds that the search does not use."""
    return [config.training_seed(r) for r in range(1, config.retrainings + 1)]


def _retrain(
    run: Run,
    trainer: Trainer,
    judge: JudgeClient,
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
        left = row.reporting_fitness is None if config.measured else row.state != "finished"
        if left and row.state != "failed":
            jobs.append(Job(row.id, program, seed, f"{names[role]} on seed {seed}"))
    if not jobs:
        return
    on = "1 seed" if len(jobs) == 1 else f"{len(jobs)} seeds"
    why = "comparison" if config.measured else "check"
    run.set_phase(f"{why}: {names[role]} trains on {on}")
    # A population at a time: policies live in memory until they are judged, and a search that is
    # killed loses no more than these.
    for start in range(0, len(jobs), config.candidates):
        outcomes = trainer.train(jobs[start : start + config.candidates])
        if config.measured:
            _report(run, judge, config, outcomes)


def _report(run: Run, judge: JudgeClient, config: SearchConfig, outcomes: list[Outcome]) -> None:
    """Judge the shipped checkpoints of a population on the reporting pool."""
    shipped = [(o.job, o.best.weights) for o in outcomes if o.best is not None]
    if not shipped:
        return
    judgements = _judged(judge, [weights for _, weights in shipped], config)
    for (job, _), judgement in zip(shipped, judgements, strict=True):
        run.set_reporting(job.training, float(judgement.fitness.mean()))
        count = int(judgement.diverged.sum())
        if count:
            run.event(
                "warning",
                f"{job.label}: the physics failed in {count} of {len(judgement.diverged)} "
                "reporting episodes, which count as the worst.",
            )


def _report_as_shipped(
    run: Run, judge: JudgeClient, winner: CandidateRow, config: SearchConfig
) -> None:
    """Judge the winner's policy from the search on the reporting pool."""
    searched = _training(run, "candidate", winner, config)
    path = run.candidate_folder(winner.id) / "policy.zip"
    if searched.reporting_fitness is not None or not path.is_file():
        return
    (judgement,) = _judged(judge, [read_weights(path)], config)
    run.set_reporting(searched.id, float(judgement.fitness.mean()))


def _judged(
    judge: JudgeClient, policies: list[Weights], config: SearchConfig
) -> list[EvaluatedEpisodes]:
    return judge.judge(policies, pools.REPORTING, config.reporting_episodes)


def _training(run: Run, role: Role, winner: CandidateRow, config: SearchConfig) -> TrainingRow:
    """The winner's training on the seed of the search, in the search or alone."""
    seed = config.training_seed(0)
    return next(t for t in run.trainings(role, winner.id) if t.seed == seed)


def _check_reproduction(run: Run, winner: CandidateRow, config: SearchConfig) -> None:
    """Compare the winner's training alone with the one in the search, point by point, once."""
    searched = _training(run, "candidate", winner, config)
    alone = _training(run, "winner", winner, config)
    # On a GPU sums run in the order in which threads finish: no training repeats bit for bit.
    if alone.reproduced is not None or config.device != "cpu":
        return
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


def note_measure(run: Run, judge: JudgeClient, config: SearchConfig, bank: Bank | None) -> None:
    """Note in the run what its fitness can be and what policies without training get, once.

    Where candidates rank by their peers there is nothing to note: no fitness measures the task.

    Raises:
        JudgeFailed: untrained policies cannot be judged.
    """
    if not config.measured or "untrained" in run.row().measure:
        return
    seen = _untrained(judge, config, bank)
    nearer = [judgement.nearness for judgement in seen if judgement.nearness is not None]
    judge.open()
    run.set_measure(
        **judge.measure,
        untrained=max((float(judgement.fitness.mean()) for judgement in seen), default=None),
        untrained_progress=max(nearer, default=None),
    )


def note_one_function(
    run: Run, environment: Environment, judge: JudgeClient, bank: Bank, prober: ProbeClient
) -> None:
    """Note whether the human reward pays in every recorded step just what the fitness measures.

    Where the steps of all records are alike nothing can be said, and nothing is noted.

    Raises:
        JudgeFailed: recorded episodes cannot be judged.
    """
    human = human_reward(run, environment)
    if human is None or "one_function" in run.row().measure:
        return
    text, values = human.read_text(encoding="utf-8"), []
    for record in bank.read(bank.sample(SAMPLE_SIZE)):
        alive = record.episodes.alive().numpy()
        try:
            (paid,) = prober.score([text], record.episodes)
        except (WorkerFailed, JobFailed):
            return
        measured = judge.steps(record.episodes)[alive]
        if isinstance(paid, str) or not np.allclose(paid.total[alive], measured, rtol=1e-5):
            run.set_measure(one_function=False)
            return
        values.append(measured)
    if values and np.ptp(np.concatenate(values)) > 0:
        run.set_measure(one_function=True)


def _untrained(
    judge: JudgeClient, config: SearchConfig, bank: Bank | None
) -> Sequence[EvaluatedEpisodes]:
    """What each kind of untrained policy did on the ranking pool."""
    if bank is None:
        return judge.run_scripted(list(SCRIPTED_POLICIES), pools.RANKING, config.ranking_episodes)
    references = [entry for entry in bank.entries if entry.kind == "reference"]
    return [record.seen for record in bank.read(references)]
