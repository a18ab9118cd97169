"""Checking programs before they cost any training, and sending them back to who wrote them."""

from collections.abc import Mapping, Sequence
from typing import Any

from eureka_agent.analysis.reflection import reflect
from eureka_agent.analysis.rewards.comparison import EQUIVALENT, Equivalent, RewardComparison
from eureka_agent.common.text import prompt_line
from eureka_agent.critic.examination import Examination
from eureka_agent.critic.examiner import Examiner
from eureka_agent.critic.review import Review, objected
from eureka_agent.critic.reviewer import ADVICE
from eureka_agent.designer.base import (
    DECLINED_RULE,
    OBJECTION_RULE,
    Designer,
    Proposal,
    RepairRequest,
)
from eureka_agent.environment import Environment, Episodes
from eureka_agent.reward import Finding, RewardRejected, parse
from eureka_agent.reward.findings import MAX_FINDING_LENGTH
from eureka_agent.store import CandidateRow, Run
from eureka_agent.store.folder import EPISODES_FILE, open_arrays
from eureka_agent.store.ranking import leader
from eureka_agent.store.writing import write_transcript
from eureka_agent.workers.probe_client import ProbeClient

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
        reward_comparison: RewardComparison | None = None,
        examiner: Examiner | None = None,
        review: Review | None = None,
    ) -> None:
        self._insight, self._examiner, self._review = reward_comparison, examiner, review
        self._examined: dict[str, Examination | None] = {}
        self._twins: dict[int, Equivalent] = {}

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
    message = prompt_line(" ".join(result.objections), MAX_FINDING_LENGTH)
    if result.refused:
        hint = "Look at signs, axes and units, and at what pays without doing the task."
        return [Finding("exam", "error", 1, 1, message, hint)]
    return [Finding("exam", "warning", 1, 1, message, LAST)]


def _equivalent(twin: Equivalent) -> Finding:
    return Finding(
        "equivalent",
        "error",
        1,
        1,
        f"Asks of a policy the same as #{twin.candidate}, up to scale, shaping and a constant: on "
        f"the recorded steps their distance is {twin.distance:.3f}, and it has to be {EQUIVALENT:g}.",
        "Write one that asks for something else.",
    )


