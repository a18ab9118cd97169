"""The run folder and its database: what a search has done, safe against being killed."""

from eureka_agent.store.baselines import baselines_path, fingerprint, read_baselines
from eureka_agent.store.folder import find_run, list_runs
from eureka_agent.store.ranking import RankedCandidate, ranking, solved
from eureka_agent.store.reading import RunReader
from eureka_agent.store.rows import (
    AnalysisRow,
    CandidateRow,
    DraftRow,
    EvaluationRow,
    EventRow,
    ExchangeRow,
    GenerationRow,
    RewardComparisonRow,
    RunRow,
    TrainingRow,
    UsageRow,
)
from eureka_agent.store.writing import Run

__all__ = [
    "AnalysisRow",
    "CandidateRow",
    "DraftRow",
    "EvaluationRow",
    "EventRow",
    "ExchangeRow",
    "GenerationRow",
    "RankedCandidate",
    "RewardComparisonRow",
    "Run",
    "RunReader",
    "RunRow",
    "TrainingRow",
    "UsageRow",
    "baselines_path",
    "find_run",
    "fingerprint",
    "list_runs",
    "ranking",
    "read_baselines",
    "solved",
]
