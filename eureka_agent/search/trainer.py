"""Training a batch of rewards: the conversation between a trainer worker, the judge and the store.

If a program raises in training, or returns wrong values, the worker evicts its lane
(`training.lane_group`) and names the reason in its report; `Trainer` marks the run as failed with
that reason, and the other lanes train on. If a program ends the whole worker, `Trainer` trains
programs alone to find it.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from eureka_agent.common.errors import EnvironmentFailed
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment, Episodes, pools
from eureka_agent.environment.episodes import EvaluatedEpisodes
from eureka_agent.store import Run
from eureka_agent.workers.judge_client import JudgeClient
from eureka_agent.workers.protocol import JobFailed, WorkerFailed
from eureka_agent.workers.replies import Weights
from eureka_agent.workers.session import DEATHS, PrestartedWorker
from eureka_agent.workers.trainer_client import LaneReply, TrainerClient

PRESTART_AFTER_S = 30.0
"""Seconds of a training run after which starting the next worker ahead pays."""
EARLY = 0.3
"""Fraction of a training run after which an early policy is kept, to compare a later one with."""
JUDGE_PERCENT = 15
"""Most steps that judging may take during a training run, in percent of its steps."""


@dataclass(frozen=True)
class Job:
    """One training run.

    Attributes:
        training: its number in the store.
        program: text of the reward program; None to train on the fitness itself.
        seed: the training seed.
        label: its name in messages.
    """

    training: int
    program: str | None
    seed: int
    label: str


@dataclass
class Checkpoint:
    """A policy at one point of its training, with its episodes on the ranking pool.

    Attributes:
        step: environment steps until then.
        own_return: mean return of the episodes under the program that the policy trains on.
        weights: of the policy.
        judgement: the episodes and their fitness.
    """

    step: int
    own_return: float
    weights: Weights
    judgement: EvaluatedEpisodes

    @property
    def fitness(self) -> float | None:
        """Mean over the episodes; None where nothing measures the task."""
        return self.judgement.mean_fitness

    @property
    def progress(self) -> float | None:
        """Mean over the episodes of the environment's dense measure, if it has one."""
        return self.judgement.nearness

    @property
    def episodes(self) -> Episodes:
        """The recorded episodes."""
        return self.judgement.episodes


@dataclass
class Outcome:
    """The result of a training run.

    Attributes:
        job: the training run.
        best: the selected checkpoint, where the program's own return peaks; None on failure.
        early: the first checkpoint past `EARLY` of the run.
        failure: why there is no checkpoint.
        trouble: why the program could not score the policy's episodes, if it could not.
    """

    job: Job
    best: Checkpoint | None = None
    early: Checkpoint | None = None
    failure: str | None = None
    trouble: str = ""

    def keep(self, checkpoint: Checkpoint, steps: int) -> None:
        """Keep a later checkpoint of a run of so many steps if it is the best or the early one."""
        if self.best is None or checkpoint.own_return > self.best.own_return:
            self.best = checkpoint
        if self.early is None and checkpoint.step >= EARLY * steps:
            self.early = checkpoint


