"""Review: what a language model says about programs before they train, and how often it is right.

The model sees a program's rewards on recorded episodes, and never a fitness: it may know what the
designer knows. Its opinion is stored with the candidate, as findings that only warn.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eureka_agent.analysis.rewards.bank import Bank, Entry, with_rewards
from eureka_agent.common.statistics import Proportion
from eureka_agent.common.text import prompt_line, prompt_number, prompt_percent
from eureka_agent.critic.examiner import FAILURES
from eureka_agent.critic.reviewer import PASSED, Reviewer, ReviewRequest
from eureka_agent.designer.base import OBJECTION_RULE
from eureka_agent.environment import SCRIPTED_POLICIES, Environment
from eureka_agent.environment.episodes import EvaluatedEpisodes, FloatArray
from eureka_agent.reward import Finding, parse
from eureka_agent.store import CandidateRow, Run
from eureka_agent.workers.probe_client import ProbeClient

LOW, HIGH = 5, 95
"""Percentiles between which most rewards lie."""
NOTHING = 1e-6
"""Part of the largest reward at any step below which a reward is shown as 0."""
TRAINED = ("finished", "failed")
"""States of candidates that show whether an objection was right."""
MOST_PARENTS = 2
"""Parents whose policies are shown."""


def reward_table(weights: Mapping[str, float], policies: Sequence[EvaluatedEpisodes]) -> list[str]:
    """Lines of a Markdown table: a row for each component, a column for each policy.

    A cell is the mean per step of component times weight, and the percentiles `LOW` and `HIGH`.
    Below stand their sum and the return of an episode; where episodes end early also their length
    in steps, and how many do.

    Args:
        weights: of the program's components.
        policies: the episodes of one policy each, labelled with its name, with the program's
            rewards on them; without any there is no table.
    """
    if not policies:
        return []
    totals = [np.zeros(p.alive.shape) if p.reward is None else p.reward for p in policies]
    alive = [policy.alive for policy in policies]
    paid = np.abs(np.concatenate([t[a] for t, a in zip(totals, alive, strict=True)]))
    least = NOTHING * float(paid[np.isfinite(paid)].max(initial=0.0))

    def row(title: str, values: Iterable[FloatArray]) -> list[str]:
        return [title, *(_spread(one, least) for one in values)]

    rows = [
        row(
            f"`{prompt_line(name)}` (weight {prompt_number(weight)})",
            (p.component_rewards[name][a] for p, a in zip(policies, alive, strict=True)),
        )
        for name, weight in weights.items()
    ]
    rows.append(row("reward per step", (t[a] for t, a in zip(totals, alive, strict=True))))
    returns = (np.where(a, t, 0.0).sum(0) for t, a in zip(totals, alive, strict=True))
    rows.append(row("reward per episode", returns))
    if any(policy.terminated.any() for policy in policies):
        lengths = (prompt_number(float(policy.lengths.mean())) for policy in policies)
        ended = (prompt_percent(float(policy.terminated.mean())) for policy in policies)
        rows += [["steps per episode", *lengths], ["episodes that end early", *ended]]
    rows = [["", *(p.labels[0] for p in policies)], ["---"] * (len(policies) + 1), *rows]
    return [f"| {' | '.join(cells)} |" for cells in rows]


def _spread(values: FloatArray, least: float) -> str:
    """Mean, and the percentiles where they differ; values smaller than `least` count as 0."""
    with np.errstate(all="ignore"):  # a program may return what is no number
        found = [float(values.mean(dtype=np.float64)), *np.percentile(values, (LOW, HIGH)).tolist()]
    mean, low, high = (prompt_number(0.0 if abs(value) < least else value) for value in found)
    return mean if low == high == mean else f"{mean} ({low} to {high})"


@dataclass(frozen=True)
class Reviewed:
    """A program that was reviewed, and its result.

    Attributes:
        generation: in which it trained.
        objected: whether the reviewer objected to it.
        fitness: of its policy; None where the training run failed, which counts as worst.
    """

    generation: int
    objected: bool
    fitness: float | None


@dataclass(frozen=True)
class ReviewerPrecision:
    """How well objections predicted results; low is the lower half of a generation.

    Attributes:
        precision: of the programs objected to, those that ended low.
        recall: of those that ended low, the programs objected to.
        chance: of all reviewed programs, those that ended low: the precision of a blind guess.
    """

    precision: Proportion
    recall: Proportion
    chance: Proportion

    def as_dict(self) -> dict[str, Any]:
        """The proportions as stored."""
        return {name: share.as_dict() for name, share in vars(self).items()}

    def sentence(self) -> str:
        """The proportions for a person."""
        if not self.precision.of:
            return f"The reviewer had no objection left to any of {self.chance.of} programs."
        right, sure = self.precision.said()
        seen, sure_of_seen = self.recall.said()
        return (
            f"Of the programs that the reviewer objected to, {right} ended in the lower half of "
            f"their generation ({sure}; of all reviewed ones {self.chance.said()[0]}). It had "
            f"objected to {seen} of those that ended there ({sure_of_seen})."
        )


def reviewer_precision(programs: Sequence[Reviewed]) -> ReviewerPrecision | None:
    """Compare objections with the programs' results, each within its own generation.

    A program ends in the lower half if more of its generation did better than did worse, so that
    the middle of an odd number belongs to neither half, and equals share their fate.

    Args:
        programs: reviewed ones that were trained; those alone in their generation do not count.

    Returns:
        None where nothing can be compared.
    """
    counts: Counter[tuple[bool, bool]] = Counter()
    for program in programs:
        own = _value(program)
        peers = [_value(p) for p in programs if p.generation == program.generation]
        low = sum(value > own for value in peers) > sum(value < own for value in peers)
        if len(peers) > 1:
            counts[program.objected, low] += 1
    if not counts:
        return None
    hits = counts[True, True]
    objected, low = hits + counts[True, False], hits + counts[False, True]
    return ReviewerPrecision(
        Proportion(hits, objected), Proportion(hits, low), Proportion(low, counts.total())
    )


def _value(program: Reviewed) -> float:
    return -math.inf if program.fitness is None else program.fitness


class Review:
    """Has programs reviewed that passed all other checks.

    Args:
        run: has the candidates and their findings.
        environment: the task.
        reviewer: looks at programs.
        bank: recorded episodes; the reviewer sees a program's rewards on them.
        prober: calls programs.
        rounds: most times that one candidate goes back because of objections.
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
        """The reviewer's findings about candidates; none for those without a review.

        Raises:
            WorkerFailed: programs cannot be scored, for which none of them is to blame.
            JobFailed: the environment cannot be set up.
        """
        if not rows:
            return {}
        generation = rows[0].generation
        programs = "1 program is" if len(rows) == 1 else f"{len(rows)} programs are"
        self._run.set_phase(f"generation {generation}: {programs} reviewed")
        replies = self._reviewer.verdicts(self._requests(rows))
        for candidate, reply in replies.items():
            said = reply.blocking[0] if reply.blocking else "no objection"
            self._run.event("review", said, candidate)
        return {number: reply.findings() for number, reply in replies.items()}

    def sends_back(self, candidate: int, findings: Iterable[Finding]) -> bool:
        """Whether a sound program goes back to its author, as long as rounds are left."""
        if not any(finding.rule == OBJECTION_RULE for finding in findings):
            return False
        return sum(objected(d.verdict) for d in self._run.drafts(candidate)) < self._rounds

    def reviewer_precision(self) -> ReviewerPrecision | None:
        """How often objections were right so far; None if unknown."""
        return reviewer_precision(
            [
                Reviewed(row.generation, objected(row.verdict), row.fitness)
                for row in self._run.candidates()
                if row.state in TRAINED
                and any(finding["rule"] in (OBJECTION_RULE, PASSED) for finding in row.verdict)
            ]
        )

    def _requests(self, rows: Sequence[CandidateRow]) -> list[ReviewRequest]:
        """Questions about programs, with their rewards for untrained and parents' policies."""
        programs = {row.id: parse(row.text, self._environment.signals_described) for row in rows}
        shown: dict[int, list[EvaluatedEpisodes]] = {row.id: [] for row in rows}
        wanted = [entry for entry in self._bank.entries if _is_shown(entry, rows)]
        for record in self._bank.read(sorted(wanted, key=_column)):
            label = _policy_name(record.entry)
            evaluated = replace(record.evaluated, labels=(label,) * record.evaluated.count)
            asked = [row for row in rows if _is_shown(record.entry, [row])]
            scores = self._prober.score([row.text for row in asked], record.episodes)
            for row, score in zip(asked, scores, strict=True):
                if not isinstance(score, str):
                    shown[row.id].append(with_rewards(evaluated, programs[row.id], score))
        requests = []
        for row in rows:
            drafts = self._run.drafts(row.id)
            before = next((d.verdict for d in reversed(drafts) if objected(d.verdict)), [])
            requests.append(
                ReviewRequest(
                    row,
                    version=len(drafts),
                    payments=reward_table(programs[row.id].weights, shown[row.id]),
                    earlier=[f["message"] for f in before if f["rule"] == OBJECTION_RULE],
                )
            )
        return requests


def objected(findings: Iterable[Mapping[str, Any]]) -> bool:
    """Whether stored findings hold an objection of a reviewer."""
    return any(finding["rule"] == OBJECTION_RULE for finding in findings)


def _is_shown(entry: Entry, rows: Sequence[CandidateRow]) -> bool:
    """Whether the reviewer sees a program's rewards on this record."""
    if entry.kind == "reference":
        return True
    parents = {number for row in rows for number in row.parents[:MOST_PARENTS]}
    return entry.kind != "early" and entry.candidate in parents


def _policy_name(entry: Entry) -> str:
    if entry.kind == "reference":
        return FAILURES[entry.policy]
    return f"the policy of #{entry.candidate}, from which it was made"


def _column(entry: Entry) -> int:
    """A policy's column in the table: untrained policies first, in their usual order."""
    order: list[str] = list(SCRIPTED_POLICIES)
    return order.index(entry.policy) if entry.kind == "reference" else len(order)
