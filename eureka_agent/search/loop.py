"""The search loop: each generation passes through six stages, always in this order.

    propose  generation, list[Past]  -> list[Proposal], kept as list[CandidateRow]  `propose`
    verify   list[CandidateRow]      -> list[CandidateRow]: the sound ones          `Critic`
    train    list[Job]               -> list[Outcome]: the checkpoint that ships    `Trainer`
    judge    list[Weights]           -> list[Judgement]: episodes and fitness       `Judge`
    learn    finished candidates     -> reflections, comparisons, peer win rates    `learn`
    select   list[Standing]          -> the best candidate, shipped                 `select`

Each stage uses what the stages before it gave. What `learn` and `select` find reaches the next
`propose` only through the store. Two stages take turns with a neighbour: `verify` sends programs
back to the designer for repair, and `train` asks the judge for episodes several times in a
training, as the program's own return on them decides which checkpoint ships.

Everything that happens is written to the store before the next thing begins, and every stage asks
the store what is left to do. So a search that was killed goes on when the same function runs again.
`search.setup` builds the stages.
"""

import dataclasses

import numpy as np

from eureka_agent.analysis.feedback import store_reflection
from eureka_agent.analysis.rewards.bank import Bank, Entry, Record, enter_references
from eureka_agent.analysis.trajectories.excerpt import picture_winner
from eureka_agent.common.text import number, plural
from eureka_agent.config import SearchConfig
from eureka_agent.critic.critic import thought_of
from eureka_agent.designer.base import Proposal
from eureka_agent.environment import Environment
from eureka_agent.llm.budget import BudgetSpent
from eureka_agent.search.archive import break_ties, past_candidates, remembered, ship
from eureka_agent.search.arguments import require_evaluable
from eureka_agent.search.final_comparison import (
    compare_with_baselines,
    enter_baselines,
    note_measure,
    note_one_function,
)
from eureka_agent.search.setup import SearchSetup, Stages, build_stages, running
from eureka_agent.search.trainer import Job, Outcome, Trainer
from eureka_agent.store import CandidateRow, Run, ranking, solved
from eureka_agent.store.folder import EPISODES_FILE, atomic_file
from eureka_agent.store.writing import write_transcript
from eureka_agent.training import save_policy
from eureka_agent.video.winners import WinnerFilms
from eureka_agent.views.verdict import why
from eureka_agent.workers.judge_client import JudgeClient


def search(launch: SearchSetup) -> None:
    """Search until the configured generations are finished, then compare the winner.

    Args:
        launch: a new run, or one to go on with.
    """
    run, config, environment = launch.run, launch.config, launch.environment
    with running(run, config), build_stages(launch) as stages:
        prepare(launch, stages)
        for generation in range(config.generations):
            stages.prestarted.prepare()  # it imports while the designer writes and the critic reads
            candidates = propose(launch, generation)
            if not candidates:
                break
            sound = stages.critic.verify(candidates, config.candidates)
            train_and_judge(run, stages.trainer, config, sound, environment, stages.bank)
            learn(run, config, stages, generation)
            select(run, generation, stages.films)
        conclude(launch, stages)


def evaluate(launch: SearchSetup, seeds: int) -> None:
    """Retrain winner, human reward and bare fitness until each has `seeds` fresh trainings.

    Raises:
        UsageError: the search is not finished, found nothing, or has no fitness.
    """
    config = dataclasses.replace(launch.config, retrainings=seeds)
    run, environment = launch.run, launch.environment
    require_evaluable(run)
    with running(run, config), JudgeClient(environment, config, launch.fitness) as judge:
        trainer = Trainer(run, environment, config, judge, launch.fitness)
        compare_with_baselines(run, trainer, judge, environment, config, asked=True)


def prepare(launch: SearchSetup, stages: Stages) -> None:
    """Record what candidates are compared with, as far as the run does not hold it yet.

    Raises:
        JudgeFailed: untrained policies cannot be judged.
    """
    enter_baselines(launch.run, launch.environment, launch.config)
    if stages.bank is not None:
        enter_references(stages.bank, stages.judge, launch.config)
    note_measure(launch.run, stages.judge, launch.config, stages.bank)


