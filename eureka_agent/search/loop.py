"""The generation loop: propose, criticise, train, judge, and go on from what was learned.

Everything that happens is written to the store before the next thing begins, and every step asks
the store what is left to do. So a search that was killed goes on when the same function runs again.
"""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial

import numpy as np

from eureka_agent.designer import BudgetSpent, Proposal
from eureka_agent.environment import Environment
from eureka_agent.errors import StorageError
from eureka_agent.playback.winners import WinnerFilms
from eureka_agent.sandbox.isolation import demand
from eureka_agent.sandbox.spare import Spare
from eureka_agent.search.archive import past_candidates, remembered, ship
from eureka_agent.search.arguments import require_evaluable
from eureka_agent.search.bank import FOLDER, Bank, Entry, Record, enter_references
from eureka_agent.search.children import Judge, rows_at_once, start_worker
from eureka_agent.search.comparison import compare, enter_baselines, human_reward
from eureka_agent.search.config import SearchConfig
from eureka_agent.search.criticism import EPISODES, Critic, thought_of
from eureka_agent.search.examining import Examiner
from eureka_agent.search.insight import Insight
from eureka_agent.search.launch import Launch
from eureka_agent.search.measuring import note_measure, note_one_function
from eureka_agent.search.picturing import picture_winner
from eureka_agent.search.probing import Prober
from eureka_agent.search.reflecting import Reflecting, keep_reflection
from eureka_agent.search.reviewing import Review
from eureka_agent.search.scoring import Scorer
from eureka_agent.search.screening import Screening
from eureka_agent.search.settling import settle
from eureka_agent.search.trainer import Job, Outcome, Trainer
from eureka_agent.search.transcript import write_transcript
from eureka_agent.store import CandidateRow, Run, ranking, solved
from eureka_agent.store.files import draft_of
from eureka_agent.training import save_policy
from eureka_agent.ui.format import number, things
from eureka_agent.ui.verdict import why


def search(launch: Launch) -> None:
    """Search until the configured generations are finished, then compare the winner.

    Args:
        launch: a new run, or one to go on with.
    """
    run, config, environment = launch.run, launch.config, launch.environment
    rows = rows_at_once(config, environment)
    with (
        _sitting(run, config),
        WinnerFilms(run) if config.video else nullcontext() as films,
        Judge(environment, config, launch.fitness) as judge,
        Prober(environment, sandbox=config.sandbox, rows=rows) as prober,
        Spare(partial(start_worker, config)) as spare,
    ):
        trainer = Trainer(run, environment, config, judge, launch.fitness, spare)
        enter_baselines(run, environment, config)
        bank = _bank(run, judge, config)
        note_measure(run, judge, config, bank)
        insight = _insight(run, environment, bank, prober) if bank else None
        reflecting = (
            Reflecting(run, environment, config, bank, prober, launch.analyst) if bank else None
        )
        review = _review(launch, bank, prober) if bank else None
        screening = Screening(
            insight if config.equivalents else None,
            Examiner(environment, bank, prober) if bank and config.exam else None,
            review,
        )
        critic = Critic(run, environment, launch.designer, prober, config.repairs, screening)
        for generation in range(config.generations):
            spare.prepare()  # it imports while the designer writes and the critic reads
            candidates = propose(launch, generation)
            if not candidates:
                break
            sound = critic.criticise(candidates, config.candidates)
            train(run, trainer, config, sound, environment, bank)
            if reflecting is not None:
                run.set_phase(f"generation {generation}: the policies are analysed")
                reflecting.analyse(generation)
            if insight is not None:
                run.set_phase(f"generation {generation}: the programs are compared")
                hindsight = review.hindsight() if review else None
                insight.learn(generation, config.measured, hindsight)
            choose_best(run, generation)
            if films is not None:
                film_winner(run, films, generation)
        settle(run, trainer, config)
        if bank is not None and config.rank_by == "fitness":
            note_one_function(run, environment, judge, bank, prober)
        compare(run, trainer, judge, environment, config)
        if config.picture:
            picture_winner(run, environment, config.seed)


