"""The generation loop: propose, criticise, train, judge, and go on from what was learned.

Everything that happens is written to the store before the next thing begins, and every step asks
the store what is left to do. So a search that was killed goes on when the same function runs again.
"""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import numpy as np

from eureka_agent.analysis import behaviour, reflect
from eureka_agent.designer import BudgetSpent, Proposal
from eureka_agent.environment import Environment, Episodes, SignalLayout
from eureka_agent.errors import UsageError
from eureka_agent.sandbox.isolation import demand
from eureka_agent.sandbox.spare import Spare
from eureka_agent.search.archive import leader, mean_fitness, past_candidates, remembered, ship
from eureka_agent.search.children import Judge, start_worker
from eureka_agent.search.comparison import compare, enter_baselines
from eureka_agent.search.config import SearchConfig
from eureka_agent.search.criticism import EPISODES, Critic, thought_of
from eureka_agent.search.launch import Launch
from eureka_agent.search.probing import Prober
from eureka_agent.search.settling import settle
from eureka_agent.search.trainer import Job, Outcome, Trainer
from eureka_agent.search.transcript import write_transcript
from eureka_agent.store import CandidateRow, Run
from eureka_agent.training import save_policy


def search(launch: Launch) -> None:
    """Search until the configured generations are finished, then compare the winner.

    Args:
        launch: a new run, or one to go on with.
    """
    run, config, environment = launch.run, launch.config, launch.environment
    with (
        _sitting(run, config),
        Judge(environment, config, launch.fitness) as judge,
        Prober(environment, sandbox=config.sandbox) as prober,
        Spare(partial(start_worker, config)) as spare,
    ):
        trainer = Trainer(run, environment, config, judge, launch.fitness, spare)
        critic = Critic(run, environment, launch.designer, prober, config.repairs)
        enter_baselines(run, environment, config)
        for generation in range(config.generations):
            spare.prepare()  # it imports while the designer writes and the critic reads
            candidates = propose(launch, generation)
            if not candidates:
                break
            sound = critic.criticise(candidates)
            train(run, trainer, config, sound, environment)
            choose_best(run, generation)
        settle(run, trainer, config)
        compare(run, trainer, judge, environment, config)


def evaluate(launch: Launch, seeds: int) -> None:
    """Retrain winner, human reward and bare fitness until each has `seeds` fresh trainings.

    Raises:
        UsageError: the search is not finished, or found nothing.
    """
    config = dataclasses.replace(launch.config, retrainings=seeds)
    run, environment = launch.run, launch.environment
    if run.row().status != "finished":
        raise UsageError(
            f"Run {run.name} is not finished.", f"Go on with: eureka-agent resume {run.path}"
        )
    if run.row().best_candidate is None:
        raise UsageError(f"Run {run.name} has no winner to evaluate.")
    with _sitting(run, config), Judge(environment, config, launch.fitness) as judge:
        trainer = Trainer(run, environment, config, judge, launch.fitness)
        compare(run, trainer, judge, environment, config)


def propose(launch: Launch, generation: int) -> list[CandidateRow]:
    """The candidates of a generation; written by the designer unless they are there already.

    Empty if the designer may not spend any more.
    """
    run, designer, config = launch.run, launch.designer, launch.config
    existing = run.candidates(generation)
    if existing:
        for row in existing:
            write_transcript(run, row)
        return existing
    count = config.candidates
    initial = [Proposal(launch.initial, (), "given to start from")] if launch.initial else []
    given = initial if generation == 0 else []
    run.set_phase(f"generation {generation}: {designer.name} writes {count - len(given)} programs")
    try:
        past = remembered(past_candidates(run, generation), config)
        written = designer.propose(generation, count, past)
    except BudgetSpent as error:
        run.event("budget", f"{error.message} The search ends with what it has.")
        written = []
    proposals = [*given, *written][:count]
    with run.transaction():
        rows = [
            run.add_candidate(
                generation,
                slot if proposal.slot is None else proposal.slot,
                proposal.text,
                designer="person" if proposal in given else designer.name,
                parents=proposal.parents,
                thought=thought_of(proposal.text, launch.environment),
                note=proposal.note,
                lesson=proposal.lesson,
                findings=[finding.as_dict() for finding in proposal.findings],
            )
            for slot, proposal in enumerate(proposals)
        ]
    for row in rows:
        write_transcript(run, row)
    return rows


