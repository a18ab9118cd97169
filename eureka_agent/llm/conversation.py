"""Asking a language model in some role, so that no answer is ever paid for twice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from eureka_agent.common.text import prompt_line, prompt_text
from eureka_agent.llm import ChatMessage, Client, ModelDeclined, ModelError, Reply
from eureka_agent.llm.budget import Budget, BudgetSpent
from eureka_agent.llm.templates import ECHO_LIMIT, render
from eureka_agent.reward import Finding
from eureka_agent.store import ExchangeRow, Run
from eureka_agent.store.reading import AUTHOR_ROLES, MODEL_TRIES

ExchangeKey = tuple[int, int, int]
"""Generation, slot, attempt."""
Messages = Sequence[ChatMessage]
T = TypeVar("T")


class UnusableReply(Exception):
    """Raised when an answer is not what was asked for; the text says in a sentence why."""


@dataclass(frozen=True)
class Answers:
    """What came of questions.

    Attributes:
        rows: the answers.
        declined: why the server will never answer a question, which cost nothing.
    """

    rows: dict[ExchangeKey, ExchangeRow]
    declined: dict[ExchangeKey, ModelDeclined] = field(default_factory=dict)


class Conversation:
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
        self._cut_questions = TruncationDetector()

    def ask(self, role: str, questions: Mapping[ExchangeKey, Messages]) -> Answers:
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
        places = {exchange_label(role, place): place for place in affordable}
        declined: dict[ExchangeKey, ModelDeclined] = {}

        def keep(name: str, reply: Reply) -> None:
            self._keep(role, places[name], waiting[places[name]], reply)

        def note(name: str, error: ModelDeclined) -> None:
            declined[places[name]] = error
            kind = "model" if role in AUTHOR_ROLES else role
            self._run.event(kind, f"{name} will never come: {error.message}")

        if self._client is None:
            self._client = self._make_client()
        asked = {name: waiting[place] for name, place in places.items()}
        self._client.complete(asked, keep, note)
        return Answers(self._stored(role, questions), declined)

    def ask_and_read(
        self,
        role: str,
        questions: Mapping[ExchangeKey, Messages],
        read: Callable[[ExchangeKey, str], T],
    ) -> dict[ExchangeKey, T]:
        """What is read from the answers to questions; one of no use is asked for once more.

        It stops no search: where there is no money, no model or no sense in what it says, the place
        is left out, and an event says so.

        Args:
            role: in which the model answers, and under which it is accounted.
            questions: by the place that they are about, whose attempt is that of the first try.
            read: makes something of a place's answer, or raises `Unusable`.
        """
        found: dict[ExchangeKey, T] = {}
        waiting = dict(questions)
        for attempt in range(MODEL_TRIES):
            places = {place: _later(place, attempt) for place in waiting}
            answers = self._if_possible(role, {places[p]: m for p, m in waiting.items()})
            answered = {p: answers[places[p]].reply for p in waiting if places[p] in answers}
            again: dict[ExchangeKey, Messages] = {}
            for place, reply in answered.items():
                try:
                    found[place] = read(place, reply)
                except UnusableReply as error:
                    again[place] = [*waiting[place], *_second_request(reply, str(error))]
                    self._run.event(
                        role, f"{exchange_label(role, places[place])} is of no use: {error}"
                    )
            waiting = again
        return found

    def _if_possible(
        self, role: str, questions: Mapping[ExchangeKey, Messages]
    ) -> dict[ExchangeKey, ExchangeRow]:
        """As many answers as there are, whatever happens; an event says what is missing."""
        try:
            answers = self.ask(role, questions) if questions else Answers({})
        except (BudgetSpent, ModelError) as error:
            self._run.event(role, f"There is no answer of the {role}. {error.message}")
            return self._stored(role, questions)
        if missing := len(questions) - len(answers.rows) - len(answers.declined):
            self._run.event(role, f"The budget has no room for {missing} answers of the {role}.")
        return answers.rows

    def _stored(
        self, role: str, places: Mapping[ExchangeKey, object]
    ) -> dict[ExchangeKey, ExchangeRow]:
        found: dict[ExchangeKey, ExchangeRow] = {}
        for generation, slot, attempt in places:
            for row in self._run.exchanges(generation, slot, role):
                if row.attempt == attempt:
                    found[generation, slot, attempt] = row
        return found

    def _keep(self, role: str, place: ExchangeKey, messages: Messages, reply: Reply) -> None:
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
            "model",
            f"{exchange_label(role, place)} written in {reply.seconds:.0f} s, {tokens} tokens",
        )
        if cure := missing_program_remedy(reply):
            self._run.event("model", f"{exchange_label(role, place)} has no end: {cure}")
        if notice := self._cut_questions.notice(messages, reply):
            self._run.event("model", notice)


def exchange_label(role: str, place: ExchangeKey) -> str:
    """What people call an answer; that of an author is called by what it is, a program."""
    generation, slot, attempt = place
    program = f"program {slot + 1} of generation {generation}"
    if role in AUTHOR_ROLES:
        return f"repair {attempt} of {program}" if attempt else program
    version, tries = divmod(attempt, MODEL_TRIES)
    again = f" ({tries + 1})" if tries else ""
    which = f"version {version + 1} of {program}" if version else program
    return f"the {role}'s answer{again} on {which}"


def _later(place: ExchangeKey, attempts: int) -> ExchangeKey:
    generation, slot, attempt = place
    return generation, slot, attempt + attempts


def _second_request(reply: str, reason: str) -> list[ChatMessage]:
    """The answer of no use, and why it is asked for again."""
    said = prompt_text(reply[:ECHO_LIMIT]) or "(nothing)"
    return [ChatMessage("assistant", said), ChatMessage("user", render("again", reason=reason))]


SAID_LIMIT = 120
"""Characters of a refusal that are shown."""
LEAST_QUESTION = 4000
"""Characters of a question from which on it is looked at whether it was cut."""
CUT_RATIO, CUT_GROWTH = 6.5, 1.35
"""Characters per counted token above which a question was cut: of any, and against earlier ones."""


@dataclass(frozen=True)
class MissingProgram:
    """Why an answer is empty or broke off.

    Attributes:
        rule: names the finding.
        message: what happened, for the author.
        hint: what the author can do.
        cure: what a person can do; "" where the author can.
    """

    rule: str
    message: str
    hint: str
    cure: str = ""


WHOLE = "Give the complete program in one ```python fence."
OURS = "more room is --set reply_tokens={more}, as far as the model has it"
THEIRS = (
    "the server's own limit cut it, as {limit} were asked for: raise that, or its window (Ollama: "
    "num_predict, OLLAMA_CONTEXT_LENGTH)"
)
OUR_SHARE = 0.9
"""Share of the tokens asked for from which on it was our limit that cut an answer."""
FILTER = MissingProgram(
    "filtered",
    "The answer was stopped by the server's filter of contents.",
    f"Put it in plain technical words. {WHOLE}",
    "a filter of the server stopped it; the task in other words may pass",
)
TOOL = MissingProgram("tool-call", "The answer was a call of a tool, and there are none.", WHOLE)
DECLINED = MissingProgram("declined", 'The answer declined the task: "{said}".', WHOLE)
NO_ROOM = MissingProgram(
    "no-room",
    "The answer had no room: the question fills the model's window.",
    f"Answer with the program alone. {WHOLE}",
    "the question fills the model's window; give the server a larger one, or the model a shorter "
    "question with --set history=0",
)
ALL_THOUGHT = MissingProgram(
    "only-reasoning",
    "All {tokens} tokens of the answer went into reasoning: none was left for the program.",
    f"Think briefly, then write. {WHOLE}",
    "all {tokens} tokens of it went into reasoning; {room}",
)
THOUGHT = MissingProgram(
    "only-reasoning", "The answer held reasoning, and no program after it.", WHOLE
)
CUT = MissingProgram(
    "cut-off",
    "The answer was cut off.",
    f"Answer with less text. {WHOLE}",
    "it was cut off after {tokens} tokens; {room}",
)


def missing_program(answer: Reply | ExchangeRow) -> MissingProgram | None:
    """Why an answer is empty or broke off; None for one that has an end, or gives no reason."""
    said = answer.text if isinstance(answer, Reply) else answer.reply
    finish, counted = answer.finish_reason, not answer.estimated
    if finish == "refusal":
        return DECLINED
    if finish == "content_filter":
        return FILTER
    if said.strip():
        return CUT if finish == "length" else None
    if finish == "tool_calls":
        return TOOL
    if finish == "length" and counted and answer.completion_tokens <= 1:
        return NO_ROOM
    if finish == "length" and (counted or answer.reasoning):
        return ALL_THOUGHT
    if finish == "length":
        return CUT
    return THOUGHT if answer.reasoning else None


def missing_program_finding(answer: ExchangeRow) -> Finding | None:
    """What is wrong with an answer that holds no program, if it says by itself why."""
    cause = missing_program(answer)
    if cause is None or (cause is CUT and answer.reply.strip()):
        return None  # what there is of a program shows more
    said = prompt_line(answer.reply, SAID_LIMIT)
    message = cause.message.format(tokens=answer.completion_tokens, said=said)
    return Finding(cause.rule, "error", 1, 1, message, cause.hint)


def missing_program_remedy(reply: Reply) -> str:
    """What a person can do about an answer that is empty or broke off; "" for nothing."""
    cause = missing_program(reply)
    tokens = reply.completion_tokens
    ours = tokens >= OUR_SHARE * reply.limit
    room = (OURS if ours else THEIRS).format(more=2 * max(tokens, reply.limit), limit=reply.limit)
    return cause.cure.format(tokens=tokens, room=room) if cause else ""


class TruncationDetector:
    """Notices a server that takes in only a part of what it is asked, and says nothing of it."""

    def __init__(self) -> None:
        self._least = CUT_RATIO  # characters per token so far
        self._told = False

    def notice(self, messages: Sequence[ChatMessage], reply: Reply) -> str:
        """A sentence for a person, the first time that a question was cut; else ""."""
        characters = sum(message.characters for message in messages)
        if reply.estimated or self._told or characters < LEAST_QUESTION:
            return ""
        ratio = characters / max(1, reply.prompt_tokens)
        if ratio <= min(CUT_RATIO, CUT_GROWTH * self._least):
            self._least = min(self._least, ratio)
            return ""
        self._told = True
        return (
            f"The server counted only {reply.prompt_tokens} tokens of a question of {characters} "
            "characters: it cuts questions to its window, and the model does not see the rest. "
            "Give it a larger one (Ollama: OLLAMA_CONTEXT_LENGTH, or num_ctx of the model), or "
            "shorter questions with --set history=0."
        )
