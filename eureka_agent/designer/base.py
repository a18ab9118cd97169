"""What a designer of reward programs is asked, and what it answers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from eureka_agent.reward import Finding
from eureka_agent.store.ranking import rank_key

DUPLICATE_RULES = frozenset({"duplicate", "equivalent"})
"""Rules of the critic's findings about programs that ask for what another one does."""
DECLINED_RULE = "question-declined"
"""Rule of the finding that a program was never written: its question would be declined again."""
OBJECTION_RULE = "review"
"""Rule of the findings in which a reviewer objects to a program that is sound."""


@dataclass(frozen=True)
class PastCandidate:
    """A finished candidate, as far as a designer may know it.

    Attributes:
        id: its number in the run.
        generation: the generation it belongs to, from 0.
        text: its reward program.
        parents: the numbers of the candidates it was made from.
        fitness: how well its policy does the task or, where nothing measures that, its peer win
            rate; None if it was not trained to the end.
        failure: why it was not.
        thought: the idea that it begins with.
        lesson: what its author said that earlier results teach.
        reflection: what its training, or its rejection, showed.
        rewritten: whether the program was rewritten since the lesson was drawn.
        progress: how near its policy comes to the task; it orders those of equal fitness, and no
            designer is told of it.
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
        """What it ranks by, the worse one lower: fitness, then progress; None without a fitness."""
        return None if self.fitness is None else rank_key(self.fitness, self.progress)


def by_merit(past: PastCandidate) -> tuple[float, float, int]:
    """Sorts those with a fitness, the best first; progress, then age decides among equals."""
    fitness, progress = past.rank_key or (-math.inf, -math.inf)
    return -fitness, -progress, past.id


@dataclass(frozen=True)
class Proposal:
    """A reward program to try.

    Attributes:
        text: the program.
        parents: the numbers of the past candidates it was made from.
        note: how it came about, in one line.
        lesson: what its author says that earlier results teach.
        findings: what is wrong with it already, before any check.
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
        slot: its place in that, from 0.
        attempt: which repair this will be, from 1.
        text: the program; empty if there was none.
        findings: what the critic found.
    """

    id: int
    generation: int
    slot: int
    attempt: int
    text: str
    findings: tuple[Finding, ...] = field(default=())


class Designer(Protocol):
    """Writes reward programs, a generation at a time.

    Attributes:
        name: what a run calls this designer.
    """

    name: str

    def propose(self, generation: int, count: int, past: Sequence[PastCandidate]) -> list[Proposal]:
        """Write `count` programs for a generation, knowing what became of earlier ones.

        A function of its arguments, of what the designer was made with and of answers that were
        recorded, so that a run that is resumed goes on as it would have.

        Raises:
            BudgetSpent: the designer may not spend any more; fewer programs are no error.
        """
        ...

    def repair(self, broken: Sequence[RepairRequest]) -> list[Proposal | None]:
        """Mend programs; None for one that this designer has nothing better for."""
        ...
