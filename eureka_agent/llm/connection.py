"""One request to the server: sent, read, and its failure understood."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import openai

from eureka_agent.common.errors import UsageError
from eureka_agent.llm.capabilities import Capabilities, RequestSlots, asked_length
from eureka_agent.llm.failures import Server, TransientFailure
from eureka_agent.llm.messages import ChatMessage, ModelSettings, Reply, without_system
from eureka_agent.llm.response import ErrorInBody, FailedResponse, UnusableBody, read_reply

if TYPE_CHECKING:
    import httpx2

CONNECT_S = 10.0  # to establish a connection
BODY_LIMIT = 8 << 20  # bytes, unpacked: many times the text that is kept of a reply
NO_KEY = "none"  # for local servers, which want none; the protocol has to carry something
TOO_LONG = UnusableBody(f"sent an answer of more than {BODY_LIMIT >> 20} MB", passes=False)
PACKED = (b"content-encoding", b"content-length", b"transfer-encoding")


class TooLong(Exception):
    """Raised when a body is longer than any answer."""


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """An HTTP client that reads no more of any answer than its limit, however well it is packed."""

    async def send(self, request: "httpx2.Request", **options: Any) -> "httpx2.Response":
        """Send a request, and read the answer, which is what nobody else does then.

        Raises:
            TooLong: it is beyond the limit.
        """
        response = await super().send(request, **{**options, "stream": True})
        body = bytearray()
        try:
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > BODY_LIMIT:
                    raise TooLong
        finally:
            await response.aclose()
        # As bytes: a proxy may have put any into them.
        headers = [(n, v) for n, v in response.headers.raw if n.lower() not in PACKED]
        return type(response)(
            response.status_code, headers=headers, content=bytes(body), request=request
        )


class Connection:
    """A connection to the server, open while its `async with` block runs.

    Args:
        server: the server and model to ask.
        key: the key; "" for a server that wants none.
        held_back: names of headers that do not go there.
        settings: how long an answer may take.
        parameters: what is sent beside the messages.
        places: how many requests are under way at once.

    Raises:
        UsageError: the address cannot be used.
    """

    def __init__(
        self,
        server: Server,
        key: str,
        held_back: set[str],
        settings: ModelSettings,
        parameters: Capabilities,
        places: RequestSlots,
    ) -> None:
        self._server = server
        self._model = settings.model
        self._seconds = settings.timeout_s
        self._parameters = parameters
        self._places = places
        # How long an answer may take, the places say.
        timeout = openai.Timeout(None, connect=min(self._seconds, CONNECT_S))
        try:
            self._openai = openai.AsyncOpenAI(
                api_key=key or NO_KEY,
                base_url=server.url,
                timeout=timeout,
                max_retries=0,
                # A server with one thread would wait for more on a connection that stays open.
                default_headers={
                    "Connection": "close",
                    **{name: openai.omit for name in held_back},  # pyright: ignore[reportArgumentType]
                },
                http_client=BoundedClient(
                    timeout=timeout,
                    follow_redirects=False,
                    trust_env=False,
                    proxy=server.route.proxy or None,
                    verify=server.route.certificates,
                ),
            )
        except (ValueError, ImportError, openai.OpenAIError) as error:
            raise UsageError(
                f"{server.address} cannot be asked: {server.censor.line(str(error))}.",
                "Correct --base-url, or the proxy that the environment names.",
            ) from None

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

        These are parameters, pictures and a system message.

        Raises:
            Transient: it failed in a way that may pass.
            ModelError: it failed for good.
            Closed: nothing more is to be sent.
        """
        while True:
            place, sent, pictured, system, failed = None, {}, False, False, None
            try:
                async with self._places.take() as place:
                    # Others may have learned something while this one waited for its place.
                    sent = self._parameters.current(_length(messages))
                    pictured = self._parameters.pictures and any(m.picture for m in messages)
                    system = self._parameters.system and any(m.role == "system" for m in messages)
                    start = time.monotonic()
                    body = await self._post(messages, sent, pictured)
                    self._places.answered()
                reply = read_reply(body, messages, time.monotonic() - start, self._server.censor)
                return replace(reply, limit=asked_length(sent))
            except TooLong:
                failure = self._server.unusable(TOO_LONG)
            except UnusableBody as unusable:
                failure = self._server.unusable(unusable)
            except (TimeoutError, openai.APITimeoutError) as error:
                failure = self._server.late(error, self._seconds)
            except openai.APIConnectionError as error:
                failure = self._server.unreachable(error)
            except (openai.APIStatusError, ErrorInBody) as error:
                failure = self._server.judge(failed := _failed(error))
            # From here on, so that no error carries the request and its key along.
            if failed and self._learns(messages, sent, pictured, system, failed):
                continue
            if (
                isinstance(failure, TransientFailure)
                and place
                and (failure.crowded or failure.silent)
            ):
                failure.counts = not self._places.crowded(place, silent=failure.silent)
            raise failure

    def _learns(
        self,
        messages: Sequence[ChatMessage],
        sent: dict[str, float],
        pictured: bool,
        system: bool,
        failed: FailedResponse,
    ) -> bool:
        """Whether the request is worth sending again at once, without what was refused."""
        if pictured and self._parameters.learn_pictures(failed.status, failed.body):
            return True
        if system and self._parameters.learn_system(failed.status, failed.body):
            return True
        return self._parameters.learn(sent, failed.status, failed.body, _length(messages))

    async def _post(
        self, messages: Sequence[ChatMessage], parameters: dict[str, float], pictures: bool
    ) -> bytes:
        """The body of the answer, which may hold more than the openai package knows of."""
        if not self._parameters.system:
            messages = without_system(messages)
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [message.as_request(pictures=pictures) for message in messages],
            "stream": False,
            **parameters,
        }
        answer = await self._openai.chat.completions.with_raw_response.create(**request)
        return answer.content


def _failed(error: openai.APIStatusError | ErrorInBody) -> FailedResponse:
    if isinstance(error, ErrorInBody):
        return error.failed
    try:
        body = json.loads(error.response.content)
    except (ValueError, RecursionError):
        body = error.response.text.strip()
    return FailedResponse(error.status_code, body, error.response.headers)


def _length(messages: Sequence[ChatMessage]) -> int:
    return sum(message.characters for message in messages)
