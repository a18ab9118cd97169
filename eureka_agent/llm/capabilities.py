"""Learn about a server: accepted parameters, window size, concurrent requests."""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from eureka_agent.llm.error_patterns import LARGER_WINDOW, Sizes, read_sizes
from eureka_agent.llm.messages import ChatMessage, ModelDeclined, length, without_system
from eureka_agent.llm.response import FailedResponse

LEAST_ROOM = 500
"""Tokens of an answer below which no program would fit."""
SPARE = 32
"""Tokens left free in a window: chat templates add some that no count includes."""
REFUSALS = {400, 413, 422}
UNPAID = 402
"""Status by which a router may say that the credit suffices for a shorter answer."""
PICTURE_REFUSALS = REFUSALS | {404, 415, 500, 501}
"""Servers disagree about what an unsupported picture is: some call it their own failure."""
SYSTEM_REFUSALS = REFUSALS | {500, 501}
SYSTEM = re.compile(
    r"system.{0,20}(role|message).{0,20}not (be )?(support|allow)|only user and assistant roles|"
    r"roles must alternate|roles?\b.{0,30}not support.{0,10}system",
    re.IGNORECASE,
)
"""How the chat templates of models such as Gemma and Mistral refuse a system message."""
TEMPERATURE = re.compile(r"\btemperature\b")
LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
LIMIT = re.compile(r"\bmax_(completion_)?tokens\b")
PICTURE = re.compile(r"image|multi-?modal|vision|must be a string|too large", re.IGNORECASE)
PROMPT_CHARACTERS_PER_TOKEN = 3.5  # of prompts with code and tables, until a server names a size


@dataclass(frozen=True)
class Request:
    """One request as it is sent; it may be older than what was learned since.

    Attributes:
        parameters: what is sent beside the model and the messages.
        messages: as they cross the network.
        pictures: whether a picture is among them.
        system: whether a system message is among them.
        characters: length of the conversation.
    """

    parameters: dict[str, float]
    messages: list[dict[str, Any]]
    pictures: bool
    system: bool
    characters: int

    @property
    def body(self) -> dict[str, Any]:
        """The body, without the model's name."""
        return {"messages": self.messages, "stream": False, **self.parameters}

    @property
    def limit(self) -> int:
        """The most tokens of the answer; 0 for no limit."""
        named = (self.parameters[name] for name in LIMIT_NAMES if name in self.parameters)
        return int(next(named, 0))


class Capabilities:
    """Shapes requests, and learns from refusals what the server and the model take.

    Two names are in use for the most tokens of an answer: OpenAI's own reasoning models refuse the
    old one, many other servers do not know the new one. Where the second name is refused as well,
    the server's own limit holds. Where it is the number that is refused, the largest one that the
    server takes is sent: without any, its default would cut programs short.

    Args:
        temperature: sent until a server refuses it.
        reply_tokens: the most tokens of an answer.
        notify: called once about each thing that is given up.
        newest: whether to try the new name first.
    """

    def __init__(
        self,
        temperature: float,
        reply_tokens: int,
        notify: Callable[[str], None],
        *,
        newest: bool = False,
    ) -> None:
        self._limit_names = list(LIMIT_NAMES[::-1] if newest else LIMIT_NAMES)
        self._reply_tokens = reply_tokens
        self._temperature: float | None = temperature
        self._notify = notify
        self._window = 0  # tokens of question and answer together; 0 until a server names it
        self._characters_per_token = PROMPT_CHARACTERS_PER_TOKEN
        self._pictures = True
        self._system = True

    def request(self, messages: Sequence[ChatMessage]) -> Request:
        """The request to send now."""
        characters = length(messages)
        sent = messages if self._system else without_system(messages)
        return Request(
            parameters=self._parameters(characters),
            messages=[message.as_request(pictures=self._pictures) for message in sent],
            pictures=self._pictures and any(message.picture for message in messages),
            system=self._system and any(message.role == "system" for message in messages),
            characters=characters,
        )

    def learn(self, request: Request, failed: FailedResponse) -> bool:
        """Give up what a failed answer refuses: pictures, a system message, parameters.

        Returns:
            Whether the request is worth sending again, as it would now differ.

        Raises:
            ModelDeclined: the question leaves no room for an answer.
        """
        status, said = failed.status, json.dumps(failed.body)
        if request.pictures and status in PICTURE_REFUSALS and PICTURE.search(said):
            if self._pictures:
                self._notify("The model does not take pictures: they are no longer sent.")
            self._pictures = False
            return True
        if request.system and status in SYSTEM_REFUSALS and SYSTEM.search(said):
            if self._system:
                self._notify(
                    "The model takes no system message: it stands in the question from now on."
                )
            self._system = False
            return True
        return self._learn_parameters(request, failed)

    def _learn_parameters(self, request: Request, failed: FailedResponse) -> bool:
        refusal = json.dumps(failed.body, ensure_ascii=False)
        sizes = read_sizes(refusal, request.limit)
        if sizes.window and (sizes.prompt or failed.status in REFUSALS):
            self._learn_window(sizes, request)
        elif failed.status == UNPAID and sizes.answer >= LEAST_ROOM:
            self._learn_limit(sizes.answer, who="The credit left allows")
        elif failed.status not in REFUSALS:
            return False
        elif sizes.answer:
            self._learn_limit(sizes.answer)
        elif sizes.too_much and request.limit:
            self._learn_limit(_halved(request.limit))
        else:
            self._learn_names(refusal, request.parameters)
        return request.parameters != self._parameters(request.characters)

    def _learn_names(self, refusal: str, sent: dict[str, float]) -> None:
        if TEMPERATURE.search(refusal) and "temperature" in sent and self._temperature is not None:
            self._temperature = None
            self._notify("The model does not take `temperature`: it is no longer sent.")
        # A refusal may name both: "use max_completion_tokens instead of max_tokens".
        if LIMIT.search(refusal) and self._limit_names and self._limit_names[0] in sent:
            refused = self._limit_names.pop(0)
            instead = f"`{self._limit_names[0]}`" if self._limit_names else "no limit"
            self._notify(f"The model does not take `{refused}`: {instead} is sent from now on.")

    def _learn_limit(self, most: int, who: str = "The model takes") -> None:
        if most < self._reply_tokens:
            self._notify(
                f"{who} no answers of {self._reply_tokens} tokens: {most} is the limit "
                f"from now on, as with --set reply_tokens={most}."
            )
            self._reply_tokens = most

    def _learn_window(self, sizes: Sizes, request: Request) -> None:
        """Learn the window's size from a question that did not fit into it with its answer."""
        prompt = sizes.prompt or round(request.characters / self._characters_per_token)
        room = sizes.window - prompt - SPARE
        if not sizes.prompt and room >= request.limit > 0:
            room = _halved(request.limit)  # the guess of the question's size was too low
            prompt = sizes.window - room - SPARE
        if room < min(LEAST_ROOM, request.limit) or not request.limit:
            about = "" if sizes.prompt else "about "
            raise ModelDeclined(
                f"The question has {about}{prompt} tokens and the model's window {sizes.window}: "
                "there is no room for an answer.",
                LARGER_WINDOW,
            )
        if request.characters:
            known = self._characters_per_token if self._window else math.inf
            self._characters_per_token = min(known, request.characters / prompt)
        if sizes.window != self._window:
            self._window = sizes.window
            self._notify(
                f"The model's window has {sizes.window} tokens, and the question takes {prompt} of "
                f"them: answers may have what is left, {min(room, self._reply_tokens)} tokens here."
            )

    def _parameters(self, characters: int) -> dict[str, float]:
        """The parameters to send now with a question of that length."""
        limit = self._reply_tokens
        if self._window:
            room = self._window - math.ceil(characters / self._characters_per_token) - SPARE
            limit = min(limit, max(LEAST_ROOM, room))
        temperature = {} if self._temperature is None else {"temperature": self._temperature}
        return temperature | {name: limit for name in self._limit_names[:1]}


