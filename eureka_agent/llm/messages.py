"""What goes to a model, what comes back, and the errors that end a request."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from eureka_agent.common.errors import EurekaError, MissingError

PICTURE_CHARACTERS = 6000
"""What a picture counts as, where characters of text stand for tokens: a guess of 1500 of these, as
every model counts pictures in its own way."""


@dataclass(frozen=True)
class Picture:
    """A picture that goes along with a message.

    Attributes:
        png: the file.
        caption: what is said of it; it goes along and stays behind with it.
    """

    png: bytes
    caption: str


@dataclass(frozen=True)
class ChatMessage:
    """One message of a conversation.

    Attributes:
        role: who says it.
        content: what is said.
        picture: what is shown along with it, to models that take pictures.
    """

    role: Literal["system", "user", "assistant"]
    content: str
    picture: Picture | None = None

    @property
    def characters(self) -> int:
        """How long it is, by which its tokens are guessed."""
        if self.picture is None:
            return len(self.content)
        return len(self.content) + len(self.picture.caption) + PICTURE_CHARACTERS

    def as_dict(self) -> dict[str, str]:
        """The message as it stands in a run folder: of a picture only what is said of it."""
        shown = f"\n\n[picture] {self.picture.caption}" if self.picture else ""
        return {"role": self.role, "content": self.content + shown}

    def as_request(self, *, pictures: bool) -> dict[str, Any]:
        """The message as it crosses the network.

        Args:
            pictures: whether the model takes any.
        """
        if self.picture is None or not pictures:
            return {"role": self.role, "content": self.content}
        encoded = base64.b64encode(self.picture.png).decode("ascii")
        parts = [
            {"type": "text", "text": self.content},
            {"type": "text", "text": self.picture.caption},
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}},
        ]
        return {"role": self.role, "content": parts}


def without_system(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """A conversation whose system message stands at the start of the question that follows it."""
    if len(messages) < 2 or messages[0].role != "system":
        return list(messages)
    system, question, *rest = messages
    return [replace(question, content=f"{system.content}\n\n{question.content}"), *rest]


@dataclass(frozen=True)
class Reply:
    """A model's answer to one request, free of keys and safe to store as UTF-8.

    Attributes:
        text: what the model says to us. Its reasoning is taken out, unless it says nothing else and
            the reasoning holds a code fence: then the text is the reasoning.
        reasoning: what the model said to itself, from tags or from a field of its own; may be "".
        model: the model's name, as the server gives it.
        prompt_tokens: tokens that went in.
        completion_tokens: tokens that came out, the reasoning included.
        estimated: whether the server did not count; the counts are then characters / 4, rounded up.
        cost: USD, where the server says so (some routers do).
        seconds: how long the successful request took, without earlier attempts and waits.
        finish_reason: why the model stopped, in OpenAI's words where they exist: "stop", "length",
            "content_filter", "tool_calls"; "refusal" if the text is one; may be "".
        limit: the most tokens that were asked for; 0 for no limit.
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
        temperature: how varied the answers are, for models that let one choose.
        reply_tokens: the most tokens of one answer.
        timeout_s: seconds that a whole answer may take, without those in which the server answers
            other requests of ours.
        attempts: how often one request is sent at most.
        concurrency: requests under way at once; fewer where the server turns out to answer fewer.
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
    """Raised when the server will never answer this one question, whatever it says to others."""


class ModelUnavailable(ModelError):
    """Raised when the server gave no usable answer, however often it was asked."""

    exit_code = MissingError.exit_code
