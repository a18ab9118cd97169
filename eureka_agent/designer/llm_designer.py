"""The designer that asks a language model."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from eureka_agent.config import SearchConfig
from eureka_agent.designer.base import (
    DECLINED_RULE,
    PastCandidate,
    Proposal,
    RepairRequest,
    by_merit,
)
from eureka_agent.designer.extraction import extract_program, structure_findings
from eureka_agent.designer.prompts import repair_messages, system_message, task_message
from eureka_agent.llm import ChatMessage, ModelDeclined, ModelRefused
from eureka_agent.llm.budget import BudgetSpent
from eureka_agent.llm.conversation import Conversation, ExchangeKey, missing_program_finding
from eureka_agent.reward import Finding
from eureka_agent.store import ExchangeRow, Run

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

BUILT_ON = (1, 1, 2, 0)
"""On how many of the fittest programs each of the later `ways` of `prompts/turn.md.j2` asks to
build, in their order; a slot takes the same place in both. Change both together."""


class LLMDesigner:
    """Asks a language model for programs, several at once.

    Every answer is stored before it is used, and a stored answer is not asked for again: a search
    that was killed continues without paying twice.

    Args:
        task: what the model may know about the environment.
        conversation: asks the model and remembers the answers.
        run: keeps questions and answers.
        config: how to ask.
        initial: a person's program to start from; may be empty.
    """

    def __init__(
        self,
        task: "TaskDescription",
        conversation: Conversation,
        run: Run,
        config: SearchConfig,
        initial: str = "",
    ) -> None:
        self.name = config.model
        self._task, self._run, self._config = task, run, config
        self._conversation, self._initial = conversation, initial

    def propose(self, generation: int, count: int, past: Sequence[PastCandidate]) -> list[Proposal]:
        """See `Designer.propose`; one question per program, all at the same time.

        Raises:
            ModelError: the model cannot be asked, or declines every question.
        """
        seen = past if self._config.reflection else ()
        initial = self._initial if generation == 0 else ""
        system, config = system_message(self._task), self._config
        questions = {
            (generation, slot, 0): [
                system,
                task_message(self._task, config, generation, slot, count, seen, initial),
            ]
            for slot in range(1 if initial else 0, count)  # the first slot is a person's
        }
        answers = self._conversation.ask("designer", questions)
        if questions and questions.keys() == answers.declined.keys():
            first = next(iter(answers.declined.values()))
            raise ModelRefused(
                f"Every question of generation {generation} was declined. {first.message}",
                first.remedy,
                first.exit_code,
            )
        return [
            self._proposal(place, answers.rows[place], seen)
            if place in answers.rows
            else _declined(place, answers.declined[place])
            for place in questions
            if place in answers.rows or place in answers.declined
        ]

    def repair(self, broken: Sequence[RepairRequest]) -> list[Proposal | None]:
        """See `Designer.repair`; the model sees its own program and what the critic found in it."""
        questions = {(b.generation, b.slot, b.attempt): self._repair_question(b) for b in broken}
        try:
            answers = self._conversation.ask(
                "repair", {p: m for p, m in questions.items() if m}
            ).rows
        except BudgetSpent as error:
            self._run.event("budget", error.message)
            return [None] * len(broken)
        return [
            self._proposal(place, answers[place], ()) if place in answers else None
            for place in questions
        ]

    def _repair_question(self, broken: RepairRequest) -> list[ChatMessage]:
        """The question for a repair; empty if the model did not write the program."""
        earlier = self._run.exchanges(broken.generation, broken.slot)
        if not earlier or earlier[0].attempt != 0:
            return []
        asked = [ChatMessage(m["role"], m["content"]) for m in earlier[0].messages]  # pyright: ignore[reportArgumentType]
        reply = next((e.reply for e in earlier if e.attempt == broken.attempt - 1), "")
        attempts = self._config.repairs + self._config.review_rounds
        return repair_messages(asked, broken.text, reply, broken.findings, broken.attempt, attempts)

    def _proposal(
        self, place: ExchangeKey, answer: ExchangeRow, past: Sequence[PastCandidate]
    ) -> Proposal:
        found = extract_program(answer.reply, answer.finish_reason)
        silence = missing_program_finding(answer)
        if silence and not found.text:
            found = replace(found, findings=(silence,))
        generation, slot, _ = place
        parents = _parents(slot if self._config.strategies else 0, past) if generation else ()
        findings = (*found.findings, *structure_findings(found.text, self._config.parts))
        note = f"written by {answer.model}"
        return Proposal(found.text, parents, note, found.lesson, findings, slot)


def _declined(place: ExchangeKey, error: ModelDeclined) -> Proposal:
    """Stands in for a program that the model will never be asked for again."""
    finding = Finding(DECLINED_RULE, "error", 1, 1, error.message, error.remedy)
    return Proposal("", (), "the question was declined", findings=(finding,), slot=place[1])


def _parents(slot: int, past: Sequence[PastCandidate]) -> tuple[int, ...]:
    """The programs on which `turn.md.j2` asks the designer of a slot to build."""
    fit = sorted((p for p in past if p.fitness is not None), key=by_merit)
    return tuple(p.id for p in fit[: BUILT_ON[slot % len(BUILT_ON)]])
