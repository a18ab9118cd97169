"""The designer that asks a language model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eureka_agent.designer.base import Broken, BudgetSpent, Past, Proposal
from eureka_agent.designer.budget import Budget
from eureka_agent.designer.extraction import Extract, extract
from eureka_agent.designer.history import best_of, history
from eureka_agent.designer.prompting import repair_messages, system_message, task_message
from eureka_agent.llm import ChatMessage, Client, Reply
from eureka_agent.store import ExchangeRow, Run

if TYPE_CHECKING:
    from eureka_agent.environment import TaskDescription

FIRST, REPAIR = "designer", "repair"
"""Roles under which the model's answers are accounted."""
Place = tuple[int, int, int]
"""Generation, slot, attempt."""


@dataclass(frozen=True, kw_only=True)
class AuthorSettings:
    """How the language model is asked.

    Attributes:
        name: what the run calls this designer.
        turns: earlier programs that are shown in full, besides the best.
        training_steps: how long each was trained.
        repairs: how often one program goes back at most.
        with_source: show the environment's source, too.
        reflect: show what became of earlier programs; without it every generation starts blind.
        strategies: ask for the programs of a generation in different ways, or for all in one.
        initial: a person's program to start from; may be empty.
    """

    name: str
    turns: int
    training_steps: int
    repairs: int
    with_source: bool = False
    reflect: bool = True
    strategies: bool = True
    initial: str = ""


class LanguageModelDesigner:
    """Asks a language model for programs, several at once.

    Every answer is in the store before anything is made of it, and an answer that is there is not
    asked for again: a search that was killed goes on without paying twice.

    Args:
        task: what the model may know of the environment.
        make_client: connects to the model, when it is first asked.
        run: where questions and answers are kept.
        budget: what may be spent on them.
        settings: how to ask.
    """

    def __init__(
        self,
        task: "TaskDescription",
        make_client: Callable[[], Client],
        run: Run,
        budget: Budget,
        settings: AuthorSettings,
    ) -> None:
        self.name = settings.name
        self._task, self._run = task, run
        self._make_client, self._client = make_client, None
        self._budget, self._settings = budget, settings

    def propose(self, generation: int, count: int, past: Sequence[Past]) -> list[Proposal]:
        """See `Designer.propose`; one question per program, all at the same time."""
        seen = past if self._settings.reflect else ()
        first = self._settings.initial != "" and generation == 0
        slots = range(1 if first else 0, count)
        questions = {
            (generation, slot, 0): self._question(generation, slot, count, seen) for slot in slots
        }
        answers = self._ask(FIRST, questions)
        return [
            self._proposal(place, answers[place], seen) for place in questions if place in answers
        ]

    def repair(self, broken: Sequence[Broken]) -> list[Proposal | None]:
        """See `Designer.repair`; the model sees its own program and what the critic found in it."""
        questions = {(b.generation, b.slot, b.attempt): self._again(b) for b in broken}
        try:
            answers = self._ask(REPAIR, {p: m for p, m in questions.items() if m})
        except BudgetSpent as error:
            self._run.event("budget", error.message)
            return [None] * len(broken)
        return [
            self._proposal(place, answers[place], ()) if place in answers else None
            for place in questions
        ]

    def _question(
        self, generation: int, slot: int, count: int, past: Sequence[Past]
    ) -> list[ChatMessage]:
        best = best_of(past)
        message = task_message(
            self._task,
            generation=generation,
            slot=slot,
            count=count,
            best=best.id if best else None,
            history=history(past, self._settings.turns, self._settings.training_steps),
            initial=self._settings.initial if generation == 0 else "",
            with_source=self._settings.with_source,
            strategies=self._settings.strategies,
        )
        return [system_message(self._task), message]

    def _again(self, broken: Broken) -> list[ChatMessage]:
        """The question for a repair; empty if nobody asked for the program in the first place."""
        earlier = self._run.exchanges(broken.generation, broken.slot)
        if not earlier or earlier[0].attempt != 0:
            return []
        asked = [ChatMessage(m["role"], m["content"]) for m in earlier[0].messages]  # pyright: ignore[reportArgumentType]
        reply = next((e.reply for e in earlier if e.attempt == broken.attempt - 1), "")
        attempts = self._settings.repairs
        return repair_messages(asked, broken.text, reply, broken.findings, broken.attempt, attempts)

    def _ask(
        self, role: str, questions: Mapping[Place, Sequence[ChatMessage]]
    ) -> dict[Place, ExchangeRow]:
        """The answers to questions, from the store where they are there already.

        Those that the budget has no room for are left out.

        Raises:
            BudgetSpent: it has room for none.
        """
        answers = self._stored(questions)
        open_questions = {p: m for p, m in questions.items() if p not in answers}
        if open_questions:
            try:
                affordable = self._budget.affordable(open_questions)
            except BudgetSpent:
                if answers:
                    return answers  # they are paid
                raise
            places = {_label(place): place for place in affordable}

            def keep(label: str, reply: Reply) -> None:
                self._keep(role, places[label], questions[places[label]], reply)

            if self._client is None:
                self._client = self._make_client()
            self._client.complete({la: questions[p] for la, p in places.items()}, keep)
            answers = self._stored(questions)
        return answers

    def _stored(self, places: Mapping[Place, object]) -> dict[Place, ExchangeRow]:
        found: dict[Place, ExchangeRow] = {}
        for generation, slot, attempt in places:
            for row in self._run.exchanges(generation, slot):
                if row.attempt == attempt:
                    found[generation, slot, attempt] = row
        return found

    def _keep(self, role: str, place: Place, messages: Sequence[ChatMessage], reply: Reply) -> None:
        self._run.add_exchange(
            role,
            place,
            model=reply.model,
            messages=[message.as_dict() for message in messages],
            reply=reply.text,
            reasoning=reply.reasoning,
            finish_reason=reply.finish_reason,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            estimated=reply.estimated,
            cost=self._budget.cost(reply),
            seconds=reply.seconds,
        )
        tokens = reply.prompt_tokens + reply.completion_tokens
        self._run.event(
            "model", f"{_label(place)} written in {reply.seconds:.0f} s, {tokens} tokens"
        )

    def _proposal(self, place: Place, answer: ExchangeRow, past: Sequence[Past]) -> Proposal:
        found: Extract = extract(answer.reply, answer.finish_reason)
        generation, slot, _ = place
        parents = _parents(slot if self._settings.strategies else 0, past) if generation else ()
        note = f"written by {answer.model}"
        return Proposal(found.text, parents, note, found.lesson, found.findings, slot)


def _label(place: Place) -> str:
    """What people call the program of a place."""
    generation, slot, attempt = place
    program = f"program {slot + 1} of generation {generation}"
    return f"repair {attempt} of {program}" if attempt else program


def _parents(slot: int, past: Sequence[Past]) -> tuple[int, ...]:
    """Whom `turn.md.j2` tells the designer of a slot to build on."""
    fit = sorted(
        (p for p in past if p.fitness is not None), key=lambda p: (-(p.fitness or 0.0), p.id)
    )
    return tuple(p.id for p in fit[: (1, 1, 2, 0)[slot % 4]])