def evaluation_steps(config: SearchConfig, episode_steps: int) -> list[int]:
    """Steps of a training run at which policies are evaluated: evenly spaced, the last at the end.

    There are as many as configured, fewer where judging would take more than `JUDGE_PERCENT` of a
    short run's steps, but always one.

    Args:
        config: gives the steps of a run, the evaluations, and the episodes of each.
        episode_steps: the environment's time limit.
    """
    cost = config.ranking_episodes * episode_steps
    affordable = config.steps * JUDGE_PERCENT // (100 * cost)
    count = max(1, min(config.checkpoints, affordable))
    return [config.steps * number // count for number in range(1, count + 1)]


class Trainer:
    """Trains jobs, at most K side by side, and writes what happens to the store as it happens.

    A worker that dies fails no other job. The job whose program it was running, by its own report,
    trains again alone, and the others without it; without a report each trains alone. A job fails
    only if it ends a worker of its own twice: once may have another cause. Code of Gymnasium's
    environments runs in the worker as well: if that ends worker after worker, no program is to
    blame, and training stops.
    """

    def __init__(
        self,
        run: Run,
        environment: Environment,
        config: SearchConfig,
        judge: JudgeClient,
        fitness: Path | None,
        prestarted: PrestartedWorker | None = None,
    ) -> None:
        self._run, self._environment, self._config, self._judge = run, environment, config, judge
        self._fitness, self._prestarted = fitness, prestarted
        self._deaths: Counter[int] = Counter()
        self._crashes = 0

    def train(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Train all jobs; outcomes come in the order of the jobs.

        Raises:
            JudgeFailed: policies cannot be judged.
            JobFailed: no worker can be set up for this environment.
            EnvironmentFailed: the environment's own code ends worker after worker.
        """
        outcomes: dict[int, Outcome] = {}
        lanes = self._config.candidates
        waiting = [list(jobs[i : i + lanes]) for i in range(0, len(jobs), lanes)]
        while waiting:
            batch = waiting.pop(0)
            try:
                done = self._train_batch(batch)
                self._crashes = 0
            except WorkerFailed as failure:
                self._refuse_crashes(failure)
                done, again = self._after_death(batch, failure)
                waiting[:0] = again
            outcomes |= {outcome.job.training: outcome for outcome in done}
        return [outcomes[job.training] for job in jobs]

    def _refuse_crashes(self, failure: WorkerFailed) -> None:
        """Give up if code of the environment itself ends every worker: no reward can help."""
        if failure.lane is not None or not self._environment.reads_files:
            return
        self._crashes += 1
        if self._crashes >= DEATHS:
            raise EnvironmentFailed(
                f"{self._environment.name} ended {self._crashes} workers in a row, and no reward "
                f"program was running: {failure.message}",
                "Fix the environment, then resume the run.",
            )

    def _after_death(
        self, batch: list[Job], failure: WorkerFailed
    ) -> tuple[list[Outcome], list[list[Job]]]:
        """The outcomes of jobs that failed with their worker, and the batches to train again."""
        if len(batch) > 1:
            again = "Suspected programs train again alone."
            self._run.event("worker", f"{failure.message} {again}")
            blamed = failure.lane
            if blamed is None or blamed >= len(batch):
                return [], [[job] for job in batch]
            return [], [[batch[blamed]], batch[:blamed] + batch[blamed + 1 :]]
        (job,) = batch
        self._deaths[job.training] += 1
        self._run.event("worker", f"{job.label}: {failure.message}")
        if self._deaths[job.training] < DEATHS:
            return [], [batch]
        self._run.fail_training(job.training, failure.message)
        return [Outcome(job, failure=failure.message)], []

    def _train_batch(self, batch: list[Job]) -> list[Outcome]:
        """Train up to K jobs in one worker, and evaluate the policies meanwhile."""
        fitness = self._fitness if batch[0].program is None else None
        outcomes = [Outcome(job) for job in batch]
        for job in batch:
            self._run.start_training(job.training)
        started = time.monotonic()
        prestarted = self._prestarted
        with TrainerClient(
            self._environment, self._config, fitness, prestarted=prestarted
        ) as worker:
            training = dict(enumerate(outcomes))
            for lane, outcome in enumerate(outcomes):
                try:
                    worker.load(lane, outcome.job.program, outcome.job.seed)
                except JobFailed as error:
                    self._fail(training.pop(lane), error.message)
            done = 0
            for target in evaluation_steps(self._config, self._environment.episode_steps):
                if not training or target <= done:
                    continue
                reports = self._advance(worker, training, done, target - done)
                done = max(report.steps for report in reports.values())
                for lane, report in reports.items():
                    if report.evicted is not None:
                        line = f" (line {report.line})" if report.line else ""
                        self._fail(training.pop(lane), f"{report.evicted}{line}")
                if training:
                    self._evaluate(worker, training, reports)
                if prestarted is not None and time.monotonic() - started > PRESTART_AFTER_S:
                    prestarted.prepare()
        for outcome in training.values():
            self._finish(outcome)
        return outcomes

    def _advance(
        self, worker: TrainerClient, training: Mapping[int, Outcome], done: int, steps: int
    ) -> dict[int, LaneReply]:
        def show(progress: int) -> None:
            numbers = (outcome.job.training for outcome in training.values())
            self._run.set_progress(dict.fromkeys(numbers, done + progress))

        started = time.monotonic()
        reports = worker.advance(steps, show)
        if worker.overflow is not None:
            self._run.event("physics", worker.overflow)
        trained = sum(report.steps - done for report in reports.values())
        self._run.add_usage(env_steps=trained, train_seconds=time.monotonic() - started)
        self._run.set_progress(
            {training[lane].job.training: r.steps for lane, r in reports.items()}
        )
        return reports

    def _evaluate(
        self,
        worker: TrainerClient,
        training: Mapping[int, Outcome],
        reports: Mapping[int, LaneReply],
    ) -> None:
        """Judge the current policies, and keep each that its own reward likes best so far."""
        weights = worker.weights(list(training))
        judged = self._judge.judge(
            list(weights.values()), pools.RANKING, self._config.ranking_episodes
        )
        for (lane, policy), judgement in zip(weights.items(), judged, strict=True):
            outcome, report = training[lane], reports[lane]
            try:
                own = float(worker.score(lane, judgement.episodes).mean())
            except JobFailed as error:
                own = -np.inf  # a reward that breaks on a policy's episodes does not recommend it
                outcome.trouble = error.message
            episodes, diverged = judgement.episodes, float(judgement.diverged.sum())
            self._run.add_evaluation(
                outcome.job.training,
                report.steps,
                fitness=judgement.mean_fitness,
                progress=judgement.nearness,
                own_return=own if np.isfinite(own) else None,
                episode_length=float(episodes.lengths.float().mean()),
                ended_early=float(episodes.terminated.float().mean()),
                components=report.components,
                diagnostics=report.diagnostics | {"diverged_episodes": diverged},
            )
            if np.isfinite(own):
                checkpoint = Checkpoint(report.steps, own, policy, judgement)
                outcome.keep(checkpoint, self._config.steps)

    def _fail(self, outcome: Outcome, failure: str) -> None:
        outcome.failure, outcome.best = failure, None
        self._run.fail_training(outcome.job.training, failure)

    def _finish(self, outcome: Outcome) -> None:
        best = outcome.best
        if best is None:
            why = f": {outcome.trouble}" if outcome.trouble else "."
            self._fail(
                outcome,
                f"The reward could not be evaluated on any of its policies' episodes{why}",
            )
            return
        self._run.finish_training(
            outcome.job.training,
            ranking_fitness=best.fitness,
            own_return=best.own_return,
            checkpoint_step=best.step,
            progress=best.progress,
        )
