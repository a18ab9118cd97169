"""Messages to a model, its replies, and the errors that end a request."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from eureka_agent.common.errors import EurekaError, MissingError

CHARACTERS_PER_TOKEN = 4
"""Of English prose and of code, about: used where no server has counted yet."""
PICTURE_CHARACTERS = 6000
"""Length that stands for a picture where tokens are guessed from characters: about 1500 tokens, as
every model counts pictures in its own way."""


@dataclass(frozen=True)
class Picture:
    """A picture that goes along with a message.

    Attributes:
        png: the file.
        caption: describes it; it is left out together with the picture.
    """

    png: bytes
    caption: str


@dataclass(frozen=True)
class ChatMessage:
    """One message of a conversation.

    Attributes:
        role: who says it.
        content: the text.
        picture: shown along with it, to models that take pictures.
    """

    role: Literal["system", "user", "assistant"]
    content: str
    picture: Picture | None = None

    @property
    def characters(self) -> int:
        """Its length, from which its tokens are guessed."""
        if self.picture is None:
            return len(self.content)
        return len(self.content) + len(self.picture.caption) + PICTURE_CHARACTERS

    def as_dict(self) -> dict[str, str]:
        """The message as a run folder stores it, with the caption in place of a picture."""
        shown = f"\n\n[picture] {self.picture.caption}" if self.picture else ""
        return {"role": self.role, "content": self.content + shown}

    def as_request(self, *, pictures: bool) -> dict[str, Any]:
        """The message as it crosses the network, with its picture only if the model takes any."""
        if self.picture is None or not pictures:
            return {"role": self.role, "content": self.content}
        encoded = base64.b64encode(self.picture.png).decode("ascii")
        parts = [
            {"type": "text", "text": self.content},
            {"type": "text", "text": self.picture.caption},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}},
        ]
        return {"role": self.role, "content": parts}


def length(messages: Sequence[ChatMessage]) -> int:
    """Characters of a conversation."""
    return sum(message.characters for message in messages)


def without_system(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """The conversation with its system message put in front of the first question."""
    if len(messages) < 2 or messages[0].role != "system":
        return list(messages)
    system, question, *rest = messages
    return [replace(question, content=f"{system.content}\n\n{question.content}"), *rest]


@dataclass(frozen=True)
class Reply:
    """A model's answer to one request, free of keys and safe to store as UTF-8.

    Attributes:
        text: the answer without the model's reasoning. If the answer is nothing but reasoning with
            a code fence in it, then the reasoning.
        reasoning: from tags or from a field of its own; may be "".
        model: the model's name according to the server.
        prompt_tokens: tokens that went in.
        completion_tokens: tokens that came out, reasoning included.
        estimated: whether the server did not count; the counts are then characters / 4, rounded up.
        cost: US dollars, where the server reports them (some routers do).
        seconds: duration of the successful request, without earlier attempts and waits.
        finish_reason: why the model stopped, in OpenAI's words where they exist: "stop", "length",
            "content_filter", "tool_calls"; "refusal" if the text is one; may be "".
        limit: the most tokens that the request allowed; 0 for no limit.
    """

    text: str
    reasoning: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    cost: float | None
    seconds: float
    finish_reason: str
    limit: int = 0


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """Which model to ask, and how patiently.

    Attributes:
        model: the model's name at the server.
        base_url: the address of the API; "" is OPENAI_BASE_URL, or OpenAI itself.
        temperature: sampling temperature, for models that accept one.
        reply_tokens: the most tokens of one answer.
        timeout_s: seconds that one answer may take, without those in which the server answers
            other requests of ours.
        attempts: how often one request is sent at most.
        concurrency: requests under way at once; fewer if the server turns out to answer fewer.
    """

    model: str
    base_url: str = ""
    temperature: float = 1.0
    reply_tokens: int = 16_000
    timeout_s: float = 600.0
    attempts: int = 8
    concurrency: int = 8


class ModelError(EurekaError):
    """Base of the errors that end a request to a model."""


class ModelRefused(ModelError):
    """Raised when the server will never accept a request: a wrong key or model, no credit.

    Args:
        message: what was refused, by which server, and why in the server's words.
        remedy: what to set differently.
        exit_code: 2 if the command was wrong, 3 if the machine or the account lacks something.
    """

    def __init__(self, message: str, remedy: str, exit_code: int = MissingError.exit_code) -> None:
        super().__init__(message, remedy)
        self.exit_code = exit_code


class ModelDeclined(ModelRefused):
    """Raised when the server will never answer this one question, but may answer others."""


class ModelUnavailable(ModelError):
    """Raised when the server gave no usable answer, however often it was asked."""

    exit_code = MissingError.exit_code
