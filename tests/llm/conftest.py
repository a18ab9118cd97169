"""Clients of a server on this machine that wait a hundredth of a second where they wait seconds."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from loopback import Loopback

from eureka_agent.llm import (
    ChatMessage,
    Client,
    ModelDeclined,
    ModelError,
    ModelSettings,
    Picture,
    Reply,
)

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
KEY = "sk-proj-abcDEF0123456789"


@dataclass
class Outcome:
    """The results of some requests."""

    declined: dict[str, ModelDeclined] = field(default_factory=dict)
    replies: dict[str, Reply] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    error: ModelError | None = None


Ask = Callable[..., Outcome]


@pytest.fixture
def ask() -> Ask:
    """Send `count` requests labelled "#0", "#1", … that say so themselves, or another text."""

    def ask(
        server: Loopback,
        count: int = 1,
        picture: Picture | None = None,
        text: str = "",
        decline: bool = False,
        **settings: Any,
    ) -> Outcome:
        outcome = Outcome()
        named = {"model": "tester", "base_url": server.url, "attempts": 4, **settings}
        client = Client(
            ModelSettings(**named), api_key=KEY, notify=outcome.notices.append, first_wait_s=0.01
        )
        requests = {f"#{i}": [ChatMessage("user", text or f"#{i}", picture)] for i in range(count)}
        try:
            note = outcome.declined.__setitem__ if decline else None
            client.complete(requests, outcome.replies.__setitem__, note)
        except ModelError as error:
            outcome.error = error
        return outcome

    return ask


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests ignore the settings of the person who runs them."""
    for name in os.environ:
        if name.startswith("OPENAI_") or name.lower().endswith("_proxy") or name in CERTIFICATES:
            monkeypatch.delenv(name)
