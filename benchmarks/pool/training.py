"""Training the pool: a run for each environment and seed, a population of programs at a time.

Each program is a candidate of a run, trained and judged as a search does it, so that all that reads
runs also reads these. What ships is then judged on the reporting pool: that is the program's true
fitness. Everything is in the run's store before the next thing begins; the same call goes on after
a process was killed at any moment, and loses no more than the population that was training.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stable_baselines3 import PPO

from benchmarks.pool.members import Member
from eureka_agent.analysis.rewards.bank import FOLDER, Bank, enter_references
from eureka_agent.common.errors import UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.critic.critic import thought_of
from eureka_agent.environment import Environment, pools
from eureka_agent.search.loop import store_results, train_and_judge
from eureka_agent.search.trainer import Trainer
from eureka_agent.store import CandidateRow, Run, RunReader, list_runs
from eureka_agent.workers.judge_client import JudgeClient
from eureka_agent.workers.sandbox import require_isolation

LANES, WORLDS, STEPS = 8, 64, 300_000
UNTRAINED = ("accepted", "training")


@dataclass(frozen=True)
class Cell:
    """An environment with a seed.

    Attributes:
        environment: the task.
        seed: of its run.
        members: the programs, in order.
        runs: folder under which all runs of the pool lie.
        steps: environment steps of each training.
    """

    environment: Environment
    seed: int
    members: Sequence[Member]
    runs: Path
    steps: int = STEPS

    @property
    def folder(self) -> Path:
        """Where its one run lies."""
        return self.runs / self.environment.name / f"seed-{self.seed}"

    @property
    def config(self) -> SearchConfig:
        """The environment's own settings but for the pool's sizes."""
        return SearchConfig.for_environment(
            self.environment,
            designer="given",
            device="cpu",
            candidates=LANES,
            worlds=WORLDS,
            steps=self.steps,
            seed=self.seed,
            retrainings=0,
        )

    def run(self) -> Run:
        """Its run, with all programs entered; made if it is not there yet.

        Raises:
            UsageError: it was made for other programs or other settings.
        """
        there = list_runs(self.folder)
        run = Run.open(there[0]) if there else self._new_run()
        with run.transaction():
            for k, member in enumerate(self.members if not run.candidates() else []):
                self._enter(run, k, member)
        held = [row.text for row in run.candidates()]
        config = SearchConfig.from_dict(run.row().config)
        if config != self.config or held != [m.text for m in self.members]:
            run.close()
            raise UsageError(
                f"{run.path} was made for other programs or with other settings.",
                "Remove that folder to train anew, or give --runs another one.",
            )
        return run

    def begun(self) -> Iterator[tuple[int, RunReader]]:
        """The runs of its environment that there are, by seed, each open for its turn."""
        for folder in sorted(self.folder.parent.glob("seed-*")):
            for path in list_runs(folder)[:1]:
                with RunReader.open(path) as run:
                    yield int(folder.name.partition("-")[2]), run

    def left(self) -> int:
        """Programs without a result."""
        runs = (run for seed, run in self.begun() if seed == self.seed)
        return len(self.members) - sum(_done(run, row) for run in runs for row in run.candidates())

    def _new_run(self) -> Run:
        return Run.create(
            self.folder,
            self.environment.name,
            goal=self.environment.task,
            seed=self.seed,
            config=self.config.as_dict(),
            environment_source=self.environment.name,
            sandbox=str(require_isolation(self.config.sandbox)),
        )

    def _enter(self, run: Run, place: int, member: Member) -> None:
        """Make a program a candidate that the critic has passed."""
        row = run.add_candidate(
            place // LANES,
            place % LANES,
            member.text,
            designer=member.kind,
            thought=thought_of(member.text, self.environment),
            note=member.file,
        )
        run.set_verdict(row.id, [], accepted=True)


def train_cell(cell: Cell) -> Generator[Run, None, None]:
    """Train what has no result yet.

    Yields:
        The run after each population, with its results in the store.

    Raises:
        UsageError: another process trains this cell.
        JudgeFailed: policies cannot be judged.
        JobFailed: no worker can be set up for this environment.
    """
    environment, config = cell.environment, cell.config
    with (
        cell.run() as run,
        _sitting(run),
        JudgeClient(environment, config, environment.fitness_path) as judge,
    ):
        bank = Bank(run.path / FOLDER, config.bank << 20, lambda text: run.event("bank", text))
        enter_references(bank, judge, config)
        trainer = Trainer(run, environment, config, judge, environment.fitness_path)
        for generation in sorted({row.generation for row in run.candidates()}):
            rows = run.candidates(generation)
            if all(_done(run, row) for row in rows):
                continue
            waiting = [row for row in rows if row.state in UNTRAINED]
            outcomes = train_and_judge(run, trainer, config, waiting)
            store_results(run, waiting, outcomes, environment, config, bank)
            report(run, judge, config, run.candidates(generation))
            yield run
        run.set_phase("finished")
        run.set_status("finished")


def report(
    run: Run, judge: JudgeClient, config: SearchConfig, rows: Sequence[CandidateRow]
) -> None:
    """Judge what shipped on the reporting pool, as far as that is not done."""
    shipped = [row for row in rows if row.state == "finished" and not _done(run, row)]
    if not shipped:
        return
    weights = [
        PPO.load(run.candidate_folder(row.id) / "policy.zip", device="cpu").policy.state_dict()
        for row in shipped
    ]
    judgements = judge.judge(weights, pools.REPORTING, config.reporting_episodes)
    with run.transaction():
        for row, judgement in zip(shipped, judgements, strict=True):
            (training,) = run.trainings("candidate", row.id)
            run.set_reporting(training.id, float(judgement.fitness.mean()))


def _done(run: RunReader, row: CandidateRow) -> bool:
    """Whether a candidate's true fitness is known, or that it has none."""
    trainings = run.trainings("candidate", row.id)
    return row.state == "failed" or any(t.reporting_fitness is not None for t in trainings)


@contextmanager
def _sitting(run: Run) -> Iterator[None]:
    """Hold the run, and keep its status and clock, over one sitting."""
    with run.lock():
        began = time.monotonic()
        run.set_status("running")
        try:
            yield
        except BaseException:
            run.set_status("interrupted")
            raise
        finally:
            run.add_usage(wall_seconds=time.monotonic() - began)
