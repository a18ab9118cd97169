"""The archive: what is known of a run's candidates, which of them leads, and what it ships."""

import shutil
from dataclasses import replace

from eureka_agent.config import SearchConfig
from eureka_agent.designer.base import Past, by_merit
from eureka_agent.store import CandidateRow, Run, ranking
from eureka_agent.store.files import draft_of

POLICY_FILES = ("policy.zip", "policy.json")


def past_candidates(run: Run, before: int) -> list[Past]:
    """Candidates of the generations before `before`, as a designer may know them."""
    known = {standing.row.id: standing for standing in ranking(run)}
    return [
        Past(
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


def remembered(past: list[Past], config: SearchConfig) -> list[Past]:
    """What a designer is told of earlier programs, by the configuration's rules.

    Without reflection nothing is known of them but that they were written, as nobody needs to
    write one twice.
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
    of_it = [p for p in fit if p.generation == latest]
    return sorted(of_it, key=by_merit)[:1]


def ship(run: Run, candidate: CandidateRow) -> None:
    """Make a candidate the run's best: its policy and its program, where people look for them.

    The program comes last. A process that is killed in between ships again when it is resumed, as
    every search does before it ends; a policy of another candidate never stays beside the program.
    """
    best = run.path / "best"
    best.mkdir(exist_ok=True)
    for name in POLICY_FILES:
        source = run.candidate_folder(candidate.id) / name
        if source.is_file():
            with draft_of(best / name) as draft:
                shutil.copyfile(source, draft)
        else:
            (best / name).unlink(missing_ok=True)
    run.set_best(candidate.id)
