"""A model's server that fails in the middle of a search: nothing is lost, nothing paid twice."""

import threading
from collections import Counter
from pathlib import Path

import pytest
from loopback import Answer, Completion, Drop, Late, Loopback, Raw, Received, Status
from scripted import NO_ANALYSIS, author_search, place, program, sound

from eureka_agent.common.errors import EurekaError
from eureka_agent.llm import ModelRefused
from eureka_agent.search.loop import search
from eureka_agent.search.setup import SearchSetup, resumed_search
from eureka_agent.store import RunReader

pytestmark = pytest.mark.slow

FAULTS: dict[str, Answer] = {
    "429 with Retry-After": Status(429, "Slow down.", headers={"Retry-After": "1"}),
    "429 without": Status(429, "Slow down."),
    "500": Status(500),
    "503": Status(503),
    "dropped connection": Drop(),
    "half JSON": Raw(b'{"id": "chatcmpl-1", "choices": [{"mess'),
    "empty choices": Raw(b'{"id": "1", "object": "chat.completion", "model": "m", "choices": []}'),
    "time-out": Late(30.0, Completion("too late")),
}
NAMES = list(FAULTS)
KEY = "sk-very-secret-0123456789"
TELLTALE = (0, 0, 0)


class Faulty:
    """Each program of the second generation meets another fault first, and is then answered.

    In the first generation, one author answers with the key instead of a program.
    """

    def __init__(self) -> None:
        self.asked: Counter[tuple[int, int, int]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, received: Received) -> Answer | str:
        assert received.headers["authorization"] == f"Bearer {KEY}"
        where = place(received)
        with self._lock:
            self.asked[where] += 1
            first = self.asked[where] == 1
        if where == TELLTALE:
            return f"Your key is {KEY}; no program."
        return FAULTS[NAMES[where[1]]] if where[0] == 1 and first else sound(received)


@pytest.fixture(scope="module")
def faulty() -> Faulty:
    """The script of the server in `run`."""
    return Faulty()


@pytest.fixture(scope="module")
def run(faulty: Faulty, tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    """A search of two generations during which every fault happens."""
    with Loopback(faulty) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        launch = author_search(
            tmp_path_factory.mktemp("runs"),
            server.url,
            candidates=len(FAULTS),
            generations=2,
            reply_timeout=5.0,
            **NO_ANALYSIS,
        )
        search(launch)
    launch.run.close()
    return RunReader.open(launch.run.path)


def test_the_search_ends_with_all_its_candidates(run: RunReader) -> None:
    assert run.status() == "finished"
    assert [c.state for c in run.candidates()] == ["finished"] * 2 * len(FAULTS)


@pytest.mark.parametrize("name", NAMES)
def test_a_fault_costs_one_more_request_and_no_second_answer(
    run: RunReader, faulty: Faulty, name: str
) -> None:
    slot = NAMES.index(name)
    assert faulty.asked[1, slot, 0] == 2
    assert len(run.exchanges(1, slot)) == 1


def test_a_question_with_an_answer_is_asked_once(faulty: Faulty) -> None:
    assert {faulty.asked[0, slot, 0] for slot in range(len(FAULTS))} == {1}


@pytest.mark.parametrize("name", NAMES)
def test_the_view_says_who_waits_and_why(run: RunReader, name: str) -> None:
    label = f"program {NAMES.index(name) + 1} of generation 1"
    told = [e.text for e in run.events() if e.kind == "model" and label in e.text]
    assert any("tries again" in text and "attempt 2 of" in text for text in told), told


def test_the_key_is_nowhere_in_the_run(run: RunReader, faulty: Faulty) -> None:
    assert faulty.asked[0, 0, 1] == 1, "the answer had the key, and was sent back for repair"
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def refusing(after: int, asked: list[tuple[int, int, int]]) -> "Loopback":
    """A server whose key is withdrawn after some answers."""
    lock = threading.Lock()

    def answer(received: Received) -> Answer | str:
        with lock:
            if len(asked) >= after:
                return Status(401, "Incorrect API key provided.")
            asked.append(place(received))
        return sound(received)

    return Loopback(answer)


def resumed(launch: SearchSetup, url: str) -> SearchSetup:
    """The same run, with the server at another address."""
    config = launch.run.row().config
    launch.run.set_config({**config, "base_url": url})
    launch.run.close()
    return resumed_search(launch.run.path)


@pytest.mark.long
def test_a_search_that_lost_its_model_continues_without_paying_twice(tmp_path: Path) -> None:
    paid: list[tuple[int, int, int]] = []
    with refusing(after=4, asked=paid) as server:
        launch = author_search(tmp_path, server.url, generations=2, retrainings=0)
        with pytest.raises(ModelRefused) as caught:
            search(launch)
    assert "OPENAI_API_KEY" in str(caught.value.remedy)
    assert launch.run.status() == "failed"
    assert [c.state for c in launch.run.candidates()] == ["finished"] * 3
    with refusing(after=100, asked=paid) as server:
        again = resumed(launch, server.url)
        search(again)
    assert again.run.status() == "finished"
    assert Counter(paid) == Counter((g, s, 0) for g in range(2) for s in range(3))
    assert [c.state for c in again.run.candidates()] == ["finished"] * 6
    again.run.close()


def test_a_wrong_key_ends_the_search_before_anything_trains(tmp_path: Path) -> None:
    asked: list[tuple[int, int, int]] = []
    with refusing(after=0, asked=asked) as server:
        launch = author_search(tmp_path, server.url)
        with pytest.raises(EurekaError):
            search(launch)
        assert len(server.received) <= 3
    assert launch.run.row().env_steps == 0
    launch.run.close()


@pytest.mark.long
def test_a_spent_budget_ends_the_generations_and_keeps_the_results(tmp_path: Path) -> None:
    with Loopback(sound) as server:
        launch = author_search(tmp_path, server.url, generations=5, max_tokens=8_000)
        search(launch)
    run = launch.run
    assert run.status() == "finished"
    assert 1 <= len(run.generations()) < 5
    assert run.row().best_candidate is not None
    assert any(event.kind == "budget" for event in run.events())
    assert sum(row.prompt_tokens + row.completion_tokens for row in run.usage()) <= 8_000
    run.close()


@pytest.mark.long
def test_a_program_to_start_from_is_trained_first_and_shown_to_the_model(tmp_path: Path) -> None:
    mine = program(2.5)
    with Loopback(sound) as server:
        launch = author_search(tmp_path, server.url, initial=mine)
        search(launch)
        first = launch.run.candidates()[0]
        assert (first.designer, first.text, first.state) == ("person", mine, "finished")
        assert len(server.received) == 2
        assert all(mine.strip() in r.messages[1]["content"] for r in server.received)
    launch.run.close()