def propose(launch: SearchSetup, generation: int) -> list[CandidateRow]:
    """The candidates of a generation; written by the designer unless they are there already.

    Empty if the designer may not spend any more.
    """
    run, designer, config = launch.run, launch.designer, launch.config
    existing = run.candidates(generation)
    if existing:
        for row in existing:
            write_transcript(run, row)
        return existing
    count = config.written
    initial = [Proposal(launch.initial, (), "given to start from")] if launch.initial else []
    given = initial if generation == 0 else []
    to_write = plural(count - len(given), "program")
    run.set_phase(f"generation {generation}: {designer.name} writes {to_write}")
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


def train_and_judge(
    run: Run,
    trainer: Trainer,
    config: SearchConfig,
    candidates: list[CandidateRow],
    environment: Environment,
    bank: Bank | None = None,
) -> None:
    """Train candidates side by side, all on the same seed, and record what became of each."""
    if not candidates:
        return
    generation = candidates[0].generation
    run.set_phase(f"generation {generation}: training {plural(len(candidates), 'candidate')}")
    seed = config.training_seed(0)
    jobs: dict[int, Job] = {}
    for row in candidates:
        training = run.add_training("candidate", seed, steps_total=config.steps, candidate=row.id)
        jobs[row.id] = Job(training.id, row.text, seed, f"#{row.id}")
        run.set_candidate_state(row.id, "training")
    outcomes = trainer.train(list(jobs.values()))
    for row, outcome in zip(candidates, outcomes, strict=True):
        if bank is not None:
            keep_episodes(bank, row, outcome)
        keep_result(run, row, outcome, environment, config)


def keep_episodes(bank: Bank, row: CandidateRow, outcome: Outcome) -> None:
    """Put what the shipped checkpoint did into the bank, and what an earlier one did."""
    best, early = outcome.best, outcome.early
    if best is None:
        return
    place = (row.generation, row.id)
    if early is not None and early.step != best.step:
        bank.add(Record(Entry(str(row.id), early.step, "early", *place), early.judgement))
    bank.add(Record(Entry(str(row.id), best.step, "shipped", *place), best.judgement))


def keep_result(
    run: Run,
    row: CandidateRow,
    outcome: Outcome,
    environment: Environment,
    config: SearchConfig,
) -> None:
    """Write a candidate's policy and episodes, then its result."""
    best = outcome.best
    if best is None:
        with run.transaction():
            run.set_failure(row.id, outcome.failure or "unknown")
            run.event("failed", outcome.failure or "unknown", row.id)
            store_reflection(run, row.id, environment, config)
        return
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
        ChildFailed: programs cannot be scored.
        JobFailed: the environment cannot be set up.
    """
    if stages.feedback is not None:
        run.set_phase(f"generation {generation}: the policies are analysed")
        stages.feedback.analyse(generation)
    if stages.reward_comparison is not None:
        run.set_phase(f"generation {generation}: the programs are compared")
        reviewer_precision = stages.review.reviewer_precision() if stages.review else None
        stages.reward_comparison.learn(generation, config.measured, reviewer_precision)


def select(run: Run, generation: int, films: WinnerFilms | None = None) -> None:
    """Note who leads, and have the best of the generation filmed, which nothing waits for.

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


def conclude(launch: SearchSetup, stages: Stages) -> None:
    """Settle close calls on a second seed, then retrain the winner beside the baselines.

    Raises:
        JudgeFailed: policies cannot be judged.
        JobFailed: no worker can be set up for this environment.
        EnvironmentFailed: the environment's own code ends worker after worker.
    """
    run, config, environment = launch.run, launch.config, launch.environment
    break_ties(run, stages.trainer, config)
    if stages.bank is not None and config.rank_by == "fitness":
        note_one_function(run, environment, stages.judge, stages.bank, stages.prober)
    compare_with_baselines(run, stages.trainer, stages.judge, environment, config)
    if config.picture:
        picture_winner(run, environment, config.seed)
