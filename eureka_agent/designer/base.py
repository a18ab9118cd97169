"""What a designer of reward programs is asked, and what it answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eureka_agent.reward import Finding
from eureka_agent.store.ranking import rank_key

DUPLICATE_RULES = frozenset({"duplicate", "equivalent"})
"""Rules of the findings about programs that reward the same as an earlier one."""
DECLINED_RULE = "question-declined"
"""Rule of the finding about a program that does not exist, as its question was declined."""
OBJECTION_RULE = "review"
"""Rule of the findings in which a reviewer objects to a sound program."""


@dataclass(frozen=True)
class PastCandidate:
    """What a designer may know about a finished candidate.

    Attributes:
        id: its number in the run.
        generation: the generation it belongs to, from 0.
        text: its reward program.
        parents: the numbers of the candidates it was made from.
        fitness: how well its policy does the task, or its peer win rate if nothing measures that;
            None if it was not trained to the end.
        failure: why it was not trained to the end.
        thought: the idea at the beginning of its program.
        lesson: what its author learned from earlier results.
        reflection: what its training, or its rejection, showed.
        rewritten: whether the program was rewritten after the lesson was drawn.
        progress: how near its policy comes to the task. It orders candidates of equal fitness, and
            no prompt shows it.
    """

    id: int
    generation: int
    text: str
    parents: tuple[int, ...]
    fitness: float | None
    failure: str | None
    thought: str = ""
    lesson: str = ""
    reflection: str = ""
    rewritten: bool = False
    progress: float | None = None

    @property
    def rank_key(self) -> tuple[float, float] | None:
        """Fitness, then progress, by which it ranks; None without a fitness."""
        return None if self.fitness is None else rank_key(self.fitness, self.progress)


def by_merit(past: PastCandidate) -> tuple[float, float, int]:
    """Sort key: the best first; of equals the earlier one; those without a fitness last."""
    fitness, progress = past.rank_key or (-math.inf, -math.inf)
    return -fitness, -progress, past.id


@dataclass(frozen=True)
class Proposal:
    """A reward program to try.

    Attributes:
        text: the program.
        parents: the numbers of the past candidates it was made from.
        note: how it was made, in one line.
        lesson: what its author learned from earlier results.
        findings: what is known to be wrong with it before any check.
        slot: its place in the generation; None for the next free one.
    """

    text: str
    parents: tuple[int, ...]
    note: str
    lesson: str = ""
    findings: tuple[Finding, ...] = ()
    slot: int | None = None


@dataclass(frozen=True)
class RepairRequest:
    """A program that the critic sends back.

    Attributes:
        id: the candidate's number.
        generation: its generation, from 0.
        slot: its place in the generation, from 0.
        attempt: number of this repair, from 1.
        text: the program; empty if there was none.
        findings: what the critic found.
    """

    id: int
    generation: int
    slot: int
    attempt: int
    text: str
    findings: tuple[Finding, ...] = ()


class Designer(Protocol):
    """Writes reward programs, a generation at a time.

    Attributes:
        name: what a run calls this designer.
    """

    name: str

    def propose(self, generation: int, count: int, past: Sequence[PastCandidate]) -> list[Proposal]:
        """Write `count` programs for a generation, given the results of earlier ones.

        The result depends only on the arguments, the designer's settings and recorded answers, so
        that a resumed run continues as it would have without the interruption.

        Args:
            generation: its number, from 0.
            count: programs to write.
            past: the finished candidates of earlier generations.

        Raises:
            BudgetSpent: the designer may not spend any more; returning fewer programs is allowed.
        """
        ...

    def repair(self, broken: Sequence[RepairRequest]) -> list[Proposal | None]:
        """Fix programs; None for a program that this designer cannot improve."""
        ...
