"""Training a batch of rewards: the conversation between one worker, the judge and the store."""

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
from eureka_agent.workers.session import PrestartedWorker
from eureka_agent.workers.trainer_client import LaneReply, TrainerClient

SPARE_AFTER_S = 30.0
"""Seconds into a training from which a worker is kept ready: they outweigh what it costs."""
DEATHS = 2
"""Workers of its own that a job may end before it fails."""
EARLY = 0.3
"""Share of a training after which its policy is first remembered, to compare a later one with."""
JUDGE_PERCENT = 15
"""Most steps that judging may take along with a training, in percent of the training's steps."""


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes:
        training: its number in the store.
        program: text of the reward program; None to train on the bare fitness.
        seed: the replicate seed.
        label: what people call it.
    """

    training: int
    program: str | None
    seed: int
    label: str


@dataclass
class Checkpoint:
    """A policy as it was at one point of its training, with its episodes on the ranking pool."""

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
        """Mean over the episodes by the environment's dense measure, if it has one."""
        return self.judgement.nearness

    @property
    def episodes(self) -> Episodes:
        """As they went."""
        return self.judgement.episodes


@dataclass
class Outcome:
    """How a training ended: the checkpoint that ships, or why there is none.

    Attributes:
        job: what was to be trained.
        best: the checkpoint that ships.
        early: the first one past `EARLY` of the training.
        failure: why none ships.
        trouble: why the reward could not be evaluated on the policy's episodes, if it could not.
    """

    job: Job
    best: Checkpoint | None = None
    early: Checkpoint | None = None
    failure: str | None = None
    trouble: str = ""

    def keep(self, checkpoint: Checkpoint, steps: int) -> None:
        """Take a later checkpoint of a training of so many steps in, for what it is worth."""
        if self.best is None or checkpoint.own_return > self.best.own_return:
            self.best = checkpoint
        if self.early is None and checkpoint.step >= EARLY * steps:
            self.early = checkpoint


