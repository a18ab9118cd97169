"""The generation loop: propose, criticise, train, judge, and go on from what was learned.

Everything that happens is written to the store before the next thing begins, and every step asks
the store what is left to do. So a search that was killed goes on when the same function runs again.
"""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from eureka_agent.designer import Designer
from eureka_agent.environment import Environment
from eureka_agent.reward import RewardRejected, parse
from eureka_agent.search.archive import leader, past_candidates
from eureka_agent.search.children import Judge
from eureka_agent.search.comparison import compare, enter_baselines
from eureka_agent.search.config import SearchConfig
from eureka_agent.search.launch import Launch
from eureka_agent.search.settling import settle
from eureka_agent.search.trainer import Job, Outcome, Trainer
from eureka_agent.store import CandidateRow, Run
from eureka_agent.training import save_policy


def search(launch: Launch) -> None:
    """Search until the configured generations are finished, then compare the winner.

    Args:
        launch: a new run, or one to go on with.
    """
    run, config, environment = launch.run, launch.config, launch.environment
    with _sitting(run), Judge(environment, config, launch.fitness) as judge:
        trainer = Trainer(run, environment, config, judge, launch.fitness)
        enter_baselines(run, environment, config)
        for generation in range(config.generations):
            candidates = propose(run, launch.designer, environment, generation, config.candidates)
            sound = criticise(run, environment, candidates)
            train(run, trainer, config, sound, environment)
            if sound:
                choose_best(run, generation)
        settle(run, trainer, config)
        compare(run, trainer, judge, environment, config)


def evaluate(launch: Launch, seeds: int) -> None:
    """Retrain winner, human reward and bare fitness until each has `seeds` fresh trainings."""
    config = dataclasses.replace(launch.config, retrainings=seeds)
    run, environment = launch.run, launch.environment
    with _sitting(run), Judge(environment, config, launch.fitness) as judge:
        trainer = Trainer(run, environment, config, judge, launch.fitness)
        compare(run, trainer, judge, environment, config)


def propose(
    run: Run, designer: Designer, environment: Environment, generation: int, count: int
) -> list[CandidateRow]:
    """The candidates of a generation; written by the designer unless they are there already."""
    existing = run.candidates(generation)
    if len(existing) == count:
        return existing
    run.set_phase(f"generation {generation}: {designer.name} designer writes {count} programs")
    proposals = designer.propose(generation, count, past_candidates(run, generation))
    with run.transaction():
        return [
            run.add_candidate(
                generation,
                slot,
                proposal.text,
                designer=designer.name,
                parents=proposal.parents,
                thought=_thought(proposal.text, environment),
                note=proposal.note,
            )
            for slot, proposal in enumerate(proposals)
        ]


def criticise(
    run: Run, environment: Environment, candidates: list[CandidateRow]
) -> list[CandidateRow]:
    """Check the programs that nobody has checked; returns those that are to be trained."""
    known = {
        parse(row.text, environment.signals_described).fingerprint: row.id
        for row in run.candidates()
        if row.state not in ("proposed", "rejected")
    }
    for row in candidates:
        if row.state != "proposed":
            continue
        try:
            program = parse(row.text, environment.signals_described)
        except RewardRejected as error:
            findings = [finding.as_dict() for finding in error.findings]
            run.set_verdict(row.id, findings, accepted=False, failure=error.message)
            run.event("rejected", error.message, row.id)
            continue
        twin = known.setdefault(program.fingerprint, row.id)
        if twin == row.id:
            run.set_verdict(row.id, [], accepted=True)
        else:
            # Equal programs train to equal policies: nothing would be learned.
            reason = f"The same program as #{twin}."
            run.set_verdict(row.id, [], accepted=False, failure=reason)
            run.event("rejected", reason, row.id)
    ids = {row.id for row in candidates}
    return [r for r in run.candidates() if r.id in ids and r.state in ("accepted", "training")]


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
        run.set_failure(row.id, outcome.failure or "unknown")
        run.event("failed", outcome.failure or "unknown", row.id)
        return
    folder = run.candidate_folder(row.id)
    save_policy(folder / "policy.zip", best.weights, environment)
    np.savez_compressed(folder / "episodes.npz", allow_pickle=False, **best.episodes.arrays())
    run.set_result(
        row.id,
        fitness=best.fitness,
        own_return=best.own_return,
        checkpoint_step=best.step,
    )
    run.event("finished", f"fitness {best.fitness:.4g}", row.id)


def choose_best(run: Run, generation: int) -> None:
    """Note who leads; the best is never lost, whatever later generations bring."""
    best = leader(run)
    if best is None:
        run.event("generation", f"Generation {generation} brought no working reward")
        return
    if run.row().best_candidate != best.id:
        run.event("best", f"leads with fitness {best.fitness:.4g}", best.id)
    run.set_best(best.id)


def _thought(text: str, environment: Environment) -> str:
    """The design thought that a program begins with; empty if it cannot be read."""
    try:
        return parse(text, environment.signals_described).thought
    except RewardRejected:
        return ""


@contextmanager
def _sitting(run: Run) -> Iterator[None]:
    """Hold the run and keep its status and clock over one sitting, however it ends."""
    with run.lock():
        started = time.monotonic()
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
