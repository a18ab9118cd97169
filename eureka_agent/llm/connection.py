"""One request to the server: sent, read, and its failure understood."""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import openai

from eureka_agent.llm.failures import Server, Transient
from eureka_agent.llm.messages import ChatMessage, ModelSettings, Reply
from eureka_agent.llm.parameters import Parameters
from eureka_agent.llm.reading import UnusableBody, read_reply

CONNECT_S = 10.0  # to establish a connection
NO_KEY = "none"  # for local servers, which want none; the protocol has to carry something


class Connection:
    """A connection to the server, open while its `async with` block runs.

    Args:
        server: the server and model to ask.
        key: the key; "" for a server that wants none.
        settings: how long an answer may take.
        parameters: what is sent beside the messages.
    """

    def __init__(
        self, server: Server, key: str, settings: ModelSettings, parameters: Parameters
    ) -> None:
        self._server = server
        self._model = settings.model
        self._seconds = settings.timeout_s
        self._parameters = parameters
        self._openai = openai.AsyncOpenAI(
            api_key=key or NO_KEY,
            base_url=server.url,
            timeout=openai.Timeout(self._seconds, connect=min(self._seconds, CONNECT_S)),
            max_retries=0,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self._openai.close()

    async def send(self, messages: Sequence[ChatMessage]) -> Reply:
        """Send a conversation once; again at once without what the model refuses.

        These are parameters and pictures.

        Raises:
            Transient: it failed in a way that may pass.
            ModelError: it failed for good.
        """
        while True:
            parameters = self._parameters.current()
            pictured = self._parameters.pictures and any(message.picture for message in messages)
            start = time.monotonic()
            try:
                body = await self._post(messages, parameters, pictured)
                return read_reply(body, messages, time.monotonic() - start, self._server.censor)
            except UnusableBody as unusable:
                failure = Transient(f"The model's server {unusable}")
            except (TimeoutError, openai.APITimeoutError):
                failure = Transient(f"The model's server gave no answer in {self._seconds:g} s")
            except openai.APIConnectionError as error:
                failure = self._server.unreachable(error)
            except openai.APIStatusError as error:
                if self._parameters.learn(parameters, error.status_code, error.body):
                    continue
                if pictured and self._parameters.learn_pictures(error.status_code, error.body):
                    continue
                failure = self._server.judge(error)
            raise failure  # out here, so that it does not carry the request and its key along

    async def _post(
        self, messages: Sequence[ChatMessage], parameters: dict[str, float], pictures: bool
    ) -> bytes:
        """The body of the answer, which may hold more than the openai package knows of."""
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [message.as_request(pictures=pictures) for message in messages],
            **parameters,
        }
        # The package limits each wait for the network; a server that drips would hold us for ever.
        async with asyncio.timeout(self._seconds):
            answer = await self._openai.chat.completions.with_raw_response.create(**request)
        return answer.content
