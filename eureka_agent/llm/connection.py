"""One request to the server: sent, read, and its failure explained."""

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import openai

from eureka_agent.common.errors import UsageError
from eureka_agent.llm.capabilities import Capabilities, RequestSlots
from eureka_agent.llm.endpoint import Endpoint
from eureka_agent.llm.failures import FailureExplainer, TransientFailure
from eureka_agent.llm.messages import ChatMessage, ModelSettings, Reply
from eureka_agent.llm.response import ErrorInBody, FailedResponse, UnusableBody, read_reply

if TYPE_CHECKING:
    import httpx2

CONNECT_S = 10.0  # to establish a connection
BODY_LIMIT = 8 << 20  # bytes, unpacked: many times the text that is kept of a reply
NO_KEY = "none"  # for local servers, which want none; the protocol has to carry something
TOO_LONG = f"sent an answer of more than {BODY_LIMIT >> 20} MB"
PACKED = (b"content-encoding", b"content-length", b"transfer-encoding")


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """An HTTP client that reads no more of any answer than its limit, however well it is packed."""

    async def send(self, request: "httpx2.Request", **options: Any) -> "httpx2.Response":
        """Send a request, and read the answer, so that no other code reads it without a limit.

        Raises:
            UnusableBody: it is beyond the limit.
        """
        response = await super().send(request, **{**options, "stream": True})
        body = bytearray()
        try:
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > BODY_LIMIT:
                    raise UnusableBody(TOO_LONG, passes=False)
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
        endpoint: the server.
        settings: which model, and how long an answer may take.
        capabilities: what the server takes.
        slots: how many requests are under way at once.

    Raises:
        UsageError: the address cannot be used.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: ModelSettings,
        capabilities: Capabilities,
        slots: RequestSlots,
    ) -> None:
        self._redactor = endpoint.redactor
        self._explainer = FailureExplainer(endpoint, settings.model)
        self._settings = settings
        self._capabilities = capabilities
        self._slots = slots
        # The slots limit how long an answer may take.
        timeout = openai.Timeout(None, connect=min(settings.timeout_s, CONNECT_S))
        try:
            self._openai = openai.AsyncOpenAI(
                api_key=endpoint.key or NO_KEY,
                base_url=endpoint.url,
                timeout=timeout,
                max_retries=0,
                # A server with one thread would wait for more on a connection that stays open.
                default_headers={
                    "Connection": "close",
                    **{name: openai.omit for name in endpoint.withheld},  # pyright: ignore[reportArgumentType]
                },
                http_client=BoundedClient(
                    timeout=timeout,
                    follow_redirects=False,
                    trust_env=False,
                    proxy=endpoint.route.proxy or None,
                    verify=endpoint.route.certificates,
                ),
            )
        except (ValueError, ImportError, openai.OpenAIError) as error:
            raise UsageError(
                f"{self._redactor.line(endpoint.url)} cannot be asked: "
                f"{self._redactor.line(str(error))}.",
                "Correct --base-url, or the proxy that the environment names.",
            ) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._openai.close()

    async def send(self, messages: Sequence[ChatMessage]) -> Reply:
        """Send a conversation once; again at once without what the model refuses.

        Raises:
            TransientFailure: it failed in a way that may pass.
            ModelError: it failed for good.
            Closed: nothing more is to be sent.
        """
        while True:
            slot, request, failed = None, None, None
            try:
                async with self._slots.take() as slot:
                    # Others may have learned something while this one waited for its slot.
                    request = self._capabilities.request(messages)
                    start = time.monotonic()
                    answer = await self._openai.chat.completions.with_raw_response.create(
                        **{"model": self._settings.model, **request.body}
                    )
                    self._slots.answered()
                seconds = time.monotonic() - start
                reply = read_reply(answer.content, messages, seconds, self._redactor)
                return replace(reply, limit=request.limit)
            except UnusableBody as unusable:
                failure = self._explainer.unusable(unusable)
            except (TimeoutError, openai.APITimeoutError) as error:
                failure = self._explainer.late(error, self._settings.timeout_s)
            except openai.APIConnectionError as error:
                failure = self._explainer.unreachable(error)
            except (openai.APIStatusError, ErrorInBody) as error:
                failure = self._explainer.response(failed := _failed_response(error))
            # From here on, so that no error carries the request and its key along.
            if request and failed and self._capabilities.learn(request, failed):
                continue
            if isinstance(failure, TransientFailure) and slot:
                if failure.crowded or failure.silent:
                    failure.counts = not self._slots.crowded(slot, silent=failure.silent)
            raise failure


def _failed_response(error: openai.APIStatusError | ErrorInBody) -> FailedResponse:
    if isinstance(error, ErrorInBody):
        return error.failed
    try:
        body = json.loads(error.response.content)
    except (ValueError, RecursionError):
        body = error.response.text.strip()
    return FailedResponse(error.status_code, body, error.response.headers)