def evaluation_steps(config: SearchConfig, episode_steps: int) -> list[int]:
    """Steps of a training at which the judge looks: evenly spaced, the last one at the end.

    They are as many as configured, fewer where judging would take more than `JUDGE_PERCENT` of a
    short training's steps, but always one.

    Args:
        config: gives the steps of a training, the looks, and the episodes per look.
        episode_steps: the environment's time limit.
    """
    cost = config.ranking_episodes * episode_steps
    affordable = config.steps * JUDGE_PERCENT // (100 * cost)
    count = max(1, min(config.checkpoints, affordable))
    return [config.steps * look // count for look in range(1, count + 1)]


class Trainer:
    """Trains jobs, at most K side by side, and writes what happens to the store as it happens.

    A worker that dies takes nobody with it. The job whose program it was running, by its own word,
    trains again alone, and the others without it; when nobody can be blamed, each trains alone.
    Only a job that ends a worker of its own twice fails: once may be somebody else's doing. Code of
    Gymnasium's environments runs in the worker as well: where that ends one after the other, no
    program is to blame, and the training stops.
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
        self._fitness, self._spare = fitness, prestarted
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
                found = self._train_batch(batch)
                self._crashes = 0
            except WorkerFailed as failure:
                self._refuse_crashes(failure)
                found, again = self._after_failure(batch, failure)
                waiting[:0] = again
            outcomes |= {outcome.job.training: outcome for outcome in found}
        return [outcomes[job.training] for job in jobs]

    def _refuse_crashes(self, failure: WorkerFailed) -> None:
        """Give up where code of the environment itself ends every worker: no reward can help."""
        if failure.lane is not None or not self._environment.reads_files:
            return
        self._crashes += 1
        if self._crashes >= DEATHS:
            raise EnvironmentFailed(
                f"{self._environment.name} ended {self._crashes} workers in a row, and no reward "
                f"program was running: {failure.message}",
                "Fix the environment, then resume the run.",
            )

    def _after_failure(
        self, batch: list[Job], failure: WorkerFailed
    ) -> tuple[list[Outcome], list[list[Job]]]:
        """Whom to fail and whom to try again after a worker's death."""
        if len(batch) > 1:
            self._run.event("worker", f"{failure.message} Who may have done it trains again alone.")
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
        fitness = self._fitness if batch[0].program is None else None
        outcomes = {lane: Outcome(job) for lane, job in enumerate(batch)}
        for job in batch:
            self._run.start_training(job.training)
        started = time.monotonic()
        with TrainerClient(
            self._environment, self._config, fitness, prestarted=self._spare
        ) as worker:
            living = dict(enumerate(batch))
            for lane, job in list(living.items()):
                try:
                    worker.load(lane, job.program, job.seed)
                except JobFailed as error:
                    self._fail(outcomes[lane], error.message)
                    del living[lane]
            done = 0
            for target in evaluation_steps(self._config, self._environment.episode_steps):
                if not living or target <= done:
                    continue
                reports = self._advance(worker, living, done, target - done)
                done = max(report.steps for report in reports.values())
                for lane, report in reports.items():
                    if report.evicted is not None:
                        line = f" (line {report.line})" if report.line else ""
                        self._fail(outcomes[lane], f"{report.evicted}{line}")
                        del living[lane]
                if living:
                    self._look(worker, living, outcomes, reports)
                if self._spare is not None and time.monotonic() - started > SPARE_AFTER_S:
                    self._spare.prepare()
        for lane, job in living.items():
            self._finish(outcomes[lane], job)
        return list(outcomes.values())

    def _advance(
        self, worker: TrainerClient, living: Mapping[int, Job], done: int, steps: int
    ) -> dict[int, LaneReply]:
        def show(progress: int) -> None:
            self._run.set_progress({job.training: done + progress for job in living.values()})

        started = time.monotonic()
        reports = worker.advance(steps, show)
        if worker.overflow is not None:
            self._run.event("physics", worker.overflow)
        trained = sum(report.steps - done for report in reports.values())
        self._run.add_usage(env_steps=trained, train_seconds=time.monotonic() - started)
        self._run.set_progress({living[lane].training: r.steps for lane, r in reports.items()})
        return reports

    def _look(
        self,
        worker: TrainerClient,
        living: Mapping[int, Job],
        outcomes: Mapping[int, Outcome],
        reports: Mapping[int, LaneReply],
    ) -> None:
        """Judge the policies as they are, and keep each that its own reward likes best so far."""
        weights = worker.weights(list(living))
        judgements = self._judge.judge(
            list(weights.values()), pools.RANKING, self._config.ranking_episodes
        )
        for (lane, policy), judgement in zip(weights.items(), judgements, strict=True):
            try:
                own = float(worker.score(lane, judgement.episodes).mean())
            except JobFailed as error:
                own = -np.inf  # a reward that breaks on a policy's episodes does not recommend it
                outcomes[lane].trouble = error.message
            step = reports[lane].steps
            self._record(living[lane], own, judgement, reports[lane])
            if np.isfinite(own):
                outcomes[lane].keep(Checkpoint(step, own, policy, judgement), self._config.steps)

    def _record(
        self,
        job: Job,
        own: float,
        judgement: EvaluatedEpisodes,
        report: LaneReply,
    ) -> None:
        self._run.add_evaluation(
            job.training,
            report.steps,
            fitness=judgement.mean_fitness,
            progress=judgement.nearness,
            own_return=own if np.isfinite(own) else None,
            episode_length=float(judgement.episodes.lengths.float().mean()),
            ended_early=float(judgement.episodes.terminated.float().mean()),
            components=report.components,
            diagnostics=report.diagnostics | {"diverged_episodes": float(judgement.diverged.sum())},
        )

    def _fail(self, outcome: Outcome, failure: str) -> None:
        outcome.failure, outcome.best = failure, None
        self._run.fail_training(outcome.job.training, failure)

    def _finish(self, outcome: Outcome, job: Job) -> None:
        best = outcome.best
        if best is None:
            why = f": {outcome.trouble}" if outcome.trouble else "."
            said = f"The reward could not be evaluated on any of its policies' episodes{why}"
            self._fail(outcome, said)
            return
        self._run.finish_training(
            job.training,
            ranking_fitness=best.fitness,
            own_return=best.own_return,
            checkpoint_step=best.step,
            progress=best.progress,
        )
