"""The archive: what is known of a run's candidates, which of them leads, and what it ships.

Candidates rank by the mean of their trainings in the search, wherever somebody asks who is better;
in a run that is to do without a fitness, by how often the rewards of others prefer their policy.
"""

import shutil
import statistics
from dataclasses import replace

from eureka_agent.designer import Past
from eureka_agent.search.config import SearchConfig
from eureka_agent.store import CandidateRow, Run, RunReader
from eureka_agent.store.files import draft_of

POLICY_FILES = ("policy.zip", "policy.json")
UNCOMPARED = 0.5
"""Win rate of a policy that no third program could compare: as good as any."""


def past_candidates(run: Run, before: int) -> list[Past]:
    """Candidates of the generations before `before`, as a designer may know them."""
    known = scores(run)
    return [
        Past(
            id=row.id,
            generation=row.generation,
            text=row.text,
            parents=row.parents,
            fitness=known.get(row.id),
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
    return sorted(of_it, key=lambda p: (-(p.fitness or 0.0), p.id))[:1]


def ranking(run: RunReader) -> list[tuple[float, CandidateRow]]:
    """What candidates rank by, the best first, of equals the earlier one.

    Candidates without a result are left out, and so are those that broke on a second seed.
    """
    known = scores(run)
    finished = [(known[row.id], row) for row in run.candidates() if row.id in known]
    return sorted(finished, key=lambda entry: (-entry[0], entry[1].id))


def scores(run: RunReader) -> dict[int, float]:
    """What candidates with a result rank by: mean fitness or, without one, the peers' win rate."""
    if run.measured:
        means = {row.id: mean_fitness(run, row) for row in run.candidates()}
        return {number: mean for number, mean in means.items() if mean is not None}
    insight = run.insight()
    rates = insight.peers if insight else {}
    given = {row.id: rates.get(str(row.id)) for row in run.candidates() if _sound(run, row)}
    return {number: UNCOMPARED if rate is None else rate for number, rate in given.items()}


def mean_fitness(run: RunReader, row: CandidateRow) -> float | None:
    """Mean ranking fitness of a candidate's finished trainings; None if it has no sound result."""
    if row.fitness is None or not _sound(run, row):
        return None
    trainings = run.trainings("candidate", row.id)
    values = [t.ranking_fitness for t in trainings if t.ranking_fitness is not None]
    return statistics.mean(values) if values else row.fitness


def _sound(run: RunReader, row: CandidateRow) -> bool:
    """Whether a candidate trained to the end, on every seed that it was tried on."""
    trainings = run.trainings("candidate", row.id)
    return row.state == "finished" and all(t.state != "failed" for t in trainings)


def measure(config: SearchConfig) -> str:
    """What the numbers of `ranking` are, for people."""
    return "a peer win rate of" if not config.measured else "a mean fitness of"


def leader(run: RunReader) -> CandidateRow | None:
    """The candidate that ranks first."""
    return next((row for _, row in ranking(run)), None)


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
