"""The client: many requests at once, retried while there is hope."""

import asyncio
import math
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_exponential_jitter

from eureka_agent.llm.capabilities import Capabilities, Closed, RequestSlots
from eureka_agent.llm.endpoint import Endpoint, is_openai
from eureka_agent.llm.failures import TransientFailure
from eureka_agent.llm.messages import (
    ChatMessage,
    ModelDeclined,
    ModelSettings,
    ModelUnavailable,
    Reply,
)

if TYPE_CHECKING:
    from eureka_agent.llm.connection import Connection

LONGEST_BACKOFF_S = 60.0


class Client:
    """Asks a model through any OpenAI-compatible server.

    Requests that fail in a way that may pass are sent again, after growing waits or those that the
    server asks for. Parameters that the model refuses are left out from then on. No text that
    leaves this class holds the key.

    Args:
        settings: which model, where, how patiently.
        api_key: the key; None is the environment variable OPENAI_API_KEY.
        notify: gets a sentence for a person at each wait and at each parameter given up.
        first_wait_s: seconds before the second attempt, about; later ones wait longer.

    Raises:
        MissingError: there is no key, and the server is OpenAI, which wants one; or a package for
            the proxy is missing.
        UsageError: the address is none or holds a password, the key holds a character that no key
            does, or the environment names a proxy or certificates that cannot be used.
    """

    def __init__(
        self,
        settings: ModelSettings,
        *,
        api_key: str | None = None,
        notify: Callable[[str], None] = lambda text: None,
        first_wait_s: float = 1.0,
    ) -> None:
        self._endpoint = Endpoint.find(settings.base_url, api_key)
        self._settings = settings
        self._notify = notify
        self._capabilities = Capabilities(
            settings.temperature,
            settings.reply_tokens,
            notify,
            newest=is_openai(self._endpoint.url),
        )
        self._concurrency = settings.concurrency
        self._jitter_s = first_wait_s
        self._backoff = wait_exponential_jitter(
            multiplier=first_wait_s, max=LONGEST_BACKOFF_S, jitter=first_wait_s
        )

    def complete(
        self,
        requests: Mapping[str, Sequence[ChatMessage]],
        on_reply: Callable[[str, Reply], None],
        on_declined: Callable[[str, ModelDeclined], None] | None = None,
    ) -> None:
        """Send all requests, `concurrency` at a time, and hand on each reply once it is there.

        If one fails for good, nothing more is sent, answers under way are waited for and handed on
        (they are paid), and then its error is raised. Ctrl-C drops all that is under way.

        Args:
            requests: the conversations to continue, by a label for people such as "#0.2".
            on_reply: called in this thread with the label and its reply.
            on_declined: called with the label and the reason why the server will never answer that
                question; the others continue. Without it, that is an error like any other.

        Raises:
            ModelRefused: the server will never accept a request.
            ModelUnavailable: the server gave no usable answer, however often it was asked.
        """
        asyncio.run(self._complete(requests, on_reply, on_declined))

    async def _complete(
        self,
        requests: Mapping[str, Sequence[ChatMessage]],
        on_reply: Callable[[str, Reply], None],
        on_declined: Callable[[str, ModelDeclined], None] | None,
    ) -> None:
        # Importing openai takes a second, which only a search that asks a model should wait.
        from eureka_agent.llm.connection import Connection

        slots = RequestSlots(self._concurrency, self._settings.timeout_s, self._notify)
        failed = asyncio.Event()
        failures: list[Exception] = []

        async def ask(label: str, messages: Sequence[ChatMessage]) -> None:
            try:
                on_reply(label, await self._ask(connection, label, messages, failed))
            except Exception as failure:
                if on_declined and isinstance(failure, ModelDeclined):
                    on_declined(label, failure)
                    return
                failures.append(failure)
                failed.set()
                await slots.close()

        async with Connection(
            self._endpoint, self._settings, self._capabilities, slots
        ) as connection:
            await asyncio.gather(*(ask(*request) for request in requests.items()))
        self._concurrency = slots.lasting
        if failures:
            raise failures[0]
        if slots.most < slots.lasting:
            self._notify(
                f"The server turned requests away until there were {slots.most} at once: "
                f"--set concurrency={slots.most} sends no more of them."
            )

    async def _ask(
        self,
        connection: "Connection",
        label: str,
        messages: Sequence[ChatMessage],
        failed: asyncio.Event,
    ) -> Reply:
        """One reply, after as many attempts as it takes and the settings allow.

        `failed` is set once another request failed for good; this ends the waits between attempts.
        """
        attempts = self._settings.attempts  # a failure that does not count allows one more

        def spent(state: RetryCallState) -> bool:
            nonlocal attempts
            attempts += not _failure(state).counts
            return state.attempt_number >= attempts

        def announce(state: RetryCallState) -> None:
            seconds = math.ceil(state.upcoming_sleep)
            attempt = f"attempt {state.attempt_number + 1} of {attempts}"
            self._notify(f"{_failure(state).what}: {label} tries again in {seconds} s ({attempt}).")

        async def sleep(seconds: float) -> None:
            with suppress(TimeoutError):
                await asyncio.wait_for(failed.wait(), seconds)

        retrying = AsyncRetrying(
            retry=retry_if_exception_type(TransientFailure),
            stop=spent,
            wait=self._wait,
            before_sleep=announce,
            sleep=sleep,
            reraise=True,
        )
        try:
            return await retrying(connection.send, messages)
        except Closed:
            raise ModelUnavailable(f"{label} was not sent, as another request failed.") from None
        except TransientFailure as failure:
            last = failure
        raise ModelUnavailable(
            f"{last}; {label} was given up after {attempts} attempts.", last.remedy
        )

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next attempt: those asked for, and more after each failure."""
        jitter_s = random.uniform(0, self._jitter_s)  # so that not all come back at once
        return max(_failure(state).asked_s + jitter_s, self._backoff(state))


def _failure(state: RetryCallState) -> TransientFailure:
    failure = state.outcome and state.outcome.exception()
    assert isinstance(failure, TransientFailure)  # no other failure is retried
    return failure
