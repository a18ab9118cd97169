"""The search loop: each generation passes through six stages, always in this order.

    stage     takes                       gives                                      code
    propose   list[PastCandidate]         list[Proposal], stored as CandidateRow     `Designer`
    verify    list[CandidateRow]          list[CandidateRow]: the sound ones         `Critic`
    train     list[Job]                   list[Outcome]: the selected checkpoints    `Trainer`
    judge     list[Weights]               list[EvaluatedEpisodes]: with fitness      in `Trainer`
    learn     finished candidates         reflections, rewards compared              `Feedback`
    select    the ranking                 the leader of the search, stored           `archive.ship`

`judge` takes turns with `train`: `Trainer._evaluate` asks the `JudgeClient` several times in a run,
as the program's own return on the episodes decides which checkpoint is selected; `store_results`
stores both. `verify` takes turns with `propose`: it sends programs back to the designer for repair.
Otherwise no stage reaches backwards: each uses what earlier stages gave, and what they find reaches
the next `propose`, where parents are chosen, only through the store.

Each stage stores its results before the next one begins, and asks the store what is left to do. So
a killed search continues when the same function runs again.

Where to look: `search.setup` builds the stages; `search.archive` says which candidates designers
see; `search.trainer` says what happens to a program that raises in training.
"""

import dataclasses

import numpy as np

from eureka_agent.analysis.feedback import store_reflection
from eureka_agent.analysis.rewards.bank import Bank, Entry, Kind, Record, enter_references
from eureka_agent.analysis.trajectories.excerpt import picture_winner
from eureka_agent.common.text import number, plural
from eureka_agent.config import SearchConfig
from eureka_agent.critic.critic import thought_of
from eureka_agent.designer.base import Proposal
from eureka_agent.environment import Environment
from eureka_agent.llm.budget import BudgetSpent
from eureka_agent.search.archive import break_ties, ship, visible_candidates
from eureka_agent.search.arguments import require_evaluable
from eureka_agent.search.final_comparison import (
    compare_with_baselines,
    enter_baselines,
    record_measure,
    record_same_function,
)
from eureka_agent.search.setup import SearchSetup, Stages, build_stages, running
from eureka_agent.search.trainer import Checkpoint, Job, Outcome, Trainer
from eureka_agent.store import CandidateRow, Run, ranking, solved
from eureka_agent.store.folder import EPISODES_FILE, atomic_file
from eureka_agent.store.writing import write_transcript
from eureka_agent.training import save_policy
from eureka_agent.video.winners import WinnerFilms
from eureka_agent.views.verdict import why
from eureka_agent.workers.judge_client import JudgeClient


def search(setup: SearchSetup) -> None:
    """Search until the configured generations are finished, then compare the winner.

    Args:
        setup: a new run, or one to continue.
    """
    run, config, environment = setup.run, setup.config, setup.environment
    with running(run, config), build_stages(setup) as stages:
        prepare(setup, stages)
        for generation in range(config.generations):
            stages.prestarted.prepare()  # it imports while the designer writes and the critic reads
            candidates = propose(setup, generation)
            if not candidates:
                break
            sound = stages.critic.verify(candidates, config.candidates)
            outcomes = train_and_judge(run, stages.trainer, config, sound)
            store_results(run, sound, outcomes, environment, config, stages.bank)
            learn(run, config, stages, generation)
            select(run, generation, stages.films)
        conclude(setup, stages)


def evaluate(setup: SearchSetup, seeds: int) -> None:
    """Retrain winner, human reward and bare fitness until each has run on `seeds` fresh seeds.

    Raises:
        UsageError: the search is not finished, found nothing, or has no fitness.
    """
    config = dataclasses.replace(setup.config, retrainings=seeds)
    run, environment = setup.run, setup.environment
    require_evaluable(run)
    with running(run, config), JudgeClient(environment, config, setup.fitness) as judge:
        trainer = Trainer(run, environment, config, judge, setup.fitness)
        compare_with_baselines(run, trainer, judge, environment, config, asked=True)


def prepare(setup: SearchSetup, stages: Stages) -> None:
    """Record what candidates are compared with, where the run does not hold it yet.

    Raises:
        JudgeFailed: untrained policies cannot be judged.
    """
    enter_baselines(setup.run, setup.environment, setup.config)
    if stages.bank is not None:
        enter_references(stages.bank, stages.judge, setup.config)
    record_measure(setup.run, stages.judge, setup.config, stages.bank)


def propose(setup: SearchSetup, generation: int) -> list[CandidateRow]:
    """The candidates of a generation; written by the designer unless they are stored already.

    Empty if the budget is spent.
    """
    run, designer, config = setup.run, setup.designer, setup.config
    rows = run.candidates(generation)
    if not rows:
        first = setup.initial if generation == 0 else ""
        given = [Proposal(first, (), "given to start from")] if first else []
        to_write = plural(config.written - len(given), "program")
        run.set_phase(f"generation {generation}: {designer.name} writes {to_write}")
        try:
            past = visible_candidates(run, generation, config)
            written = designer.propose(generation, config.written, past)
        except BudgetSpent as error:
            run.event("budget", f"{error.message} The search ends with what it has.")
            written = []
        with run.transaction():
            rows = [
                run.add_candidate(
                    generation,
                    slot if proposal.slot is None else proposal.slot,
                    proposal.text,
                    designer="person" if proposal in given else designer.name,
                    parents=proposal.parents,
                    thought=thought_of(proposal.text, setup.environment),
                    note=proposal.note,
                    lesson=proposal.lesson,
                    findings=[finding.as_dict() for finding in proposal.findings],
                )
                for slot, proposal in enumerate([*given, *written][: config.written])
            ]
    for row in rows:
        write_transcript(run, row)
    return rows


