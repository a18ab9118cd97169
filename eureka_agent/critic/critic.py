"""The critic: checks programs before they cost any training, and sends them back for repair."""

from collections.abc import Mapping, Sequence
from typing import Any

from eureka_agent.analysis.reflection import reflect
from eureka_agent.analysis.rewards.comparison import EQUIVALENT, Equivalent, RewardComparison
from eureka_agent.common.text import plural, prompt_line
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
from eureka_agent.reward.findings import MAX_FINDING_LENGTH, has_errors
from eureka_agent.store import CandidateRow, Run
from eureka_agent.store.folder import EPISODES_FILE, open_arrays
from eureka_agent.store.ranking import leader
from eureka_agent.store.writing import write_transcript
from eureka_agent.workers.probe_client import ProbeClient

LAST = (
    "It trains all the same, unless more programs are written than train: then it is left out "
    "first."
)


class Screening:
    """Screens sound programs before they are trained, by recorded episodes and by a reviewer.

    Args:
        reward_comparison: finds programs that ask for the same as an earlier one; None to let them
            pass.
        examiner: examines programs; None for no exam.
        review: reviews programs that passed the others; None for no review.
    """

    def __init__(
        self,
        reward_comparison: RewardComparison | None = None,
        examiner: Examiner | None = None,
        review: Review | None = None,
    ) -> None:
        self._comparison, self._examiner, self._review = reward_comparison, examiner, review
        self._examined: dict[str, Examination | None] = {}
        self._equivalents: dict[int, Equivalent] = {}

    def screen(self, rows: Sequence[CandidateRow]) -> dict[int, list[Finding]]:
        """Findings about candidates that passed the dry run, by number.

        Raises:
            WorkerFailed: programs cannot be scored, for which none of them is to blame.
            JobFailed: the environment cannot be set up.
        """
        self._examine(rows)
        findings = {row.id: _exam_findings(self._examined.get(row.text)) for row in rows}
        passed = [row for row in rows if not has_errors(findings[row.id])]
        equivalents = self._comparison.equivalents(passed) if self._comparison else {}
        self._equivalents |= equivalents
        for number, equivalent in equivalents.items():
            findings[number].append(_equivalent_finding(equivalent))
        unlike = [row for row in passed if row.id not in equivalents]
        for number, said in (self._review.review(unlike) if self._review else {}).items():
            findings[number] += said
        return findings

    def sends_back(self, candidate: int, findings: Sequence[Finding]) -> bool:
        """Whether a sound program goes back because of a reviewer's doubts."""
        return self._review is not None and self._review.sends_back(candidate, findings)

    def equivalent(self, candidate: int) -> int | None:
        """The earlier candidate that a candidate was last found to equal."""
        found = self._equivalents.get(candidate)
        return found.candidate if found else None

    def in_order(self, rows: Sequence[CandidateRow]) -> list[CandidateRow]:
        """Candidates in the order of training: the doubtful last, then by the exam's score.

        A candidate is doubtful if the exam suspects it or the reviewer objected to it. Those whose
        training has begun come first.
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


def _exam_findings(result: Examination | None) -> list[Finding]:
    if result is None or not result.objections:
        return []
    message = prompt_line(" ".join(result.objections), MAX_FINDING_LENGTH)
    if result.refused:
        hint = "Look at signs, axes and units, and at what pays without doing the task."
        return [Finding("exam", "error", 1, 1, message, hint)]
    return [Finding("exam", "warning", 1, 1, message, LAST)]


def _equivalent_finding(found: Equivalent) -> Finding:
    message = (
        f"Asks of a policy the same as #{found.candidate}, up to scale, shaping and a constant: on "
        f"the recorded steps their distance is {found.distance:.3f}, and it must be at least "
        f"{EQUIVALENT:g}."
    )
    return Finding("equivalent", "error", 1, 1, message, "Write one that asks for something else.")


class Critic:
    """Verifies the candidates of a run: their text, a dry run in a worker, and the screening.

    A sound program may go back as well, for the doubts of a reviewer; it trains whatever comes of
    that.

    Args:
        run: keeps the verdicts.
        environment: the task.
        designer: repairs programs.
        prober: calls programs.
        repairs: most times that one candidate goes back for its errors.
        screening: has the last word on sound programs.
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
        """Bring each candidate to a verdict, over as many repair rounds as it takes.

        Args:
            candidates: of a generation.
            places: most candidates to train; None for all.

        Returns:
            Those that are to be trained.
        """
        episodes = self._leaders_episodes()
        waiting = [row for row in candidates if row.state == "proposed"]
        while waiting:
            fingerprints = self._fingerprints()
            found = {row.id: self._check(row, fingerprints, episodes) for row in waiting}
            sound = [row for row in waiting if not has_errors(found[row.id])]
            for number, findings in self._screening.screen(sound).items():
                found[number] += findings
            sent_back = []
            for row in waiting:
                findings = found[row.id]
                if has_errors(findings) or self._screening.sends_back(row.id, findings):
                    sent_back.append((row, findings))
                else:
                    self._run.set_verdict(row.id, _as_dicts(findings), accepted=True)
            waiting = self._send_back(sent_back)
        ids = {row.id for row in candidates}
        rows = [row for row in self._run.candidates() if row.id in ids]
        sound = self._screening.in_order([r for r in rows if r.state in ("accepted", "training")])
        chosen = sound[:places]
        others = f"{len(chosen)} of {len(sound)} sound programs train"
        for row in sound[len(chosen) :]:
            reason = f"Left out: {others}, and these looked better before any training."
            self._reject(row, row.verdict, reason)
        return chosen

    def _check(
        self, row: CandidateRow, fingerprints: dict[str, int], episodes: Episodes | None
    ) -> list[Finding]:
        """The errors of a candidate; the fingerprint of one without any is added to the others."""
        findings = _findings(row.verdict)
        if not row.text:
            return findings
        findings += self._prober.probe(row.text, episodes)
        if has_errors(findings):
            return findings
        fingerprint = parse(row.text, self._environment.signals_described).fingerprint
        equal = fingerprints.setdefault(fingerprint, row.id)
        if equal != row.id:
            # Equal programs train to equal policies: nothing would be learned.
            message, hint = (
                f"The same program as #{equal}.",
                "Write one that computes another thing.",
            )
            return [Finding("duplicate", "error", 1, 1, message, hint)]
        return findings

    def _send_back(
        self, sent_back: Sequence[tuple[CandidateRow, list[Finding]]]
    ) -> list[CandidateRow]:
        """Have programs repaired while rounds are left; returns those to check again."""
        requests = [
            self._repair_request(row, findings)
            for row, findings in sent_back
            if not has_errors(findings) or self._may_be_repaired(row, findings)
        ]
        repaired: dict[int, Proposal | None] = {}
        if requests:
            back = f"{len(requests)} programs go" if len(requests) > 1 else "1 program goes"
            self._run.set_phase(f"generation {requests[0].generation}: {back} back")
            proposals = self._designer.repair(requests)
            repaired = {r.id: proposal for r, proposal in zip(requests, proposals, strict=True)}
        return [
            revised
            for row, findings in sent_back
            if (revised := self._settle(row, findings, repaired.get(row.id))) is not None
        ]

    def _may_be_repaired(self, row: CandidateRow, findings: Sequence[Finding]) -> bool:
        declined = any(finding.rule == DECLINED_RULE for finding in findings)
        return not declined and self._repairs_of(row) < self._repairs

    def _repairs_of(self, row: CandidateRow) -> int:
        """Number of times that a candidate went back for its errors."""
        return sum(has_errors(_findings(d.verdict)) for d in self._run.drafts(row.id))

    def _repair_request(self, row: CandidateRow, findings: Sequence[Finding]) -> RepairRequest:
        if has_errors(findings):
            told = tuple(f for f in findings if f.severity == "error")
            times = f"{self._repairs_of(row) + 1} of {self._repairs}"
            self._run.event("critic", f"goes back ({times}): {first_error(findings)}", row.id)
        else:
            told = tuple(f for f in findings if f.rule in (OBJECTION_RULE, ADVICE))
            self._run.event("critic", "goes back with what the reviewer says", row.id)
        attempt = len(self._run.drafts(row.id)) + 1
        return RepairRequest(row.id, row.generation, row.slot, attempt, row.text, told)

    def _settle(
        self, row: CandidateRow, findings: Sequence[Finding], repaired: Proposal | None
    ) -> CandidateRow | None:
        """Store a repaired program; without one keep a sound version or reject the candidate."""
        stands_by = repaired is None or repaired.text.strip() in ("", row.text.strip())
        if not has_errors(findings) and stands_by:
            write_transcript(self._run, row)
            self._run.set_verdict(row.id, _as_dicts(findings), accepted=True)
            return None
        if repaired is None:
            if not self._restore(row, findings):
                self._reject_for(row, findings)
            return None
        write_transcript(self._run, row)
        return self._run.revise_candidate(
            row.id,
            repaired.text,
            thought=thought_of(repaired.text, self._environment),
            sent_back=_as_dicts(findings),
            findings=_as_dicts(repaired.findings),
        )

    def _restore(self, row: CandidateRow, findings: Sequence[Finding]) -> bool:
        """Go back to the last sound version, if there was one: doubts alone reject no program."""
        sound = [d for d in self._run.drafts(row.id) if not has_errors(_findings(d.verdict))]
        if not sound:
            return False
        last = sound[-1]
        with self._run.transaction():
            self._run.revise_candidate(
                row.id,
                last.text,
                thought=thought_of(last.text, self._environment),
                sent_back=_as_dicts(findings),
                findings=last.verdict,
            )
            self._run.set_verdict(row.id, last.verdict, accepted=True)
            why = f"trains as it was before the review: {first_error(findings)}"
            self._run.event("critic", why, row.id)
        return True

    def _reject_for(self, row: CandidateRow, findings: Sequence[Finding]) -> None:
        """Reject a candidate for its errors."""
        tries = self._repairs_of(row)
        after = f" (after {plural(tries, 'repair')})" if tries else ""
        equals = any(finding.rule == "equivalent" for finding in findings)
        equivalent = self._screening.equivalent(row.id) if equals else None
        self._reject(row, _as_dicts(findings), f"{first_error(findings)}{after}", equivalent)

    def _reject(
        self,
        row: CandidateRow,
        verdict: Sequence[Mapping[str, Any]],
        reason: str,
        equivalent: int | None = None,
    ) -> None:
        with self._run.transaction():
            self._run.set_verdict(row.id, verdict, accepted=False, failure=reason, twin=equivalent)
            self._run.event("rejected", reason, row.id)
            steps = self._environment.episode_steps
            rejected = self._run.candidate(row.id)
            self._run.set_reflection(row.id, reflect(rejected, None, [], episode_steps=steps))

    def _fingerprints(self) -> dict[str, int]:
        """The fingerprints of programs that passed, each with the first candidate that has it."""
        known: dict[str, int] = {}
        for row in self._run.candidates():
            if row.state not in ("proposed", "rejected"):
                program = parse(row.text, self._environment.signals_described)
                known.setdefault(program.fingerprint, row.id)
        return known

    def _leaders_episodes(self) -> Episodes | None:
        """Episodes of the best policy so far: it goes where random actions never do."""
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


def first_error(findings: Sequence[Finding]) -> str:
    """Why a program was refused, in one sentence."""
    errors = [finding for finding in findings if finding.severity == "error"]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    where = "" if errors[0].line <= 1 and errors[0].column <= 1 else f"Line {errors[0].line}: "
    return f"{where}{errors[0].message}{more}"


def _findings(stored: Sequence[Mapping[str, Any]]) -> list[Finding]:
    return [Finding(**finding) for finding in stored]


def _as_dicts(findings: Sequence[Finding]) -> list[Mapping[str, object]]:
    return [finding.as_dict() for finding in findings]
