"""Asking a language model in some role, so that no answer is ever paid for twice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from eureka_agent.common.text import prompt_line, prompt_text
from eureka_agent.llm import ChatMessage, Client, ModelDeclined, ModelError, Reply
from eureka_agent.llm.budget import Budget, BudgetSpent
from eureka_agent.llm.messages import length
from eureka_agent.llm.templates import ECHO_LIMIT, render
from eureka_agent.reward import Finding
from eureka_agent.store import ExchangeRow, Run
from eureka_agent.store.reading import AUTHOR_ROLES, MODEL_TRIES

ExchangeKey = tuple[int, int, int]
"""Generation, slot, attempt."""
Messages = Sequence[ChatMessage]
T = TypeVar("T")


class UnusableReply(Exception):
    """Raised when an answer does not have the form that was asked for; the text says why."""


@dataclass(frozen=True)
class Answers:
    """The results of questions.

    Attributes:
        rows: the answers.
        declined: why the server will never answer a question, which cost nothing.
    """

    rows: dict[ExchangeKey, ExchangeRow]
    declined: dict[ExchangeKey, ModelDeclined] = field(default_factory=dict)


class Conversation:
    """Asks questions about programs, all of a generation at the same time.

    Every answer is stored before it is used, and a stored one is not asked for again: a search
    that was killed continues without paying twice.

    Args:
        make_client: connects to the model, when it is first asked.
        run: where questions and answers are kept.
        budget: what may be spent on them.
    """

    def __init__(self, make_client: Callable[[], Client], run: Run, budget: Budget) -> None:
        self._make_client, self._client = make_client, None
        self._run, self._budget = run, budget
        self._truncation = TruncationDetector()

    def ask(self, role: str, questions: Mapping[ExchangeKey, Messages]) -> Answers:
        """The answers to questions, without those that the budget has no room for.

        Args:
            role: in which the model answers, and under which it is accounted.
            questions: messages to answer, by where the answer is kept.

        Raises:
            BudgetSpent: it has room for none, and none was answered before.
            ModelError: the model cannot be asked; answers that came are stored.
        """
        answers = self._stored(role, questions)
        waiting = {key: m for key, m in questions.items() if key not in answers}
        if not waiting:
            return Answers(answers)
        try:
            affordable = self._budget.affordable(waiting)
        except BudgetSpent:
            if answers:
                return Answers(answers)  # they are paid
            raise
        keys = {exchange_label(role, key): key for key in affordable}
        declined: dict[ExchangeKey, ModelDeclined] = {}

        def keep(label: str, reply: Reply) -> None:
            self._keep(role, keys[label], waiting[keys[label]], reply)

        def note(label: str, error: ModelDeclined) -> None:
            declined[keys[label]] = error
            kind = "model" if role in AUTHOR_ROLES else role
            self._run.event(kind, f"{label} will never come: {error.message}")

        if self._client is None:
            self._client = self._make_client()
        self._client.complete({label: waiting[key] for label, key in keys.items()}, keep, note)
        return Answers(self._stored(role, questions), declined)

    def ask_and_read(
        self,
        role: str,
        questions: Mapping[ExchangeKey, Messages],
        read: Callable[[ExchangeKey, str], T],
    ) -> dict[ExchangeKey, T]:
        """Ask, and read each answer; an unusable one is asked for once more.

        This stops no search: where the budget is spent, the model fails or its answer stays
        unusable, the key is left out, and an event says so.

        Args:
            role: in which the model answers, and under which it is accounted.
            questions: messages to answer, by where the first answer is kept.
            read: makes something of a question's answer, or raises `UnusableReply`.
        """
        found: dict[ExchangeKey, T] = {}
        waiting = dict(questions)
        for attempt in range(MODEL_TRIES):
            keys = {(g, slot, first): (g, slot, first + attempt) for g, slot, first in waiting}
            answers = self._if_possible(role, {keys[k]: m for k, m in waiting.items()})
            again: dict[ExchangeKey, Messages] = {}
            for first, key in keys.items():
                if key not in answers:
                    continue
                reply = answers[key].reply
                try:
                    found[first] = read(first, reply)
                except UnusableReply as error:
                    again[first] = [*waiting[first], *_second_request(reply, str(error))]
                    self._run.event(role, f"{exchange_label(role, key)} is of no use: {error}")
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
        self, role: str, keys: Mapping[ExchangeKey, object]
    ) -> dict[ExchangeKey, ExchangeRow]:
        return {
            key: row
            for key in keys
            for row in self._run.exchanges(key[0], key[1], role)
            if row.attempt == key[2]
        }

    def _keep(self, role: str, key: ExchangeKey, messages: Messages, reply: Reply) -> None:
        columns = asdict(reply) | {"reply": reply.text, "cost": self._budget.cost(reply)}
        del columns["text"], columns["limit"]
        self._run.add_exchange(role, key, messages=[m.as_dict() for m in messages], **columns)
        label, tokens = exchange_label(role, key), reply.prompt_tokens + reply.completion_tokens
        self._run.event("model", f"{label} written in {reply.seconds:.0f} s, {tokens} tokens")
        if remedy := missing_program_remedy(reply):
            self._run.event("model", f"{label} has no end: {remedy}")
        if notice := self._truncation.notice(messages, reply):
            self._run.event("model", notice)


def exchange_label(role: str, key: ExchangeKey) -> str:
    """The name of an answer for people; an author's answer is called a program or a repair."""
    generation, slot, attempt = key
    program = f"program {slot + 1} of generation {generation}"
    if role in AUTHOR_ROLES:
        return f"repair {attempt} of {program}" if attempt else program
    version, tries = divmod(attempt, MODEL_TRIES)
    again = f" ({tries + 1})" if tries else ""
    which = f"version {version + 1} of {program}" if version else program
    return f"the {role}'s answer{again} on {which}"


