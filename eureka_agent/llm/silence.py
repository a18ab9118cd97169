"""Why an answer holds no program, or only half of one: for its author, and for who pays for it.

An empty answer has many causes, and each its own cure. The author hears what it can do at the next
try, a person what only the settings can.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from eureka_agent.common.plain_text import plain
from eureka_agent.llm import ChatMessage, Reply
from eureka_agent.reward import Finding
from eureka_agent.store import ExchangeRow

SAID_LIMIT = 120
"""Characters of a refusal that are shown."""
LEAST_QUESTION = 4000
"""Characters of a question from which on it is looked at whether it was cut."""
CUT_RATIO, CUT_GROWTH = 6.5, 1.35
"""Characters per counted token above which a question was cut: of any, and against earlier ones."""


@dataclass(frozen=True)
class Cause:
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
FILTER = Cause(
    "filtered",
    "The answer was stopped by the server's filter of contents.",
    f"Put it in plain technical words. {WHOLE}",
    "a filter of the server stopped it; the task in other words may pass",
)
TOOL = Cause("tool-call", "The answer was a call of a tool, and there are none.", WHOLE)
DECLINED = Cause("declined", 'The answer declined the task: "{said}".', WHOLE)
NO_ROOM = Cause(
    "no-room",
    "The answer had no room: the question fills the model's window.",
    f"Answer with the program alone. {WHOLE}",
    "the question fills the model's window; give the server a larger one, or the model a shorter "
    "question with --set history=0",
)
ALL_THOUGHT = Cause(
    "only-reasoning",
    "All {tokens} tokens of the answer went into reasoning: none was left for the program.",
    f"Think briefly, then write. {WHOLE}",
    "all {tokens} tokens of it went into reasoning; {room}",
)
THOUGHT = Cause("only-reasoning", "The answer held reasoning, and no program after it.", WHOLE)
CUT = Cause(
    "cut-off",
    "The answer was cut off.",
    f"Answer with less text. {WHOLE}",
    "it was cut off after {tokens} tokens; {room}",
)


def cause_of(answer: Reply | ExchangeRow) -> Cause | None:
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


def finding_of(answer: ExchangeRow) -> Finding | None:
    """What is wrong with an answer that holds no program, if it says by itself why."""
    cause = cause_of(answer)
    if cause is None or (cause is CUT and answer.reply.strip()):
        return None  # what there is of a program shows more
    said = plain(answer.reply, SAID_LIMIT)
    message = cause.message.format(tokens=answer.completion_tokens, said=said)
    return Finding(cause.rule, "error", 1, 1, message, cause.hint)


def cure_of(reply: Reply) -> str:
    """What a person can do about an answer that is empty or broke off; "" for nothing."""
    cause = cause_of(reply)
    tokens = reply.completion_tokens
    ours = tokens >= OUR_SHARE * reply.limit
    room = (OURS if ours else THEIRS).format(more=2 * max(tokens, reply.limit), limit=reply.limit)
    return cause.cure.format(tokens=tokens, room=room) if cause else ""


class CutQuestions:
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
