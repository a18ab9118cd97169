"""How good is the winner? Retrained, and compared with the human reward and the bare fitness.

Every number here comes from the reporting pool of episodes, on which nothing was trained or chosen,
and from training seeds that the search never used. This module also records measures that take no
training, such as the fitness of untrained policies.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eureka_agent.analysis.rewards.bank import SAMPLE_SIZE, Bank
from eureka_agent.common.text import plural
from eureka_agent.config import SearchConfig
from eureka_agent.environment import SCRIPTED_POLICIES, Environment, pools
from eureka_agent.environment.episodes import EvaluatedEpisodes
from eureka_agent.search.trainer import Job, Outcome, Trainer
from eureka_agent.store import CandidateRow, Run, TrainingRow, solved
from eureka_agent.store.rows import Role
from eureka_agent.video.policies import read_weights
from eureka_agent.workers.judge_client import JudgeClient
from eureka_agent.workers.probe_client import ProbeClient
from eureka_agent.workers.protocol import JobFailed, WorkerFailed
from eureka_agent.workers.replies import Weights

NAMES = {"winner": "the winner", "human": "the human reward", "fitness": "the bare fitness"}


def enter_baselines(run: Run, environment: Environment, config: SearchConfig) -> None:
    """Enter the training runs of the baselines, so that views show how much is left to do.

    Without a fitness there are none.
    """
    if not config.measured:
        return
    roles: list[Role] = ["human", "fitness"] if human_reward(run, environment) else ["fitness"]
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
    """Retrain the winner, the human reward and the bare fitness, unless that is done already.

    The winner is trained alone, once more on the seed of the search: it shared a process with the
    other candidates, and must come out the same without them. If nothing is retrained, its policy
    from the search is judged as it is. So is a winner that did no better than untrained policies,
    unless a person asked for more; the baselines train all the same, as they show whether the task
    can be learned in these steps. Without a fitness nothing is compared.

    Args:
        run: a search that is over.
        trainer: trains.
        judge: evaluates on the reporting pool.
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
    comparison = _Comparison(run, trainer, judge, config, run.candidate(number))
    fresh = _fresh_seeds(config)
    if not config.measured:
        if fresh:
            comparison.retrain_winner([])
        return
    worked = asked or solved(run) is not False
    if not (fresh and worked):
        comparison.report_as_searched()
    if not fresh:
        return
    if worked:
        comparison.retrain_winner(fresh)
    else:
        run.event("comparison", "No reward did better than untrained policies: none trains again.")
    human = human_reward(run, environment)
    if human is not None:
        comparison.retrain("human", human.read_text(encoding="utf-8"), fresh)
    if run.row().measure.get("one_function"):
        _copy_human_to_bare(run)
    else:
        comparison.retrain("fitness", None, fresh)