def _second_request(reply: str, reason: str) -> list[ChatMessage]:
    """The unusable answer, and why it is asked for again."""
    said = prompt_text(reply[:ECHO_LIMIT]) or "(nothing)"
    return [ChatMessage("assistant", said), ChatMessage("user", render("again", reason=reason))]


@dataclass(frozen=True)
class MissingProgram:
    """Why an answer is empty or broke off, for its author and for the person who pays for it.

    The author learns what it can do at the next try, the person what only settings can do.

    Attributes:
        rule: names the finding.
        message: what happened, for the author.
        hint: what the author can do.
        remedy: what a person can do; "" where the author can.
    """

    rule: str
    message: str
    hint: str
    remedy: str = ""


_WHOLE = "Give the complete program in one ```python fence."
_OUR_LIMIT = "--set reply_tokens={more} gives more room, up to the model's own limit"
_THEIR_LIMIT = (
    "the server's own limit cut it, as {limit} were asked for: raise that, or its window (Ollama: "
    "num_predict, OLLAMA_CONTEXT_LENGTH)"
)
_OUR_SHARE = 0.9
"""Fraction of the tokens asked for from which on our limit must have cut an answer."""
_SAID_LIMIT = 120
"""Characters of a refusal that are shown."""
FILTERED = MissingProgram(
    "filtered",
    "The answer was stopped by the server's content filter.",
    f"Put it in plain technical words. {_WHOLE}",
    "a content filter of the server stopped it; the task in other words may pass",
)
TOOL_CALL = MissingProgram(
    "tool-call", "The answer was a call of a tool, and there are none.", _WHOLE
)
DECLINED = MissingProgram("declined", 'The answer declined the task: "{said}".', _WHOLE)
NO_ROOM = MissingProgram(
    "no-room",
    "The answer had no room: the question fills the model's window.",
    f"Answer with the program alone. {_WHOLE}",
    "the question fills the model's window; give the server a larger one, or the model a shorter "
    "question with --set history=0",
)
ALL_REASONING = MissingProgram(
    "only-reasoning",
    "All {tokens} tokens of the answer went into reasoning: none was left for the program.",
    f"Think briefly, then write. {_WHOLE}",
    "all {tokens} tokens of it went into reasoning; {room}",
)
ONLY_REASONING = MissingProgram(
    "only-reasoning", "The answer held reasoning, and no program after it.", _WHOLE
)
CUT_OFF = MissingProgram(
    "cut-off",
    "The answer was cut off.",
    f"Answer with less text. {_WHOLE}",
    "it was cut off after {tokens} tokens; {room}",
)


def missing_program(answer: Reply | ExchangeRow) -> MissingProgram | None:
    """Why an answer is empty or broke off; None for one that has an end, or gives no reason."""
    said = answer.text if isinstance(answer, Reply) else answer.reply
    finish, counted = answer.finish_reason, not answer.estimated
    if finish == "refusal":
        return DECLINED
    if finish == "content_filter":
        return FILTERED
    if said.strip():
        return CUT_OFF if finish == "length" else None
    if finish == "tool_calls":
        return TOOL_CALL
    if finish == "length":
        if counted and answer.completion_tokens <= 1:
            return NO_ROOM
        return ALL_REASONING if counted or answer.reasoning else CUT_OFF
    return ONLY_REASONING if answer.reasoning else None


def missing_program_finding(answer: ExchangeRow) -> Finding | None:
    """The fault of an answer that holds no program, if the answer itself shows the reason."""
    cause = missing_program(answer)
    if cause is None or (cause is CUT_OFF and answer.reply.strip()):
        return None  # the beginning of a program shows more
    said = prompt_line(answer.reply, _SAID_LIMIT)
    message = cause.message.format(tokens=answer.completion_tokens, said=said)
    return Finding(cause.rule, "error", 1, 1, message, cause.hint)


def missing_program_remedy(reply: Reply) -> str:
    """What a person can do about an answer that is empty or broke off; "" for nothing."""
    cause = missing_program(reply)
    tokens = reply.completion_tokens
    room = _OUR_LIMIT if tokens >= _OUR_SHARE * reply.limit else _THEIR_LIMIT
    room = room.format(more=2 * max(tokens, reply.limit), limit=reply.limit)
    return cause.remedy.format(tokens=tokens, room=room) if cause else ""


class TruncationDetector:
    """Notices a server that silently drops a part of long questions."""

    LEAST_QUESTION = 4000
    """Characters of the shortest question that is checked."""
    HIGHEST_RATIO, MOST_GROWTH = 6.5, 1.35
    """Characters per counted token above which a question was cut: of any, and against the least
    ratio so far."""

    def __init__(self) -> None:
        self._least = self.HIGHEST_RATIO
        self._told = False

    def notice(self, messages: Messages, reply: Reply) -> str:
        """A sentence for a person, the first time that a question was cut; else ""."""
        characters = length(messages)
        if reply.estimated or self._told or characters < self.LEAST_QUESTION:
            return ""
        ratio = characters / max(1, reply.prompt_tokens)
        if ratio <= min(self.HIGHEST_RATIO, self.MOST_GROWTH * self._least):
            self._least = min(self._least, ratio)
            return ""
        self._told = True
        return (
            f"The server counted only {reply.prompt_tokens} tokens of a question of {characters} "
            "characters: it cuts questions to its window, and the model does not see the rest. "
            "Give it a larger one (Ollama: OLLAMA_CONTEXT_LENGTH, or num_ctx of the model), or "
            "shorter questions with --set history=0."
        )
