"""Review: what a language model says of programs before they train, and how often it was right.

It is shown what a program pays on recorded episodes, and never a fitness: it may know what the
designer knows. What it says is stored with its candidate, as findings that only warn.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eureka_agent.analysis.arrays import BoolArray, FloatArray
from eureka_agent.analysis.review_accuracy import Reviewed, ReviewerPrecision, reviewer_precision
from eureka_agent.analysis.rewards.bank import Bank, Entry, Record
from eureka_agent.common.text import prompt_line, prompt_number, prompt_percent
from eureka_agent.critic.examiner import FAILURES
from eureka_agent.critic.reviewer import PASSED, Reviewer, ReviewRequest
from eureka_agent.designer.base import OBJECTION_RULE
from eureka_agent.environment import SCRIPTED_POLICIES, Environment
from eureka_agent.reward import Finding, parse
from eureka_agent.store import CandidateRow, Run
from eureka_agent.workers.probe_client import ProbeClient, Score

LOW, HIGH = 5, 95
"""Percentiles between which most of what is paid lies."""
NOTHING = 1e-6
"""Part of the largest reward at any step below which a payment is shown as 0."""


@dataclass(frozen=True)
class Income:
    """What one program pays for the episodes of one policy.

    Attributes:
        who: the policy, in words.
        components: without their weights, `[C, L, E]`, in the order of the program's WEIGHTS.
        total: the reward `[L, E]`.
        alive: which steps belong to an episode `[L, E]`.
        ended: which episodes ended before their time limit `[E]`.
    """

    who: str
    components: FloatArray
    total: FloatArray
    alive: BoolArray
    ended: BoolArray


def reward_table(weights: Mapping[str, float], incomes: Sequence[Income]) -> list[str]:
    """Lines of a Markdown table: a row for each component, a column for each policy.

    A cell is the mean per step of component times weight, and the percentiles `LOW` and `HIGH`.
    Below stand their sum and the return of an episode; where episodes end early also their length
    in steps, and how many do.

    Args:
        weights: of the program's components.
        incomes: what it pays whom; none makes no table.
    """
    if not incomes:
        return []
    paid = np.abs(np.concatenate([income.total[income.alive] for income in incomes]))
    least = NOTHING * float(paid[np.isfinite(paid)].max(initial=0.0))
    rows = [
        [f"`{prompt_line(name)}` (weight {prompt_number(weight)})"]
        + [_spread(weight * income.components[k][income.alive], least) for income in incomes]
        for k, (name, weight) in enumerate(weights.items())
    ]
    rows.append(["reward per step"] + [_spread(i.total[i.alive], least) for i in incomes])
    rows.append(["reward per episode"] + [_spread(_returns(i), least) for i in incomes])
    if any(income.ended.any() for income in incomes):
        rows.append(
            ["steps per episode"] + [prompt_number(float(i.alive.sum(0).mean())) for i in incomes]
        )
        rows.append(
            ["episodes that end early"] + [prompt_percent(float(i.ended.mean())) for i in incomes]
        )
    head = ["", *(income.who for income in incomes)]
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _returns(income: Income) -> FloatArray:
    """`[E]`."""
    return np.where(income.alive, income.total, 0.0).sum(0)


def _spread(values: FloatArray, least: float) -> str:
    """Mean, and the percentiles where they differ; what is smaller than `least` is nothing."""
    with np.errstate(all="ignore"):  # a program may pay what is no number
        found = [float(values.mean(dtype=np.float64)), *np.percentile(values, (LOW, HIGH)).tolist()]
    mean, low, high = (prompt_number(0.0 if abs(value) < least else value) for value in found)
    return mean if low == high == mean else f"{mean} ({low} to {high})"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


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
        prober: ProbeClient,
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
        for candidate, verdict in verdicts.items():
            said = verdict.blocking[0] if verdict.blocking else "no objection"
            self._run.event("review", said, candidate)
        return {number: verdict.findings() for number, verdict in verdicts.items()}

    def sends_back(self, candidate: int, findings: Iterable[Finding]) -> bool:
        """Whether a sound program goes back to its author, as far as this may still happen."""
        if not any(finding.rule == OBJECTION_RULE for finding in findings):
            return False
        return sum(objected(d.verdict) for d in self._run.drafts(candidate)) < self._rounds

    def reviewer_precision(self) -> ReviewerPrecision | None:
        """How often objections were right so far; None where nothing tells."""
        return reviewer_precision(
            [
                Reviewed(row.generation, objected(row.verdict), row.fitness)
                for row in self._run.candidates()
                if row.state in TRAINED
                and any(finding["rule"] in (OBJECTION_RULE, PASSED) for finding in row.verdict)
            ]
        )

    def _subject(self, row: CandidateRow, incomes: Sequence[Income]) -> ReviewRequest:
        drafts = self._run.drafts(row.id)
        before = next((d.verdict for d in reversed(drafts) if objected(d.verdict)), [])
        program = parse(row.text, self._environment.signals_described)
        return ReviewRequest(
            row,
            version=len(drafts),
            payments=reward_table(program.weights, incomes),
            earlier=[finding["message"] for finding in before if finding["rule"] == OBJECTION_RULE],
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
    return any(finding["rule"] == OBJECTION_RULE for finding in findings)


def _shown(entry: Entry, rows: Sequence[CandidateRow]) -> bool:
    """Whether a record is one of those that a program is shown on."""
    if entry.kind == "reference":
        return True
    parents = {number for row in rows for number in row.parents[:MOST_PARENTS]}
    return entry.kind != "early" and entry.candidate in parents


def _column(entry: Entry) -> int:
    """Where a policy stands in the table: untrained ones first, in their usual order."""
    return (
        SCRIPTED_POLICIES.index(entry.policy)
        if entry.kind == "reference"
        else len(SCRIPTED_POLICIES)
    )


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