class Critic:
    """Checks the candidates of a run: their text, then a dry run in a child process.

    A program in which nothing is wrong may go back as well, for the doubts of a reviewer; it trains
    whatever comes of that.

    Args:
        run: where verdicts are kept.
        environment: the task.
        designer: gets back what is wrong.
        prober: calls programs.
        repairs: how often one candidate goes back at most for what is wrong with it.
        screening: has the last word on those that are sound.
    """

    def __init__(
        self,
        run: Run,
        environment: Environment,
        designer: Designer,
        prober: ProbeClient,
        repairs: int,
        screening: Screening | None = None,
    ) -> None:
        self._run, self._environment = run, environment
        self._designer, self._prober, self._repairs = designer, prober, repairs
        self._screening = screening or Screening()

    def verify(
        self, candidates: Sequence[CandidateRow], places: int | None = None
    ) -> list[CandidateRow]:
        """Bring each candidate to a verdict; returns those that are to be trained.

        Args:
            candidates: of a generation.
            places: how many of them train at most; None for all.
        """
        episodes = self._episodes()
        waiting = [row for row in candidates if row.state == "proposed"]
        while waiting:
            known = self._fingerprints()
            found = {row.id: self._examine(row, known, episodes) for row in waiting}
            sound = [row for row in waiting if not _refused(found[row.id])]
            for number, findings in self._screening.screen(sound).items():
                found[number] += findings
            back = {row.id for row in waiting if self._goes_back(row, found[row.id])}
            for row in waiting:
                if row.id not in back:
                    self._run.set_verdict(row.id, _plain(found[row.id]), accepted=True)
            sent_back = [(row, found[row.id]) for row in waiting if row.id in back]
            waiting = self._send_back(sent_back)
        ids = {row.id for row in candidates}
        rows = [row for row in self._run.candidates() if row.id in ids]
        sound = self._screening.in_order([r for r in rows if r.state in ("accepted", "training")])
        chosen = sound[:places]
        for row in sound[len(chosen) :]:
            self._leave_out(row, f"{len(chosen)} of {len(sound)} sound programs train")
        return chosen

    def _leave_out(self, row: CandidateRow, others: str) -> None:
        reason = f"Left out: {others}, and these looked better before any training."
        with self._run.transaction():
            self._run.set_verdict(row.id, row.verdict, accepted=False, failure=reason)
            self._run.event("rejected", reason, row.id)
            self._reflect(row.id)

    def _goes_back(self, row: CandidateRow, findings: Sequence[Finding]) -> bool:
        return _refused(findings) or self._screening.sends_back(row.id, findings)

    def _examine(
        self, row: CandidateRow, known: dict[str, int], episodes: Episodes | None
    ) -> list[Finding]:
        """What is wrong with a candidate; one that passes is known from now on."""
        findings = _findings(row.verdict)
        if not row.text:
            return findings
        findings += self._prober.probe(row.text, episodes)
        if _refused(findings):
            return findings
        fingerprint = parse(row.text, self._environment.signals_described).fingerprint
        twin = known.setdefault(fingerprint, row.id)
        if twin != row.id:
            # Equal programs train to equal policies: nothing would be learned.
            message, hint = (
                f"The same program as #{twin}.",
                "Write one that computes another thing.",
            )
            return [Finding("duplicate", "error", 1, 1, message, hint)]
        return findings

    def _send_back(
        self, sent_back: Sequence[tuple[CandidateRow, list[Finding]]]
    ) -> list[CandidateRow]:
        """Have programs mended, as far as they may be; returns those that are to be looked at."""
        broken = [
            self._broken(row, findings)
            for row, findings in sent_back
            if not _refused(findings) or self._may_be_repaired(row, findings)
        ]
        mended: dict[int, Proposal | None] = {}
        if broken:
            back = f"{len(broken)} programs go" if len(broken) > 1 else "1 program goes"
            self._run.set_phase(f"generation {broken[0].generation}: {back} back")
            proposals = self._designer.repair(broken)
            mended = {b.id: proposal for b, proposal in zip(broken, proposals, strict=True)}
        return [
            revised
            for row, findings in sent_back
            if (revised := self._settle(row, findings, mended.get(row.id))) is not None
        ]

    def _may_be_repaired(self, row: CandidateRow, findings: Sequence[Finding]) -> bool:
        declined = any(finding.rule == DECLINED_RULE for finding in findings)
        return not declined and self._repairs_of(row) < self._repairs

    def _broken(self, row: CandidateRow, findings: Sequence[Finding]) -> RepairRequest:
        """A candidate as it goes back to its author."""
        if _refused(findings):
            told = tuple(f for f in findings if f.severity == "error")
            times = f"{self._repairs_of(row) + 1} of {self._repairs}"
            self._run.event("critic", f"goes back ({times}): {first_error(findings)}", row.id)
        else:
            told = tuple(f for f in findings if f.rule in (OBJECTION_RULE, ADVICE))
            self._run.event("critic", "goes back with what the reviewer says", row.id)
        return RepairRequest(
            id=row.id,
            generation=row.generation,
            slot=row.slot,
            attempt=len(self._run.drafts(row.id)) + 1,
            text=row.text,
            findings=told,
        )

    def _settle(
        self, row: CandidateRow, findings: Sequence[Finding], mended: Proposal | None
    ) -> CandidateRow | None:
        """Take the mended program in; without one, keep a sound version or reject the candidate."""
        if not _refused(findings) and _unchanged(row, mended):
            write_transcript(self._run, row)
            self._run.set_verdict(row.id, _plain(findings), accepted=True)
            return None
        if mended is None:
            if not self._restore(row, findings):
                self._reject(row, findings)
            return None
        write_transcript(self._run, row)
        return self._run.revise_candidate(
            row.id,
            mended.text,
            thought=thought_of(mended.text, self._environment),
            sent_back=_plain(findings),
            findings=_plain(mended.findings),
        )

    def _restore(self, row: CandidateRow, findings: Sequence[Finding]) -> bool:
        """Go back to the last version that was sound, if there was one: doubts reject nobody."""
        sound = [d for d in self._run.drafts(row.id) if not _refused(_findings(d.verdict))]
        if not sound:
            return False
        last = sound[-1]
        with self._run.transaction():
            self._run.revise_candidate(
                row.id,
                last.text,
                thought=thought_of(last.text, self._environment),
                sent_back=_plain(findings),
                findings=last.verdict,
            )
            self._run.set_verdict(row.id, last.verdict, accepted=True)
            why = f"trains as it was before the review: {first_error(findings)}"
            self._run.event("critic", why, row.id)
        return True

    def _reject(self, row: CandidateRow, findings: Sequence[Finding]) -> None:
        tries = self._repairs_of(row)
        after = f" (after {tries} repair{'s' if tries > 1 else ''})" if tries else ""
        reason = f"{first_error(findings)}{after}"
        equals = any(finding.rule == "equivalent" for finding in findings)
        with self._run.transaction():
            self._run.set_verdict(
                row.id,
                _plain(findings),
                accepted=False,
                failure=reason,
                twin=self._screening.twin(row.id) if equals else None,
            )
            self._run.event("rejected", reason, row.id)
            self._reflect(row.id)

    def _reflect(self, candidate: int) -> None:
        row = self._run.candidate(candidate)
        steps = self._environment.episode_steps
        self._run.set_reflection(candidate, reflect(row, None, [], episode_steps=steps))

    def _repairs_of(self, row: CandidateRow) -> int:
        """How often a candidate went back for what was wrong with it."""
        return sum(_refused(_findings(d.verdict)) for d in self._run.drafts(row.id))

    def _fingerprints(self) -> dict[str, int]:
        """What the programs that passed compute, with who was first."""
        known: dict[str, int] = {}
        for row in self._run.candidates():
            if row.state not in ("proposed", "rejected"):
                program = parse(row.text, self._environment.signals_described)
                known.setdefault(program.fingerprint, row.id)
        return known

    def _episodes(self) -> Episodes | None:
        """Those of the best policy so far: it goes where random actions never do."""
        best = leader(self._run)
        path = self._run.candidate_folder(best.id) / EPISODES_FILE if best else None
        if path is None or not path.is_file():
            return None
        with open_arrays(path) as arrays:
            return Episodes.from_arrays(dict(arrays))


def thought_of(text: str, environment: Environment) -> str:
    """The design thought that a program begins with; empty if it cannot be read."""
    try:
        return parse(text, environment.signals_described).thought
    except RewardRejected:
        return ""


def _refused(findings: Sequence[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)


def _unchanged(row: CandidateRow, mended: Proposal | None) -> bool:
    """Whether an author stands by its program."""
    return mended is None or mended.text.strip() in ("", row.text.strip())


def first_error(findings: Sequence[Finding]) -> str:
    """Why a program was refused, in one sentence."""
    errors = [finding for finding in findings if finding.severity == "error"]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    where = "" if errors[0].line <= 1 and errors[0].column <= 1 else f"Line {errors[0].line}: "
    return f"{where}{errors[0].message}{more}"


def _findings(stored: Sequence[Mapping[str, Any]]) -> list[Finding]:
    return [Finding(**finding) for finding in stored]


def _plain(findings: Sequence[Finding]) -> list[Mapping[str, object]]:
    return [finding.as_dict() for finding in findings]
