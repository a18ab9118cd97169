"""The language model's second role: one look at a program before it costs any training.

It may be wrong, so that an objection delays a program and never decides about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eureka_agent.common.choices import FREE
from eureka_agent.common.text import prompt_line
from eureka_agent.designer.base import OBJECTION_RULE
from eureka_agent.designer.prompts import library_for
from eureka_agent.llm import ChatMessage
from eureka_agent.llm.conversation import Conversation, ExchangeKey, UnusableReply
from eureka_agent.llm.json_reply import read_object
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
"""Objections and suggestions of one review, each."""
_KEYS = ("blocking", "advice", "passed", "confidence")


@dataclass(frozen=True)
class ReviewReply:
    """What a reviewer says of a program.

    Attributes:
        passed: whether it has no objection.
        blocking: its objections, a sentence or two each; none if it passed.
        advice: what could be better all the same.
        confidence: how sure it says it is, from 0 to 1.
    """

    passed: bool
    blocking: tuple[str, ...]
    advice: tuple[str, ...]
    confidence: float

    def findings(self) -> list[Finding]:
        """As warnings: the objections, or that there are none; then the advice."""
        sure = f"The reviewer is sure of it to {100 * self.confidence:.0f} %."
        found = [_warning(OBJECTION_RULE, text, sure) for text in self.blocking]
        if self.passed:
            found = [_warning(PASSED, "The reviewer has no objection.", sure)]
        return found + [_warning(ADVICE, text) for text in self.advice]


@dataclass(frozen=True)
class ReviewRequest:
    """A program to review.

    Attributes:
        candidate: whose it is.
        version: how often that candidate has been rewritten before.
        payments: what it pays untrained and earlier policies, as lines of a table.
        earlier: the reviewer's objections to the version before this one.
    """

    candidate: CandidateRow
    version: int
    payments: Sequence[str] = ()
    earlier: Sequence[str] = ()

    @property
    def place(self) -> ExchangeKey:
        """Where the review of this version is kept."""
        return self.candidate.generation, self.candidate.slot, MODEL_TRIES * self.version


class Reviewer:
    """Asks a language model to review programs.

    Args:
        task: what the model may know of the environment.
        asking: puts questions, and keeps the answers.
        parts: what programs are made of, see `choices.PARTS`.
    """

    def __init__(
        self, task: "TaskDescription", conversation: Conversation, parts: str = FREE
    ) -> None:
        self._task, self._conversation, self._parts = task, conversation, parts

    def verdicts(self, subjects: Sequence[ReviewRequest]) -> dict[int, ReviewReply]:
        """Verdicts by the candidate's number; all programs are reviewed at the same time.

        A program without a verdict is left out: there was no money, no model, or no sense in what
        it said.
        """
        questions = {subject.place: self._question(subject) for subject in subjects}
        found = self._conversation.ask_and_read(
            ROLE, questions, lambda place, reply: read_review(reply)
        )
        return {s.candidate.id: found[s.place] for s in subjects if s.place in found}

    def _question(self, subject: ReviewRequest) -> list[ChatMessage]:
        task = self._task
        library = [line["name"] for line in library_for(task)]
        system = render(
            "reviewer",
            library=library,
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


def read_review(reply: str) -> ReviewReply:
    """The verdict in a model's reply.

    Raises:
        Unusable: there is none, or it contradicts itself.
    """
    document = read_object(reply, _KEYS)
    blocking, advice = _points(document, "blocking"), _points(document, "advice")
    passed, confidence = document.get("passed"), document.get("confidence")
    if not isinstance(passed, bool):
        raise UnusableReply("The key passed is neither true nor false.")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float):
        raise UnusableReply("The key confidence is no number.")
    if not 0 <= confidence <= 1:
        raise UnusableReply("The key confidence does not lie between 0 and 1.")
    if passed == bool(blocking):
        said = "blocking names faults" if passed else "blocking names none"
        raise UnusableReply(f"The key passed is {str(passed).lower()}, and {said}.")
    return ReviewReply(passed, blocking, advice, float(confidence))


def _points(document: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The sentences under a key, the first of them, as plain text."""
    points = document.get(key)
    if not isinstance(points, list) or not all(isinstance(point, str) for point in points):
        raise UnusableReply(f"The key {key} is no list of sentences.")
    return tuple(text for point in points if (text := prompt_line(point, MAX_FINDING_LENGTH)))[
        :MOST_POINTS
    ]


def _warning(rule: str, message: str, hint: str = "") -> Finding:
    return Finding(rule, "warning", 1, 1, message, hint)