@dataclass(frozen=True)
class _Comparison:
    run: Run
    trainer: Trainer
    judge: JudgeClient
    config: SearchConfig
    winner: CandidateRow

    def retrain_winner(self, fresh: list[int]) -> None:
        """Train the winner alone on the seed of the search, and on fresh ones."""
        seeds = [self.config.training_seed(0), *fresh]
        self.retrain("winner", self.winner.text, seeds, self.winner.id)
        self._check_reproduction()

    def retrain(
        self, role: Role, program: str | None, seeds: list[int], candidate: int | None = None
    ) -> None:
        """Train one reward on several seeds, and judge the results on the reporting pool."""
        run, config = self.run, self.config
        jobs = []
        for seed in seeds:
            row = run.add_training(role, seed, steps_total=config.steps, candidate=candidate)
            left = row.reporting_fitness is None if config.measured else row.state != "finished"
            if left and row.state != "failed":
                jobs.append(Job(row.id, program, seed, f"{NAMES[role]} on seed {seed}"))
        if not jobs:
            return
        why = "comparison" if config.measured else "check"
        run.set_phase(f"{why}: {NAMES[role]} trains on {plural(len(jobs), 'seed')}")
        # One population at a time: policies live in memory until they are judged, and a search that
        # is killed loses no more than these.
        for start in range(0, len(jobs), config.candidates):
            outcomes = self.trainer.train(jobs[start : start + config.candidates])
            if config.measured:
                self._report(outcomes)

    def report_as_searched(self) -> None:
        """Judge the winner's policy from the search on the reporting pool."""
        searched = self._winner_training("candidate")
        path = self.run.candidate_folder(self.winner.id) / "policy.zip"
        if searched.reporting_fitness is None and path.is_file():
            (judged,) = self._judge([read_weights(path)])
            self.run.set_reporting(searched.id, float(judged.fitness.mean()))

    def _report(self, outcomes: list[Outcome]) -> None:
        selected = [(o.job, o.best.weights) for o in outcomes if o.best is not None]
        if not selected:
            return
        judged = self._judge([weights for _, weights in selected])
        for (job, _), episodes in zip(selected, judged, strict=True):
            self.run.set_reporting(job.training, float(episodes.fitness.mean()))
            count = int(episodes.diverged.sum())
            if count:
                self.run.event(
                    "warning",
                    f"{job.label}: the physics failed in {count} of {len(episodes.diverged)} "
                    "reporting episodes, which count as the worst.",
                )

    def _judge(self, policies: list[Weights]) -> list[EvaluatedEpisodes]:
        return self.judge.judge(policies, pools.REPORTING, self.config.reporting_episodes)

    def _winner_training(self, role: Role) -> TrainingRow:
        """The winner's training run on the seed of the search, in the search or alone."""
        seed = self.config.training_seed(0)
        return next(t for t in self.run.trainings(role, self.winner.id) if t.seed == seed)

    def _check_reproduction(self) -> None:
        """Compare the winner's training run alone with that in the search, point by point, once."""
        run = self.run
        searched, alone = self._winner_training("candidate"), self._winner_training("winner")
        # On a GPU sums run in the order in which threads finish: nothing repeats bit for bit.
        if alone.reproduced is not None or self.config.device != "cpu":
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
                self.winner.id,
            )


def _copy_human_to_bare(run: Run) -> None:
    """Copy the training runs of the human reward to the bare fitness: it is the same function."""
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
    """The expert's reward, if it was written for the goal of this run."""
    return environment.human_reward_path if run.row().goal == environment.task else None


def _fresh_seeds(config: SearchConfig) -> list[int]:
    """Training seeds that the search does not use."""
    return [config.training_seed(r) for r in range(1, config.retrainings + 1)]


def record_measure(run: Run, judge: JudgeClient, config: SearchConfig, bank: Bank | None) -> None:
    """Record the range of the run's fitness and what untrained policies reach, once.

    Where candidates rank by their peers there is nothing to record: no fitness measures the task.

    Raises:
        JudgeFailed: untrained policies cannot be judged.
    """
    if not config.measured or "untrained" in run.row().measure:
        return
    untrained = _untrained(judge, config, bank)
    progress = [episodes.nearness for episodes in untrained if episodes.nearness is not None]
    judge.open()
    run.set_measure(
        **judge.measure,
        untrained=max((float(episodes.fitness.mean()) for episodes in untrained), default=None),
        untrained_progress=max(progress, default=None),
    )


def record_same_function(
    run: Run, environment: Environment, judge: JudgeClient, bank: Bank, probe: ProbeClient
) -> None:
    """Record whether the human reward equals the fitness in every recorded step.

    If all recorded steps are alike, they show nothing, and nothing is recorded.

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
            (rewards,) = probe.score([text], record.episodes)
        except (WorkerFailed, JobFailed):
            return
        measured = judge.steps(record.episodes)[alive]
        if isinstance(rewards, str) or not np.allclose(rewards.total[alive], measured, rtol=1e-5):
            run.set_measure(one_function=False)
            return
        values.append(measured)
    if values and np.ptp(np.concatenate(values)) > 0:
        run.set_measure(one_function=True)


def _untrained(
    judge: JudgeClient, config: SearchConfig, bank: Bank | None
) -> Sequence[EvaluatedEpisodes]:
    """Episodes of each kind of untrained policy on the ranking pool."""
    if bank is None:
        return judge.run_scripted(list(SCRIPTED_POLICIES), pools.RANKING, config.ranking_episodes)
    return [record.evaluated for record in bank.read(bank.references)]
