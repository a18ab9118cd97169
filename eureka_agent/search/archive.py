"""The archive: what is known of a run's candidates, and which of them leads."""

from eureka_agent.designer import Past
from eureka_agent.store import CandidateRow, Run


def past_candidates(run: Run, before: int) -> list[Past]:
    """Candidates of the generations before `before`, as a designer may know them."""
    return [
        Past(
            id=row.id,
            generation=row.generation,
            text=row.text,
            parents=row.parents,
            fitness=row.fitness,
            failure=row.failure,
        )
        for row in run.candidates()
        if row.generation < before
    ]


def leader(run: Run) -> CandidateRow | None:
    """The fittest finished candidate; the earlier one of equals."""
    finished = [row for row in run.candidates() if row.fitness is not None]
    return max(finished, key=lambda row: (row.fitness, -row.id), default=None)
