"""What a designer of reward programs is asked, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Past:
    """A finished candidate, as far as a designer may know it.

    Attributes:
        id: its number in the run.
        generation: the generation it belongs to, from 0.
        text: its reward program.
        parents: the numbers of the candidates it was made from.
        fitness: how well its policy does the task; None if it has no fitness.
        failure: why it has no fitness.
    """

    id: int
    generation: int
    text: str
    parents: tuple[int, ...]
    fitness: float | None
    failure: str | None


@dataclass(frozen=True)
class Proposal:
    """A reward program to try.

    Attributes:
        text: the program.
        parents: the numbers of the past candidates it was made from.
        note: how it came about, in one line.
    """

    text: str
    parents: tuple[int, ...]
    note: str


class Designer(Protocol):
    """Writes reward programs, a generation at a time.

    Attributes:
        name: what a run calls this designer.
    """

    name: str

    def propose(self, generation: int, count: int, past: Sequence[Past]) -> list[Proposal]:
        """Write `count` programs for a generation, knowing what became of earlier ones.

        A pure function of its arguments and of what the designer was made with, so that a run that
        is resumed goes on as it would have.
        """
        ...
