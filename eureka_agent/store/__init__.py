"""The run folder and its database: what a search has done, safe against being killed."""

from eureka_agent.store.folder import find_run, list_runs
from eureka_agent.store.reading import RunReader
from eureka_agent.store.rows import (
    CandidateRow,
    EvaluationRow,
    EventRow,
    GenerationRow,
    RunRow,
    TrainingRow,
)
from eureka_agent.store.run import Run

__all__ = [
    "CandidateRow",
    "EvaluationRow",
    "EventRow",
    "GenerationRow",
    "Run",
    "RunReader",
    "RunRow",
    "TrainingRow",
    "find_run",
    "list_runs",
]
