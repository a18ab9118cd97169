"""The reviewer: a language model that looks at a program once before it costs any training.

It may be wrong, so an objection delays a program and never decides about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from eureka_agent.common.choices import FREE
from eureka_agent.common.text import prompt_line
from eureka_agent.designer.base import OBJECTION_RULE
from eureka_agent.designer.prompts import library_for
from eureka_agent.llm import ChatMessage
from eureka_agent.llm.conversation import Conversation, ExchangeKey
from eureka_agent.llm.json_reply import read_model
from eureka_agent.llm.templates import fenced, render
from eureka_agent.reward import Finding
from eureka_agent.reward.findings import MAX_FINDING_LENGTH
from eureka_agent.store import CandidateRow
from eureka_agent.store.reading import MODEL_TRIES

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

ROLE = "reviewer"
"""Role under which the model's answers are kept and accounted."""
PASSED, ADVICE = "review-passed", "review-advice"
"""Rules of findings that are no objections; they say that a review took place."""
MOST_POINTS = 3
"""Most objections, and most suggestions, of one review."""


def _first_points(points: list[str]) -> list[str]:
    """The first sentences that are not empty, as plain text."""
    texts = [prompt_line(point, MAX_FINDING_LENGTH) for point in points]
    return list(filter(None, texts))[:MOST_POINTS]


Points = Annotated[list[str], AfterValidator(_first_points)]


class ReviewReply(BaseModel, strict=True, frozen=True):
    """A reviewer's answer about a program.

    Attributes:
        passed: whether it has no objection.
        blocking: its objections, a sentence or two each; none if it passed.
        advice: other improvements.
        confidence: its own estimate, from 0 to 1.
    """

    passed: bool
    blocking: Points
    advice: Points
    confidence: float = Field(ge=0, le=1, allow_inf_nan=False)

    @model_validator(mode="after")
    def _check_consistency(self) -> Self:
        if self.passed == bool(self.blocking):
            said = "blocking names faults" if self.passed else "blocking names none"
            raise ValueError(f"The key passed is {str(self.passed).lower()}, and {said}")
        return self

    def findings(self) -> list[Finding]:
        """Warnings: the objections, or that there are none; then the advice."""
        sure = f"The reviewer is sure of it to {100 * self.confidence:.0f} %."
        found = [_warning(OBJECTION_RULE, text, sure) for text in self.blocking]
        if self.passed:
            found = [_warning(PASSED, "The reviewer has no objection.", sure)]
        return found + [_warning(ADVICE, text) for text in self.advice]


@dataclass(frozen=True)
class ReviewRequest:
    """A program to review.

    Attributes:
        candidate: the program's candidate.
        version: how often that candidate has been rewritten before.
        payments: its rewards for untrained and earlier policies, as lines of a table.
        earlier: the reviewer's objections to the previous version.
    """

    candidate: CandidateRow
    version: int
    payments: Sequence[str] = ()
    earlier: Sequence[str] = ()

    @property
    def key(self) -> ExchangeKey:
        """The key of this version's review."""
        return self.candidate.generation, self.candidate.slot, MODEL_TRIES * self.version


class Reviewer:
    """Asks a language model to review programs.

    Args:
        task: the environment, as the model may know it.
        conversation: puts questions, and keeps the answers.
        parts: the structure of programs, see `SearchConfig`.
    """

    def __init__(
        self, task: "TaskDescription", conversation: Conversation, parts: str = FREE
    ) -> None:
        self._task, self._conversation, self._parts = task, conversation, parts

    def verdicts(self, subjects: Sequence[ReviewRequest]) -> dict[int, ReviewReply]:
        """Verdicts by the candidate's number; all programs are reviewed at the same time.

        A program without a verdict is left out: the budget was spent, the model did not answer, or
        its answers were unusable.
        """
        questions = {subject.key: self._question(subject) for subject in subjects}
        found = self._conversation.ask_and_read(
            ROLE, questions, lambda key, reply: read_model(reply, ReviewReply)
        )
        return {s.candidate.id: found[s.key] for s in subjects if s.key in found}

    def _question(self, subject: ReviewRequest) -> list[ChatMessage]:
        task = self._task
        system = render(
            "reviewer",
            library=[line["name"] for line in library_for(task)],
            discount=task.discount,
            blocking=MOST_POINTS,
            measured=task.measured,
        )
        content = render(
            "review",
            task=task,
            seconds=task.episode_steps * task.control_step,
            program=fenced(subject.candidate.text),
            parts=self._parts,
            payments=subject.payments,
            earlier=subject.earlier,
        )
        return [ChatMessage("system", system), ChatMessage("user", content)]


def _warning(rule: str, message: str, hint: str = "") -> Finding:
    return Finding(rule, "warning", 1, 1, message, hint)
