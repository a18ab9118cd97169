"""The wait that a server asks for is understood, and kept up to ten minutes."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from loopback import Loopback, Status, sequence

from eureka_agent.llm import ModelUnavailable
from eureka_agent.llm.failures import requested_wait


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "3"}, 3),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "3"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "3"}, 3),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
    ],
)
def test_a_wait_in_the_headers_is_read(headers: dict[str, str], seconds: float) -> None:
    assert requested_wait(headers) == seconds


def test_a_date_in_the_headers_is_read() -> None:
    date = datetime.now(UTC) + timedelta(seconds=100)
    assert 90 < requested_wait({"retry-after": format_datetime(date, usegmt=True)}) <= 100


@pytest.mark.parametrize("status", [429, 503])
def test_the_requested_wait_is_announced_and_kept(ask: Any, status: int) -> None:
    with Loopback(sequence([Status(status, headers={"Retry-After-Ms": "200"}), "Done."])) as server:
        outcome = ask(server)
    assert outcome.replies["#0"].text == "Done."
    assert outcome.notices[0].endswith("#0 tries again in 1 s (attempt 2 of 4).")


def test_a_date_in_the_past_means_now(ask: Any) -> None:
    past = "Thu, 01 Jan 1970 00:00:00 GMT"
    with Loopback(sequence([Status(429, headers={"Retry-After": past}), "Done."])) as server:
        assert ask(server).replies["#0"].text == "Done."


@pytest.mark.parametrize(
    ("asked", "when"), [("3600", "after 20"), ("1e300", "later."), ("inf", "later.")]
)
def test_a_long_wait_ends_the_search_and_names_the_time(ask: Any, asked: str, when: str) -> None:
    with Loopback(lambda received: Status(429, headers={"Retry-After": asked})) as server:
        error = ask(server).error
    assert isinstance(error, ModelUnavailable)
    assert error.remedy.startswith(f"Resume the run {when}")
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ("Please try again in 20s.", 20),
        ("Please try again in 7m12.5s.", 432.5),
        ("Please retry after 20 seconds.", 20),
        ("Please retry in 34.07s.", 34.07),
        ("Try again after 500ms", 0.5),
        ("You may try again 2 more times.", 0),
        ({"error": {"retry_delay": {"seconds": 34}}}, 34),
        ([{"error": {"details": [{"@type": "RetryInfo", "retryDelay": "34s"}]}}], 34),
        ({"retry_after": 12}, 12),
        ({"error": {"metadata": {"retry_after_ms": 1200}}}, 1.2),
        ({"retry_after": None}, 0),
        (None, 0),
    ],
)
def test_a_wait_in_the_body_is_read(body: object, seconds: float) -> None:
    assert requested_wait({}, body) == seconds


def test_headers_take_precedence_over_the_body() -> None:
    assert requested_wait({"retry-after": "3"}, "Try again in 20s.") == 3


def test_a_long_wait_in_the_body_ends_the_search(ask: Any) -> None:
    with Loopback(lambda received: Status(429, "Try again in 1h2m.")) as server:
        error = ask(server).error
    assert isinstance(error, ModelUnavailable)
    assert error.remedy.startswith("Resume the run after ")
