from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from loopback import Loopback, Status, sequence
from tenacity import Future, RetryCallState, Retrying

from eureka_agent.llm import Client, ModelSettings, ModelUnavailable
from eureka_agent.llm.failures import TransientFailure, requested_wait


def waits(asked_s: float) -> list[float]:
    """The waits of a client whose server always asks for the same."""
    client = Client(ModelSettings(model="tester", base_url="http://localhost/v1"))
    state = RetryCallState(Retrying(), None, (), {})
    found = []
    for attempt in range(1, 12):
        state.attempt_number = attempt
        state.outcome = Future.construct(
            attempt, TransientFailure("It failed", asked_s=asked_s), True
        )
        found.append(client._wait(state))
    return found


def test_waits_grow_from_a_second_to_a_minute() -> None:
    found = waits(0)
    assert 1 <= found[0] <= 2
    assert 16 <= found[4] <= 17
    assert found[-1] == 60


def test_waits_are_at_least_as_long_as_asked() -> None:
    found = waits(30)
    assert all(30 <= seconds <= 31 for seconds in found[:5])
    assert found[-1] == 60


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
def test_what_a_server_asks_for_is_understood(headers: dict[str, str], seconds: float) -> None:
    assert requested_wait(headers) == seconds


def test_a_date_is_understood() -> None:
    date = datetime.now(UTC) + timedelta(seconds=100)
    assert 90 < requested_wait({"retry-after": format_datetime(date, usegmt=True)}) <= 100


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_asked_for_is_announced_and_kept(ask: Any, status: int) -> None:
    with Loopback(sequence([Status(status, headers={"Retry-After-Ms": "200"}), "Done."])) as server:
        outcome = ask(server)
    assert outcome.replies["#0"].text == "Done."
    assert outcome.notices[0].endswith("#0 tries again in 1 s (attempt 2 of 4).")


def test_a_date_in_the_past_means_at_once(ask: Any) -> None:
    past = "Thu, 01 Jan 1970 00:00:00 GMT"
    with Loopback(sequence([Status(429, headers={"Retry-After": past}), "Done."])) as server:
        assert ask(server).replies["#0"].text == "Done."


@pytest.mark.parametrize(
    ("asked", "when"), [("3600", "after 20"), ("1e300", "later."), ("inf", "later.")]
)
def test_a_long_wait_is_left_to_the_person(ask: Any, asked: str, when: str) -> None:
    with Loopback(lambda received: Status(429, headers={"Retry-After": asked})) as server:
        error = ask(server).error
    assert isinstance(error, ModelUnavailable)
    assert error.remedy.startswith(f"Resume the run {when}")
    assert len(server.received) == 1
