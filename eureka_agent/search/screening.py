"""What recorded episodes say against programs that are sound: findings for their authors."""

from collections.abc import Sequence

from eureka_agent.analysis.exam import Examination
from eureka_agent.analysis.layout import plain
from eureka_agent.reward import Finding
from eureka_agent.reward.findings import MAX_LENGTH
from eureka_agent.search.examining import Examiner
from eureka_agent.search.insight import Insight, Twin
from eureka_agent.store import CandidateRow


class Screening:
    """Screens programs before they are trained.

    Args:
        insight: finds those that ask for the same as an earlier one; None to let them pass.
        examiner: examines them; None for no exam.
    """

    def __init__(self, insight: Insight | None = None, examiner: Examiner | None = None) -> None:
        self._insight, self._examiner = insight, examiner
        self._examined: dict[int, Examination] = {}
        self._twins: dict[int, Twin] = {}

    def screen(self, rows: Sequence[CandidateRow]) -> dict[int, list[Finding]]:
        """What is found about each of some candidates that passed the dry run.

        Raises:
            ChildFailed: programs cannot be scored, for which none of them is to blame.
            JobFailed: the environment cannot be set up.
        """
        findings: dict[int, list[Finding]] = {row.id: [] for row in rows}
        results = self._examiner.examine([r.text for r in rows]) if self._examiner else []
        for row, result in zip(rows, results, strict=False):
            if result is not None:
                self._examined[row.id] = result
                findings[row.id] += _exam_findings(result)
        passed = [r for r in rows if not any(f.severity == "error" for f in findings[r.id])]
        twins = self._insight.twins(passed) if self._insight else {}
        self._twins |= twins
        for number, twin in twins.items():
            findings[number].append(_equivalent(twin))
        return findings

    def twin(self, candidate: int) -> int | None:
        """The candidate that one was last found to equal."""
        twin = self._twins.get(candidate)
        return twin.candidate if twin else None

    def in_order(self, rows: Sequence[CandidateRow]) -> list[CandidateRow]:
        """Candidates as they should be trained: the suspect ones last, then by the exam's score."""
        results = {row.id: self._examined.get(row.id) for row in rows}
        return sorted(
            rows, key=lambda row: (r.suspect, -r.score) if (r := results[row.id]) else (False, 0.0)
        )


def _exam_findings(result: Examination) -> list[Finding]:
    if not result.objections:
        return []
    message = plain(" ".join(result.objections), MAX_LENGTH)
    if result.refused:
        hint = "Look at signs, axes and units, and at what pays without doing the task."
        return [Finding("exam", "error", 1, 1, message, hint)]
    return [Finding("exam", "warning", 1, 1, message, "It trains after those without such doubts.")]


def _equivalent(twin: Twin) -> Finding:
    return Finding(
        "equivalent",
        "error",
        1,
        1,
        f"Asks of a policy the same as #{twin.candidate} (distance {twin.distance:.3f}), up to "
        "scale, shaping and a constant.",
        "Write one that asks for something else.",
    )
