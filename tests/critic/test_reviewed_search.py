"""A search whose programs are reviewed ends like any other, and says how right the reviewer was."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Loopback, Received
from scripted import author_search, sound

from eureka_agent.common.errors import UsageError
from eureka_agent.search.loop import search
from eureka_agent.search.setup import SearchSetup, resumed_search
from eureka_agent.store import RunReader

pytestmark = pytest.mark.slow


class Model:
    """An author of sound programs, and a reviewer who doubts one of them and babbles on another.

    It knows programs by their numbers, see `scripted.program`.
    """

    def __init__(self) -> None:
        self.reviews = 0
        self._lock = threading.Lock()

    def __call__(self, received: Received) -> str:
        if not received.messages[0]["content"].startswith("You review"):
            return sound(received)
        with self._lock:
            self.reviews += 1
        text = received.messages[1]["content"]
        if "number 1.03125" in text:  # slot 2
            return "It looks nice."
        points = ["The cart would stay away."] if "number 1.015625" in text else []
        verdict = {"blocking": points, "advice": [], "passed": not points, "confidence": 0.6}
        return json.dumps(verdict)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


@pytest.fixture(scope="module")
def launch(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchSetup]:
    with Loopback(model) as server:
        launch = author_search(
            tmp_path_factory.mktemp("runs"), server.url, generations=2, review_rounds=1
        )
        search(launch)
        yield launch
    launch.run.close()


def rules(run: RunReader, slot: int) -> list[str]:
    return [finding["rule"] for finding in run.candidates(0)[slot].verdict]


def test_every_candidate_trains_with_its_review(launch: SearchSetup) -> None:
    run = launch.run
    assert run.status() == "finished"
    assert [row.state for row in run.candidates()] == ["finished"] * 6
    assert [rules(run, slot) for slot in (0, 1, 2)] == [["review-passed"], ["review-passed"], []]


def test_the_doubted_program_was_rewritten_once(launch: SearchSetup) -> None:
    doubted = launch.run.candidates(0)[1]
    (draft,) = launch.run.drafts(doubted.id)
    assert [finding["rule"] for finding in draft.verdict] == ["review"]
    assert draft.text != doubted.text


def test_the_reviewers_answers_are_kept_and_accounted_for_themselves(
    launch: SearchSetup, model: Model
) -> None:
    usage = {row.role: row.calls for row in launch.run.usage()}
    # Three programs and one rewrite in the first generation, one of them twice; then three.
    assert usage == {"designer": 6, "repair": 1, "reviewer": 5 + 3}
    assert model.reviews == usage["reviewer"]


def test_the_precision_of_the_reviewer_is_stored_and_shown(launch: SearchSetup) -> None:
    known = launch.run.reward_comparison()
    assert known is not None
    assert set(known.reviews) == {"precision", "recall", "chance"}
    assert known.reviews["chance"]["of"] == 5
    assert "reviewer" in known.said[0]


def test_a_resumed_search_reviews_nothing_twice(launch: SearchSetup, model: Model) -> None:
    before = model.reviews
    again = resumed_search(launch.run.path)
    search(again)
    assert model.reviews == before
    again.run.close()


def test_a_reviewer_without_a_language_model_is_refused_before_there_is_a_run(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match="review_rounds"):
        author_search(tmp_path, "", designer="offline", model="", review_rounds=1)
    assert not list(tmp_path.rglob("run.db"))


def test_programs_without_the_parts_asked_for_go_back(tmp_path: Path) -> None:
    with Loopback(sound) as server:
        launch = author_search(tmp_path, server.url, parts="signs", candidates=1)
        (proposal,) = launch.designer.propose(0, 1, [])
        assert "torch.sign" in server.received[0].messages[1]["content"]
    assert [(f.rule, f.severity) for f in proposal.findings] == [("parts", "error")]
    launch.run.close()


def test_only_the_configured_roles_are_there(tmp_path: Path) -> None:
    for rounds, analyst in ((0, False), (2, False), (0, True), (3, True)):
        launch = author_search(
            tmp_path, "http://127.0.0.1:9/v1", review_rounds=rounds, analyst=analyst
        )
        assert (launch.reviewer is not None, launch.analyst is not None) == (rounds > 0, analyst)
        launch.run.close()