def _halved(asked: int) -> int:
    """Half of the answer's length, where the server names no size."""
    if asked // 2 < LEAST_ROOM:
        raise ModelDeclined(
            "The question leaves no room for an answer in the model's window.", LARGER_WINDOW
        )
    return asked // 2


class Closed(Exception):
    """Raised when a request waits for a slot, and nothing more is to be sent."""


@dataclass
class RequestSlot:
    """A request under way.

    Attributes:
        clock: raises `TimeoutError` once no answer is expected any more.
        company: whether other requests were under way at some time while it was.
        answered: answers that the server had given to others before it.
    """

    clock: asyncio.Timeout
    company: bool
    answered: int


class RequestSlots:
    """Lets as many requests be under way at once as the server answers.

    A server that works on one request after the other lets the rest wait. Nothing shows when it
    begins with one, but it cannot be before it answered those ahead: so each answer sets the clocks
    of all requests back. Where several are sent and none is answered in time, one goes at a time
    from then on; where a server turns some away, as many as it took.

    Args:
        most: requests at once.
        seconds: how long a request may take.
        notify: called when only one goes at a time from then on.

    Attributes:
        most: requests at once, by what is known now.
        lasting: the same for later calls: requests that were turned away may have come too often
            rather than too many at once.
    """

    def __init__(self, most: int, seconds: float, notify: Callable[[str], None]) -> None:
        self.most = self.lasting = most
        self._seconds, self._notify = seconds, notify
        self._under_way: list[RequestSlot] = []
        self._answered = 0
        self._changed = asyncio.Condition()
        self._closed = False

    @asynccontextmanager
    async def take(self) -> AsyncIterator[RequestSlot]:
        """Wait for a slot, and hold it with its clock running.

        Raises:
            TimeoutError: no answer came in time.
            Closed: nothing more is to be sent.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or len(self._under_way) < self.most)
            if self._closed:
                raise Closed
            clock = asyncio.timeout(self._seconds)
            slot = RequestSlot(clock, bool(self._under_way), self._answered)
            for other in self._under_way:
                other.company = True
            self._under_way.append(slot)
        try:
            async with slot.clock:
                yield slot
        finally:
            self._under_way.remove(slot)
            async with self._changed:
                self._changed.notify_all()

    async def close(self) -> None:
        """Send nothing more; requests under way continue."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()

    def answered(self) -> None:
        """Note that the server answered a request."""
        self._answered += 1
        end = asyncio.get_running_loop().time() + self._seconds
        for slot in self._under_way:
            if not slot.clock.expired():
                slot.clock.reschedule(end)

    def crowded(self, slot: RequestSlot, *, silent: bool) -> bool:
        """Send fewer at once, if the other requests may be why this one failed.

        Args:
            slot: of the failed request.
            silent: whether it was not answered in time; else the server turned it away.

        Returns:
            Whether they may be.
        """
        if not slot.company or (silent and slot.answered < self._answered):
            return False
        self.most = min(self.most, 1 if silent else max(1, len(self._under_way)))
        if silent and self.lasting > 1:
            self.lasting = 1
            self._notify(
                "The server answered none of several requests in time: one goes at a time from now "
                "on, as with --set concurrency=1."
            )
        return True
