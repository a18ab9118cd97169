"""What of a request some models refuse, parameters and pictures, and what is sent instead."""

import json
import re
from collections.abc import Callable

REFUSALS = {400, 422}
PICTURE_REFUSALS = REFUSALS | {404, 413, 415, 500, 501}
"""Servers disagree what a picture is that they cannot take: some call it their own failure."""
TEMPERATURE = re.compile(r"\btemperature\b")
LIMIT = re.compile(r"\bmax_(completion_)?tokens\b")
PICTURE = re.compile(r"image|multi-?modal|vision|must be a string|too large", re.IGNORECASE)


class Parameters:
    """What is sent beside the model and the messages; learns from refusals.

    Two names are in use for the most tokens of an answer: OpenAI's own reasoning models refuse the
    old one, many other servers do not know the new one. Where the second name is refused as well,
    the server's own limit holds.

    Args:
        temperature: sent until a server refuses it.
        reply_tokens: the most tokens of an answer.
        notify: told once about each thing that is given up.
        newest: whether to try the new name first.

    Attributes:
        pictures: whether pictures are sent: until a server refuses one.
    """

    def __init__(
        self,
        temperature: float,
        reply_tokens: int,
        notify: Callable[[str], None],
        *,
        newest: bool = False,
    ) -> None:
        names = ["max_tokens", "max_completion_tokens"]
        self._limit_names = names[::-1] if newest else names
        self._reply_tokens = reply_tokens
        self._temperature: float | None = temperature
        self._notify = notify
        self.pictures = True

    def current(self) -> dict[str, float]:
        """The parameters to send now."""
        current: dict[str, float] = {}
        if self._temperature is not None:
            current["temperature"] = self._temperature
        if self._limit_names:
            current[self._limit_names[0]] = self._reply_tokens
        return current

    def learn(self, sent: dict[str, float], status: int, body: object) -> bool:
        """Give up the parameters that a failed answer names, if it is a refusal.

        Args:
            sent: the parameters of the failed request, which may be older than the current ones:
                requests under way at once meet the same refusal.
            status: the HTTP status of the answer.
            body: what the answer said, as plain data.

        Returns:
            Whether the request is worth sending again, as it would now differ.
        """
        if status not in REFUSALS:
            return False
        refusal = json.dumps(body)
        if TEMPERATURE.search(refusal) and "temperature" in sent and self._temperature is not None:
            self._temperature = None
            self._notify("The model does not take `temperature`: it is no longer sent.")
        # A refusal may name both: "use max_completion_tokens instead of max_tokens".
        if LIMIT.search(refusal) and self._limit_names and self._limit_names[0] in sent:
            refused = self._limit_names.pop(0)
            instead = f"`{self._limit_names[0]}`" if self._limit_names else "no limit"
            self._notify(f"The model does not take `{refused}`: {instead} is sent from now on.")
        return not sent.keys() <= self.current().keys()

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
