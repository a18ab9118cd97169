"""Review: what a language model says of programs before they train, and how often it was right.

It is shown what a program pays on recorded episodes, and never a fitness: it may know what the
designer knows. What it says is stored with its candidate, as findings that only warn.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from eureka_agent.analysis.hindsight import Hindsight, Reviewed, hindsight
from eureka_agent.analysis.payments import Income, payments
from eureka_agent.designer.base import OBJECTION
from eureka_agent.designer.review import PASSED, Reviewer, Subject
from eureka_agent.environment import Environment
from eureka_agent.environment.roaming import ROAMING
from eureka_agent.reward import Finding, parse
from eureka_agent.search.bank import Bank, Entry, Record
from eureka_agent.search.examining import FAILURES
from eureka_agent.search.probing import Prober
from eureka_agent.search.replies import Score
from eureka_agent.store import CandidateRow, Run

TRAINED = ("finished", "failed")
"""States of candidates that show whether an objection was right."""
MOST_PARENTS = 2
"""Parents whose policies are shown."""


class Review:
    """Has programs reviewed that passed all other checks.

    Args:
        run: where candidates and their findings are.
        environment: the task.
        reviewer: looks at programs.
        bank: recorded episodes, on which it is shown what a program pays.
        prober: calls programs.
        rounds: how often one candidate goes back at most because of objections.
    """

    def __init__(
        self,
        run: Run,
        environment: Environment,
        reviewer: Reviewer,
        bank: Bank,
        prober: Prober,
        rounds: int,
    ) -> None:
        self._run, self._environment, self._reviewer = run, environment, reviewer
        self._bank, self._prober, self._rounds = bank, prober, rounds

    def review(self, rows: Sequence[CandidateRow]) -> dict[int, list[Finding]]:
        """What is said of candidates, as findings; nothing of those that nobody could review.

        Raises:
            ChildFailed: programs cannot be scored, for which none of them is to blame.
            JobFailed: the environment cannot be set up.
        """
        if not rows:
            return {}
        generation = rows[0].generation
        programs = "1 program is" if len(rows) == 1 else f"{len(rows)} programs are"
        self._run.set_phase(f"generation {generation}: {programs} reviewed")
        incomes = self._incomes(rows)
        verdicts = self._reviewer.verdicts([self._subject(row, incomes[row.id]) for row in rows])
        for number, verdict in verdicts.items():
            said = verdict.blocking[0] if verdict.blocking else "no objection"
            self._run.event("review", said, number)
        return {number: verdict.findings() for number, verdict in verdicts.items()}

    def sends_back(self, candidate: int, findings: Iterable[Finding]) -> bool:
        """Whether a sound program goes back to its author, as far as this may still happen."""
        if not any(finding.rule == OBJECTION for finding in findings):
            return False
        return sum(objected(d.verdict) for d in self._run.drafts(candidate)) < self._rounds

    def hindsight(self) -> Hindsight | None:
        """How often objections were right so far; None where nothing tells."""
        return hindsight(
            [
                Reviewed(row.generation, objected(row.verdict), row.fitness)
                for row in self._run.candidates()
                if row.state in TRAINED
                and any(finding["rule"] in (OBJECTION, PASSED) for finding in row.verdict)
            ]
        )

    def _subject(self, row: CandidateRow, incomes: Sequence[Income]) -> Subject:
        drafts = self._run.drafts(row.id)
        before = next((d.verdict for d in reversed(drafts) if objected(d.verdict)), [])
        program = parse(row.text, self._environment.signals_described)
        return Subject(
            row,
            version=len(drafts),
            payments=payments(program.weights, incomes),
            earlier=[finding["message"] for finding in before if finding["rule"] == OBJECTION],
        )

    def _incomes(self, rows: Sequence[CandidateRow]) -> dict[int, list[Income]]:
        """What each program pays the untrained policies, and those of its parents."""
        incomes: dict[int, list[Income]] = {row.id: [] for row in rows}
        wanted = [entry for entry in self._bank.entries if _shown(entry, rows)]
        for record in self._bank.read(sorted(wanted, key=_column)):
            asked = [row for row in rows if _shown(record.entry, [row])]
            scores = self._prober.score([row.text for row in asked], record.episodes)
            for row, paid in zip(asked, scores, strict=True):
                if not isinstance(paid, str):
                    incomes[row.id].append(_income(record, paid))
        return incomes


def objected(findings: Iterable[Mapping[str, Any]]) -> bool:
    """Whether stored findings hold an objection of a reviewer."""
    return any(finding["rule"] == OBJECTION for finding in findings)


def _shown(entry: Entry, rows: Sequence[CandidateRow]) -> bool:
    """Whether a record is one of those that a program is shown on."""
    if entry.kind == "reference":
        return True
    parents = {number for row in rows for number in row.parents[:MOST_PARENTS]}
    return entry.kind != "early" and entry.candidate in parents


def _column(entry: Entry) -> int:
    """Where a policy stands in the table: untrained ones first, in their usual order."""
    return ROAMING.index(entry.policy) if entry.kind == "reference" else len(ROAMING)


def _income(record: Record, paid: Score) -> Income:
    entry, episodes = record.entry, record.episodes
    trained = f"the policy of #{entry.candidate}, from which it was made"
    return Income(
        who=FAILURES[entry.policy] if entry.kind == "reference" else trained,
        components=paid.components,
        total=paid.total,
        alive=episodes.alive().numpy(),
        ended=episodes.terminated.numpy(),
    )