def train_and_judge(
    run: Run, trainer: Trainer, config: SearchConfig, candidates: list[CandidateRow]
) -> list[Outcome]:
    """Train candidates side by side, all on the same seed; the judge evaluates them on the way."""
    if not candidates:
        return []
    generation = candidates[0].generation
    run.set_phase(f"generation {generation}: training {plural(len(candidates), 'candidate')}")
    seed = config.training_seed(0)
    jobs = []
    for row in candidates:
        training = run.add_training("candidate", seed, steps_total=config.steps, candidate=row.id)
        jobs.append(Job(training.id, row.text, seed, f"#{row.id}"))
        run.set_candidate_state(row.id, "training")
    return trainer.train(jobs)


def store_results(
    run: Run,
    candidates: list[CandidateRow],
    outcomes: list[Outcome],
    environment: Environment,
    config: SearchConfig,
    bank: Bank | None = None,
) -> None:
    """Store the result of each training run: the policy, its episodes and fitness, or the failure.

    Args:
        run: the search.
        candidates: those that were trained.
        outcomes: of their training runs, in the same order.
        environment: the task.
        config: of the run.
        bank: gets the episodes of the selected and of an early checkpoint, if there is one.
    """
    for row, outcome in zip(candidates, outcomes, strict=True):
        best, early = outcome.best, outcome.early
        if best is None:
            failure = outcome.failure or "unknown"
            with run.transaction():
                run.set_failure(row.id, failure)
                run.event("failed", failure, row.id)
                store_reflection(run, row.id, environment, config)
            continue
        if bank is not None:
            if early is not None and early.step != best.step:
                _bank(bank, row, early, "early")
            _bank(bank, row, best, "shipped")
        _store_result(run, row, best, environment, config)


def _bank(bank: Bank, row: CandidateRow, checkpoint: Checkpoint, kind: Kind) -> None:
    entry = Entry(str(row.id), checkpoint.step, kind, row.generation, row.id)
    bank.add(Record(entry, checkpoint.judgement))


def _store_result(
    run: Run, row: CandidateRow, best: Checkpoint, environment: Environment, config: SearchConfig
) -> None:
    folder = run.candidate_folder(row.id)
    save_policy(folder / "policy.zip", best.weights, environment)
    with atomic_file(folder / EPISODES_FILE) as draft:
        np.savez_compressed(draft, allow_pickle=False, **best.episodes.arrays())
    with run.transaction():
        run.set_result(
            row.id,
            fitness=best.fitness,
            own_return=best.own_return,
            checkpoint_step=best.step,
            progress=best.progress,
        )
        store_reflection(run, row.id, environment, config, best.episodes)
        shown = "trained to the end"
        if best.fitness is not None:
            near = "" if best.progress is None else f", progress {number(best.progress)}"
            shown = f"ranking fitness {number(best.fitness)}{near}"
        run.event("finished", shown, row.id)


def learn(run: Run, config: SearchConfig, stages: Stages, generation: int) -> None:
    """Analyse the policies of a generation, then compare its programs with all others.

    Raises:
        WorkerFailed: programs cannot be scored.
        JobFailed: the environment cannot be set up.
    """
    if stages.feedback is not None:
        run.set_phase(f"generation {generation}: the policies are analysed")
        stages.feedback.analyse(generation)
    if stages.reward_comparison is not None:
        run.set_phase(f"generation {generation}: the programs are compared")
        precision = stages.review.reviewer_precision() if stages.review else None
        stages.reward_comparison.learn(generation, config.measured, precision)


def select(run: Run, generation: int, films: WinnerFilms | None = None) -> None:
    """Store the leader of the search, and have the best of the generation filmed meanwhile.

    The best is never lost, whatever later generations bring.
    """
    ranked = ranking(run)
    if not ranked:
        run.event("generation", f"Generation {generation} brought no working reward")
        return
    best = ranked[0].row
    if run.row().best_candidate != best.id:
        if solved(run, ranked) is False:
            untrained = number(run.row().measure["untrained"])
            said = f"Nothing does better yet than untrained policies ({untrained}); first stands"
            run.event("generation", f"{said} #{best.id} ({number(ranked[0].value)})")
        else:
            run.event("best", f"leads: {why(run, ranked)}", best.id)
    ship(run, best)
    newest = next((s.row for s in ranked if s.row.generation == generation), None)
    if films is not None and newest is not None:
        films.record(newest.id)


def conclude(setup: SearchSetup, stages: Stages) -> None:
    """Break ties with a second seed, then retrain the winner beside the baselines.

    Raises:
        JudgeFailed: policies cannot be judged.
        JobFailed: no worker can be set up for this environment.
        EnvironmentFailed: the environment's own code ends worker after worker.
    """
    run, config, environment = setup.run, setup.config, setup.environment
    break_ties(run, stages.trainer, config)
    if stages.bank is not None and config.measured:
        record_same_function(run, environment, stages.judge, stages.bank, stages.prober)
    compare_with_baselines(run, stages.trainer, stages.judge, environment, config)
    if config.picture:
        picture_winner(run, environment, config.seed)