def evaluate(launch: Launch, seeds: int) -> None:
    """Retrain winner, human reward and bare fitness until each has `seeds` fresh trainings.

    Raises:
        UsageError: the search is not finished, found nothing, or has no fitness.
    """
    config = dataclasses.replace(launch.config, retrainings=seeds)
    run, environment = launch.run, launch.environment
    require_evaluable(run)
    with _sitting(run, config), Judge(environment, config, launch.fitness) as judge:
        trainer = Trainer(run, environment, config, judge, launch.fitness)
        compare(run, trainer, judge, environment, config, asked=True)


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
    count = config.written
    initial = [Proposal(launch.initial, (), "given to start from")] if launch.initial else []
    given = initial if generation == 0 else []
    to_write = things(count - len(given), "program")
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


def train(
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
    run.set_phase(f"generation {generation}: training {things(len(candidates), 'candidate')}")
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
            keep_reflection(run, row.id, environment, config)
        return
    folder = run.candidate_folder(row.id)
    save_policy(folder / "policy.zip", best.weights, environment)
    with draft_of(folder / EPISODES) as draft:
        np.savez_compressed(draft, allow_pickle=False, **best.episodes.arrays())
    with run.transaction():
        run.set_result(
            row.id,
            fitness=best.fitness,
            own_return=best.own_return,
            checkpoint_step=best.step,
            progress=best.progress,
        )
        keep_reflection(run, row.id, environment, config, best.episodes)
        shown = "trained to the end"
        if best.fitness is not None:
            near = "" if best.progress is None else f", progress {number(best.progress)}"
            shown = f"ranking fitness {number(best.fitness)}{near}"
        run.event("finished", shown, row.id)


def choose_best(run: Run, generation: int) -> None:
    """Note who leads; the best is never lost, whatever later generations bring."""
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


def _bank(run: Run, judge: Judge, config: SearchConfig) -> Bank | None:
    """The run's bank with its references; None where there is one program and nothing to compare.

    Raises:
        JudgeFailed: untrained policies cannot be judged.
    """
    if config.designer == "given":
        return None
    bank = Bank(run.path / FOLDER, config.bank << 20, lambda text: run.event("bank", text))
    enter_references(bank, judge, config)
    return bank


def _insight(run: Run, environment: Environment, bank: Bank, prober: Prober) -> Insight:
    path = human_reward(run, environment)
    human = path.read_text(encoding="utf-8") if path else ""
    return Insight(run, bank, Scorer(bank, prober), environment.training.discount, human)


def _review(launch: Launch, bank: Bank, prober: Prober) -> Review | None:
    if launch.reviewer is None:
        return None
    run, environment, rounds = launch.run, launch.environment, launch.config.review_rounds
    return Review(run, environment, launch.reviewer, bank, prober, rounds)


def film_winner(run: Run, films: WinnerFilms, generation: int) -> None:
    """Have the best of a generation filmed, which nothing waits for."""
    best = next((s.row for s in ranking(run) if s.row.generation == generation), None)
    if best is not None:
        films.record(best.id)


@contextmanager
def _sitting(run: Run, config: SearchConfig) -> Iterator[None]:
    """Hold the run and keep its status and clock over one sitting, however it ends."""
    with run.lock():
        started = time.monotonic()
        run.set_sandbox(str(demand(config.sandbox)))  # the machine may be another one than before
        run.set_status("running")
        try:
            yield
        except BaseException as error:
            # On a disk that refuses this fails, too; what went wrong first is what is said.
            with suppress(StorageError):
                run.add_usage(wall_seconds=time.monotonic() - started)
                if isinstance(error, KeyboardInterrupt):
                    run.set_status("interrupted")
                else:
                    run.set_status("failed", f"{type(error).__name__}: {error}")
            raise
        run.add_usage(wall_seconds=time.monotonic() - started)
        run.set_phase("finished")
        run.set_status("finished")
