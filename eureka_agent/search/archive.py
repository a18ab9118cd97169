"""The archive of candidates: which of them designers see, and which one wins."""

import shutil
from dataclasses import replace

from eureka_agent.common.text import plural
from eureka_agent.config import SearchConfig
from eureka_agent.designer.base import PastCandidate, by_merit
from eureka_agent.search.trainer import Job, Trainer
from eureka_agent.store import CandidateRow, Run, RunReader, ranking, solved
from eureka_agent.store.folder import atomic_file
from eureka_agent.views.verdict import why

POLICY_FILES = ("policy.zip", "policy.json")
CLOSE = 0.3
"""A candidate ties with the leader if it lags by at most this fraction of the range of all."""


def visible_candidates(run: Run, generation: int, config: SearchConfig) -> list[PastCandidate]:
    """The earlier candidates that a designer may see when it writes a generation.

    From these the designer chooses parents. The offline one draws them
    (`designer.offline.designer._Parents`). A language model is shown the best as `prompts.best_of`
    finds it, and `prompts/turn.md.j2` says on what to build; `designer.llm_designer._parents`
    records as parents what that asks for.

    Args:
        run: the search.
        generation: the one to be written.
        config: says whether designers see results (`reflection`), and which (`memory`).
    """
    return remembered(past_candidates(run, generation), config)


def past_candidates(run: Run, before: int) -> list[PastCandidate]:
    """Candidates of the generations before `before`, with all that a designer may know."""
    known = {standing.row.id: standing for standing in ranking(run)}
    return [
        PastCandidate(
            id=row.id,
            generation=row.generation,
            text=row.text,
            parents=row.parents,
            fitness=known[row.id].value if row.id in known else None,
            progress=known[row.id].progress if row.id in known else None,
            failure=row.failure,
            thought=row.thought,
            lesson=row.lesson,
            reflection=row.reflection,
            rewritten=any(draft.text != row.text for draft in run.drafts(row.id)[:1]),
        )
        for row in run.candidates()
        if row.generation < before
    ]


def remembered(past: list[PastCandidate], config: SearchConfig) -> list[PastCandidate]:
    """The part of the past that the configuration shows to designers.

    Without reflection designers see only the code, to avoid duplicates.
    """
    if not config.reflection:
        return [
            replace(p, fitness=None, failure=None, lesson="", reflection="", parents=())
            for p in past
        ]
    if config.memory == "archive":
        return past
    fit = [p for p in past if p.fitness is not None]
    latest = max((p.generation for p in fit), default=None)
    return sorted((p for p in fit if p.generation == latest), key=by_merit)[:1]


def ship(run: Run, candidate: CandidateRow) -> None:
    """Make a candidate the run's best: its policy and its program in the folder `best`.

    The program comes last. A process that is killed in between does this again when it is resumed,
    as every search does before it ends; a policy of another candidate never stays beside the
    program.
    """
    best = run.path / "best"
    best.mkdir(exist_ok=True)
    for name in POLICY_FILES:
        source = run.candidate_folder(candidate.id) / name
        if source.is_file():
            with atomic_file(best / name) as draft:
                shutil.copyfile(source, draft)
        else:
            (best / name).unlink(missing_ok=True)
    run.set_best(candidate.id)


def break_ties(run: Run, trainer: Trainer, config: SearchConfig) -> None:
    """Train the candidates that tie with the leader on a second seed; the highest mean wins.

    It continues until the leader has been trained twice: when the leaders fall back on their second
    seed, the next one has still only been lucky once.
    """
    while close := _undecided(run, config):
        run.set_phase(f"close call: a second seed for {plural(len(close), 'candidate')}")
        trainer.train([_second_training(run, row, config) for row in close])
    ranked = ranking(run)
    if not ranked:
        return
    best = ranked[0].row
    if run.row().best_candidate != best.id:
        run.event("best", f"wins: {why(run, ranked)}", best.id)
    ship(run, best)


def finalists(run: RunReader, most: int) -> list[CandidateRow]:
    """The candidates that are close to the leader, the fittest first, at most `most`.

    There are none if no candidate does better than untrained policies, or all are equal.
    """
    ranked = ranking(run)
    if not ranked or solved(run, ranked) is False:
        return []
    highest, lowest = ranked[0].value, ranked[-1].value
    if len(ranked) > 1 and ranked[0].rank_key[0] == ranked[-1].rank_key[0]:
        return []
    bar = highest - CLOSE * (highest - lowest)
    return [standing.row for standing in ranked if standing.value >= bar][:most]


def _undecided(run: RunReader, config: SearchConfig) -> list[CandidateRow]:
    """The candidates to train on the second seed next: those begun, or the finalists of a tie."""
    second = {
        t.candidate_id: t for t in run.trainings("candidate") if t.seed == config.second_seed()
    }
    begun = {number for number, t in second.items() if t.state not in ("finished", "failed")}
    if begun:
        return [row for row in run.candidates() if row.id in begun]
    if not config.measured:
        return []  # a second policy would change the comparison of all others, too
    close = finalists(run, config.candidates)
    if not close or close[0].id in second or (len(close) == 1 and not second):
        return []
    return [row for row in close if row.id not in second]


def _second_training(run: Run, row: CandidateRow, config: SearchConfig) -> Job:
    seed = config.second_seed()
    training = run.add_training("candidate", seed, steps_total=config.steps, candidate=row.id)
    return Job(training.id, row.text, seed, f"#{row.id} on a second seed")
