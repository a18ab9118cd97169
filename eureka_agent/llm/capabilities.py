"""What the client learns about a server: accepted parameters, window size, concurrent requests."""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from eureka_agent.llm.error_patterns import LARGER_WINDOW, LEAST_ROOM, SPARE, Sizes, read_sizes
from eureka_agent.llm.messages import ModelDeclined

REFUSALS = {400, 413, 422}
UNPAID = 402
"""By which a router may say that a shorter answer could be paid."""
PICTURE_REFUSALS = REFUSALS | {404, 415, 500, 501}
"""Servers disagree what a picture is that they cannot take: some call it their own failure."""
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
CHARACTERS_PER_TOKEN = 3.5  # of prompts with code and tables, until a server says how many it is


def asked_length(sent: Mapping[str, float]) -> int:
    """The most tokens of an answer that parameters ask for; 0 for no limit."""
    return int(next((sent[name] for name in LIMIT_NAMES if name in sent), 0))


class Capabilities:
    """What is sent beside the model and the messages; learns from refusals.

    Two names are in use for the most tokens of an answer: OpenAI's own reasoning models refuse the
    old one, many other servers do not know the new one. Where the second name is refused as well,
    the server's own limit holds. Where it is the number that is refused, the largest one that the
    server takes is sent: without any, its default would cut programs short.

    Args:
        temperature: sent until a server refuses it.
        reply_tokens: the most tokens of an answer.
        notify: told once about each thing that is given up.
        newest: whether to try the new name first.

    Attributes:
        pictures: whether pictures are sent: until a server refuses one.
        system: whether a system message is sent, rather than as a part of the question.
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
        self._window = 0  # tokens of question and answer together; 0 as long as it is not known
        self._characters_per_token = CHARACTERS_PER_TOKEN
        self.pictures = True
        self.system = True

    def current(self, characters: int = 0) -> dict[str, float]:
        """The parameters to send now.

        Args:
            characters: the length of the question.
        """
        current: dict[str, float] = {}
        if self._temperature is not None:
            current["temperature"] = self._temperature
        if self._limit_names:
            current[self._limit_names[0]] = self._limit(characters)
        return current

    def learn(self, sent: dict[str, float], status: int, body: object, characters: int = 0) -> bool:
        """Give up the parameters that a failed answer names, or what of them is too much.

        Args:
            sent: the parameters of the failed request, which may be older than the current ones:
                requests under way at once meet the same refusal.
            status: the HTTP status of the answer.
            body: what the answer said, as plain data.
            characters: the length of the question.

        Returns:
            Whether the request is worth sending again, as it would now differ.

        Raises:
            ModelDeclined: the question leaves no room for an answer.
        """
        refusal = json.dumps(body, ensure_ascii=False)
        asked = asked_length(sent)
        sizes = read_sizes(refusal, asked)
        if sizes.window and (sizes.prompt or status in REFUSALS):
            self._learn_window(sizes, asked, characters)
        elif status == UNPAID and sizes.answer >= LEAST_ROOM:
            self._learn_limit(sizes.answer, who="The credit left allows")
        elif status not in REFUSALS:
            return False
        elif sizes.answer:
            self._learn_limit(sizes.answer)
        elif sizes.too_much and asked:
            self._learn_limit(self._halved(asked))
        else:
            self._learn_names(refusal, sent)
        return sent != self.current(characters)

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

    def _learn_window(self, sizes: Sizes, asked: int, characters: int) -> None:
        """Take in how much fits, of a question that did not fit with its answer.

        Raises:
            ModelDeclined: it leaves no room for an answer.
        """
        prompt = sizes.prompt or round(characters / self._characters_per_token)
        room = sizes.window - prompt - SPARE
        if not sizes.prompt and room >= asked > 0:
            room = self._halved(asked)  # the guess of the question's size was too low
            prompt = sizes.window - room - SPARE
        if room < min(LEAST_ROOM, asked) or not asked:
            about = "" if sizes.prompt else "about "
            raise ModelDeclined(
                f"The question has {about}{prompt} tokens and the model's window {sizes.window}: "
                "there is no room for an answer.",
                LARGER_WINDOW,
            )
        if characters:
            known = self._characters_per_token if self._window else math.inf
            self._characters_per_token = min(known, characters / prompt)
        if sizes.window != self._window:
            self._window = sizes.window
            self._notify(
                f"The model's window has {sizes.window} tokens, and the question takes {prompt} of "
                f"them: answers may have what is left, {min(room, self._reply_tokens)} tokens here."
            )

    def _limit(self, characters: int) -> int:
        """The most tokens of an answer to a question of that length."""
        if not self._window:
            return self._reply_tokens
        room = self._window - math.ceil(characters / self._characters_per_token) - SPARE
        return min(self._reply_tokens, max(LEAST_ROOM, room))

    @staticmethod
    def _halved(asked: int) -> int:
        """Half of what was asked for, where nobody says what would do.

        Raises:
            ModelDeclined: that would be too little for any answer.
        """
        if asked // 2 < LEAST_ROOM:
            raise ModelDeclined(
                "The question leaves no room for an answer in the model's window.", LARGER_WINDOW
            )
        return asked // 2

    def learn_pictures(self, status: int, body: object) -> bool:
        """Give up pictures, if that is what the failed answer to a request with one is about.

        Args:
            status: the HTTP status of the answer.
            body: what the answer said, as plain data.

        Returns:
            Whether the request is worth sending again without its picture.
        """
        if status not in PICTURE_REFUSALS or not PICTURE.search(json.dumps(body)):
            return False
        if self.pictures:
            self._notify("The model does not take pictures: they are no longer sent.")
        self.pictures = False
        return True

    def learn_system(self, status: int, body: object) -> bool:
        """Give up system messages, if that is what the failed answer to one is about.

        Args:
            status: the HTTP status of the answer.
            body: what the answer said, as plain data.

        Returns:
            Whether the request is worth sending again with the message as a part of the question.
        """
        if status not in SYSTEM_REFUSALS or not SYSTEM.search(json.dumps(body)):
            return False
        if self.system:
            self._notify(
                "The model takes no system message: it stands in the question from now on."
            )
        self.system = False
        return True


class Closed(Exception):
    """Raised when a request waits for a place, and nothing more is to be sent."""


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
    """Lets so many requests be under way at once as the server answers.

    A server that works on one request after the other lets the rest wait. Nothing shows when it
    begins with one, but it cannot be before it answered those ahead: so each answer sets the clocks
    of all requests back. Where several are sent and none is answered in time, one goes at a time
    from then on; where a server turns some away, as many as it took.

    Args:
        most: requests at once.
        seconds: that a request is waited for.
        notify: told when only one goes at a time.

    Attributes:
        most: requests at once, as far as it is known by now.
        lasting: the same, for later requests as well: those that were turned away may have come
            too often rather than too many at once.
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
        """Wait for a place, and hold it with its clock running.

        Raises:
            TimeoutError: no answer came in time.
            Closed: nothing more is to be sent.
        """
        async with self._changed:
            await self._changed.wait_for(self._goes_on)
            if self._closed:
                raise Closed
            place = RequestSlot(
                asyncio.timeout(self._seconds), bool(self._under_way), self._answered
            )
            for other in self._under_way:
                other.company = True
            self._under_way.append(place)
        try:
            async with place.clock:
                yield place
        finally:
            self._under_way.remove(place)
            async with self._changed:
                self._changed.notify_all()

    async def close(self) -> None:
        """Send nothing more; what is under way goes on."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()

    def answered(self) -> None:
        """Note that the server answered a request."""
        self._answered += 1
        end = asyncio.get_running_loop().time() + self._seconds
        for place in self._under_way:
            if not place.clock.expired():
                place.clock.reschedule(end)

    def crowded(self, place: RequestSlot, *, silent: bool) -> bool:
        """Send fewer at once, if that a request failed may be for there being others.

        Args:
            place: which the request had.
            silent: whether it was not answered in time; else the server turned it away.

        Returns:
            Whether it may be.
        """
        if not place.company or (silent and place.answered < self._answered):
            return False
        self.most = min(self.most, 1 if silent else max(1, len(self._under_way)))
        if silent and self.lasting > 1:
            self.lasting = 1
            self._notify(
                "The server answered none of several requests in time: one goes at a time from now "
                "on, as with --set concurrency=1."
            )
        return True

    def _goes_on(self) -> bool:
        return self._closed or len(self._under_way) < self.most
