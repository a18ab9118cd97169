"""Asking a language model in some role, so that no answer is ever paid for twice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from eureka_agent.common.plain_text import visible
from eureka_agent.llm import ChatMessage, Client, ModelDeclined, ModelError, Reply
from eureka_agent.llm.budget import Budget, BudgetSpent
from eureka_agent.llm.silence import CutQuestions, cure_of
from eureka_agent.llm.templates import ECHO_LIMIT, render
from eureka_agent.store import ExchangeRow, Run
from eureka_agent.store.reading import AUTHOR, TRIES

Place = tuple[int, int, int]
"""Generation, slot, attempt."""
Messages = Sequence[ChatMessage]
T = TypeVar("T")


class Unusable(Exception):
    """Raised when an answer is not what was asked for; the text says in a sentence why."""


@dataclass(frozen=True)
class Answers:
    """What came of questions.

    Attributes:
        rows: the answers.
        declined: why the server will never answer a question, which cost nothing.
    """

    rows: dict[Place, ExchangeRow]
    declined: dict[Place, ModelDeclined] = field(default_factory=dict)


class Asking:
    """Asks questions about programs, all of a generation at the same time.

    Every answer is in the store before anything is made of it, and one that is there is not asked
    for again: a search that was killed goes on without paying twice.

    Args:
        make_client: connects to the model, when it is first asked.
        run: where questions and answers are kept.
        budget: what may be spent on them.
    """

    def __init__(self, make_client: Callable[[], Client], run: Run, budget: Budget) -> None:
        self._make_client, self._client = make_client, None
        self._run, self._budget = run, budget
        self._cut_questions = CutQuestions()

    def ask(self, role: str, questions: Mapping[Place, Messages]) -> Answers:
        """The answers to questions, without those that the budget has no room for.

        Args:
            role: in which the model answers, and under which it is accounted.
            questions: by the place that they are about.

        Raises:
            BudgetSpent: it has room for none, and none was answered before.
            ModelError: the model cannot be asked; answers that came are stored.
        """
        answers = self._stored(role, questions)
        waiting = {place: m for place, m in questions.items() if place not in answers}
        if not waiting:
            return Answers(answers)
        try:
            affordable = self._budget.affordable(waiting)
        except BudgetSpent:
            if answers:
                return Answers(answers)  # they are paid
            raise
        places = {label(role, place): place for place in affordable}
        declined: dict[Place, ModelDeclined] = {}

        def keep(name: str, reply: Reply) -> None:
            self._keep(role, places[name], waiting[places[name]], reply)

        def note(name: str, error: ModelDeclined) -> None:
            declined[places[name]] = error
            kind = "model" if role in AUTHOR else role
            self._run.event(kind, f"{name} will never come: {error.message}")

        if self._client is None:
            self._client = self._make_client()
        asked = {name: waiting[place] for name, place in places.items()}
        self._client.complete(asked, keep, note)
        return Answers(self._stored(role, questions), declined)

    def ask_for(
        self, role: str, questions: Mapping[Place, Messages], read: Callable[[Place, str], T]
    ) -> dict[Place, T]:
        """What is read from the answers to questions; one of no use is asked for once more.

        It stops no search: where there is no money, no model or no sense in what it says, the place
        is left out, and an event says so.

        Args:
            role: in which the model answers, and under which it is accounted.
            questions: by the place that they are about, whose attempt is that of the first try.
            read: makes something of a place's answer, or raises `Unusable`.
        """
        found: dict[Place, T] = {}
        waiting = dict(questions)
        for attempt in range(TRIES):
            places = {place: _later(place, attempt) for place in waiting}
            answers = self._if_possible(role, {places[p]: m for p, m in waiting.items()})
            answered = {p: answers[places[p]].reply for p in waiting if places[p] in answers}
            again: dict[Place, Messages] = {}
            for place, reply in answered.items():
                try:
                    found[place] = read(place, reply)
                except Unusable as error:
                    again[place] = [*waiting[place], *_second_request(reply, str(error))]
                    self._run.event(role, f"{label(role, places[place])} is of no use: {error}")
            waiting = again
        return found

    def _if_possible(
        self, role: str, questions: Mapping[Place, Messages]
    ) -> dict[Place, ExchangeRow]:
        """As many answers as there are, whatever happens; an event says what is missing."""
        try:
            answers = self.ask(role, questions) if questions else Answers({})
        except (BudgetSpent, ModelError) as error:
            self._run.event(role, f"There is no answer of the {role}. {error.message}")
            return self._stored(role, questions)
        if missing := len(questions) - len(answers.rows) - len(answers.declined):
            self._run.event(role, f"The budget has no room for {missing} answers of the {role}.")
        return answers.rows

    def _stored(self, role: str, places: Mapping[Place, object]) -> dict[Place, ExchangeRow]:
        found: dict[Place, ExchangeRow] = {}
        for generation, slot, attempt in places:
            for row in self._run.exchanges(generation, slot, role):
                if row.attempt == attempt:
                    found[generation, slot, attempt] = row
        return found

    def _keep(self, role: str, place: Place, messages: Messages, reply: Reply) -> None:
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
            "model", f"{label(role, place)} written in {reply.seconds:.0f} s, {tokens} tokens"
        )
        if cure := cure_of(reply):
            self._run.event("model", f"{label(role, place)} has no end: {cure}")
        if notice := self._cut_questions.notice(messages, reply):
            self._run.event("model", notice)


def label(role: str, place: Place) -> str:
    """What people call an answer; that of an author is called by what it is, a program."""
    generation, slot, attempt = place
    program = f"program {slot + 1} of generation {generation}"
    if role in AUTHOR:
        return f"repair {attempt} of {program}" if attempt else program
    version, tries = divmod(attempt, TRIES)
    again = f" ({tries + 1})" if tries else ""
    which = f"version {version + 1} of {program}" if version else program
    return f"the {role}'s answer{again} on {which}"


def _later(place: Place, attempts: int) -> Place:
    generation, slot, attempt = place
    return generation, slot, attempt + attempts


def _second_request(reply: str, reason: str) -> list[ChatMessage]:
    """The answer of no use, and why it is asked for again."""
    said = visible(reply[:ECHO_LIMIT]) or "(nothing)"
    return [ChatMessage("assistant", said), ChatMessage("user", render("again", reason=reason))]
