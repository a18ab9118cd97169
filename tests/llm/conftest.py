"""Clients of a server on this machine that wait a hundredth of a second where they wait seconds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from loopback import Loopback

from eureka_agent.llm import ChatMessage, Client, ModelError, ModelSettings, Picture, Reply

KEY = "sk-proj-abcDEF0123456789"


@dataclass
class Outcome:
    """What came of some requests."""

    replies: dict[str, Reply] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    error: ModelError | None = None


Ask = Callable[..., Outcome]


@pytest.fixture
def ask() -> Ask:
    """Send `count` requests labelled "#0", "#1", … that say so themselves."""

    def ask(
        server: Loopback, count: int = 1, picture: Picture | None = None, **settings: Any
    ) -> Outcome:
        outcome = Outcome()
        named = {"model": "tester", "base_url": server.url, "attempts": 4, **settings}
        client = Client(
            ModelSettings(**named), api_key=KEY, notify=outcome.notices.append, first_wait_s=0.01
        )
        requests = {f"#{i}": [ChatMessage("user", f"#{i}", picture)] for i in range(count)}
        try:
            client.complete(requests, outcome.replies.__setitem__)
        except ModelError as error:
            outcome.error = error
        return outcome

    return ask


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of the person who runs the tests are none of theirs."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
