"""What speaks against programs that are sound, by recorded episodes and by a reviewer."""

from collections.abc import Sequence

from eureka_agent.analysis.rewards.comparison import TWIN, Insight, Twin
from eureka_agent.common.plain_text import plain
from eureka_agent.critic.exam.exam import Examination
from eureka_agent.critic.exam.examiner import Examiner
from eureka_agent.critic.review import Review, objected
from eureka_agent.reward import Finding
from eureka_agent.reward.findings import MAX_LENGTH
from eureka_agent.store import CandidateRow

LAST = "It trains all the same, unless more programs are written than train: then it goes first."


class Screening:
    """Screens programs before they are trained.

    Args:
        insight: finds those that ask for the same as an earlier one; None to let them pass.
        examiner: examines them; None for no exam.
        review: has those reviewed against which nothing else speaks; None for no review.
    """

    def __init__(
        self,
        insight: Insight | None = None,
        examiner: Examiner | None = None,
        review: Review | None = None,
    ) -> None:
        self._insight, self._examiner, self._review = insight, examiner, review
        self._examined: dict[str, Examination | None] = {}
        self._twins: dict[int, Twin] = {}

    def screen(self, rows: Sequence[CandidateRow]) -> dict[int, list[Finding]]:
        """What is found about each of some candidates that passed the dry run.

        Raises:
            ChildFailed: programs cannot be scored, for which none of them is to blame.
            JobFailed: the environment cannot be set up.
        """
        findings: dict[int, list[Finding]] = {row.id: [] for row in rows}
        self._examine(rows)
        for row in rows:
            result = self._examined.get(row.text)
            findings[row.id] += _exam_findings(result) if result else []
        passed = [r for r in rows if not any(f.severity == "error" for f in findings[r.id])]
        twins = self._insight.twins(passed) if self._insight else {}
        self._twins |= twins
        for number, twin in twins.items():
            findings[number].append(_equivalent(twin))
        unlike = [row for row in passed if row.id not in twins]
        for number, said in (self._review.review(unlike) if self._review else {}).items():
            findings[number] += said
        return findings

    def sends_back(self, candidate: int, findings: Sequence[Finding]) -> bool:
        """Whether a program in which nothing is wrong goes back, for the doubts about it."""
        return self._review is not None and self._review.sends_back(candidate, findings)

    def twin(self, candidate: int) -> int | None:
        """The candidate that one was last found to equal."""
        twin = self._twins.get(candidate)
        return twin.candidate if twin else None

    def in_order(self, rows: Sequence[CandidateRow]) -> list[CandidateRow]:
        """Candidates by what speaks for training them: the doubtful last, then by the exam's score.

        Doubtful are those that the exam suspects, and those that the reviewer objected to. Those
        whose training has begun come first.
        """
        self._examine([row for row in rows if row.text not in self._examined])

        def place(row: CandidateRow) -> tuple[bool, bool, float]:
            result = self._examined.get(row.text)
            doubtful = objected(row.verdict) or (result is not None and result.suspect)
            return row.state != "training", doubtful, -result.score if result else 0.0

        return sorted(rows, key=place)

    def _examine(self, rows: Sequence[CandidateRow]) -> None:
        if self._examiner is not None:
            texts = [row.text for row in rows]
            self._examined |= dict(zip(texts, self._examiner.examine(texts), strict=True))


def _exam_findings(result: Examination) -> list[Finding]:
    if not result.objections:
        return []
    message = plain(" ".join(result.objections), MAX_LENGTH)
    if result.refused:
        hint = "Look at signs, axes and units, and at what pays without doing the task."
        return [Finding("exam", "error", 1, 1, message, hint)]
    return [Finding("exam", "warning", 1, 1, message, LAST)]


def _equivalent(twin: Twin) -> Finding:
    return Finding(
        "equivalent",
        "error",
        1,
        1,
        f"Asks of a policy the same as #{twin.candidate}, up to scale, shaping and a constant: on "
        f"the recorded steps their distance is {twin.distance:.3f}, and it has to be {TWIN:g}.",
        "Write one that asks for something else.",
    )