def train(
    run: Run,
    trainer: Trainer,
    config: SearchConfig,
    candidates: list[CandidateRow],
    environment: Environment,
) -> None:
    """Train candidates side by side, all on the same seed, and record what became of each."""
    if not candidates:
        return
    generation = candidates[0].generation
    run.set_phase(f"generation {generation}: {len(candidates)} candidates train")
    seed = config.training_seed(0)
    jobs: dict[int, Job] = {}
    for row in candidates:
        training = run.add_training("candidate", seed, steps_total=config.steps, candidate=row.id)
        jobs[row.id] = Job(training.id, row.text, seed, f"#{row.id}")
        run.set_candidate_state(row.id, "training")
    outcomes = trainer.train(list(jobs.values()))
    for row, outcome in zip(candidates, outcomes, strict=True):
        keep_result(run, row, outcome, environment)


def keep_result(run: Run, row: CandidateRow, outcome: Outcome, environment: Environment) -> None:
    """Write a candidate's policy and episodes, then its result."""
    best = outcome.best
    if best is None:
        with run.transaction():
            run.set_failure(row.id, outcome.failure or "unknown")
            run.event("failed", outcome.failure or "unknown", row.id)
            keep_reflection(run, row.id, environment)
        return
    folder = run.candidate_folder(row.id)
    save_policy(folder / "policy.zip", best.weights, environment)
    np.savez_compressed(folder / EPISODES, allow_pickle=False, **best.episodes.arrays())
    with run.transaction():
        run.set_result(
            row.id,
            fitness=best.fitness,
            own_return=best.own_return,
            checkpoint_step=best.step,
        )
        keep_reflection(run, row.id, environment, best.episodes)
        run.event("finished", f"fitness {best.fitness:.4g}", row.id)


def keep_reflection(
    run: Run, candidate: int, environment: Environment, episodes: Episodes | None = None
) -> None:
    """Write what a candidate's training showed, for the next generation and for people."""
    training = next(iter(run.trainings("candidate", candidate)), None)
    evaluations = run.evaluations(training.id) if training else []
    steps = environment.episode_steps
    text = reflect(run.candidate(candidate), training, evaluations, episode_steps=steps)
    if episodes is not None:
        columns = SignalLayout(environment.signals_described).columns
        done = behaviour(columns, episodes.states.numpy(), episodes.lengths.numpy())
        text = f"{text.rstrip()}\n{done}"
    run.set_reflection(candidate, text)


def choose_best(run: Run, generation: int) -> None:
    """Note who leads; the best is never lost, whatever later generations bring."""
    best = leader(run)
    if best is None:
        run.event("generation", f"Generation {generation} brought no working reward")
        return
    if run.row().best_candidate != best.id:
        run.event("best", f"leads with fitness {mean_fitness(run, best):.4g}", best.id)
    ship(run, best)


@contextmanager
def _sitting(run: Run, config: SearchConfig) -> Iterator[None]:
    """Hold the run and keep its status and clock over one sitting, however it ends."""
    with run.lock():
        started = time.monotonic()
        run.set_sandbox(str(demand(config.sandbox)))  # the machine may be another one than before
        run.set_status("running")
        try:
            yield
        except KeyboardInterrupt:
            run.set_status("interrupted")
            raise
        except Exception as error:
            run.set_status("failed", f"{type(error).__name__}: {error}")
            raise
        else:
            run.set_phase("finished")
            run.set_status("finished")
        finally:
            run.add_usage(wall_seconds=time.monotonic() - started)
