"""A search trains programs that ask for something new, and a resumed one keeps its bank."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from eureka_agent.analysis.rewards.bank import FOLDER, Bank
from eureka_agent.config import SearchConfig
from eureka_agent.designer.base import PastCandidate, Proposal, RepairRequest
from eureka_agent.environment import SCRIPTED_POLICIES, Environment
from eureka_agent.search.loop import search
from eureka_agent.search.setup import SearchSetup, new_search
from eureka_agent.store import RunReader

pytestmark = pytest.mark.slow

SETTINGS = {
    "generations": 2,
    "candidates": 2,
    "worlds": 4,
    "steps": 512,
    "checkpoints": 4,
    "ranking_episodes": 2,
    "reporting_episodes": 2,
    "retrainings": 0,
    "repairs": 1,
    "device": "cpu",
}


def program(formula: str, weight: float) -> str:
    return f'''"""A program."""
WEIGHTS = {{"all": {weight}}}

def compute_reward(place, speed, action):
    return {{"all": {formula}}}
'''


RIGHT, CALM, FAST = (
    program("place", 1.0),
    program("-action[:, 0].square()", 1.0),
    program("speed", 1.0),
)
RIGHT_AGAIN, CALM_AGAIN = program("place", 5.0), program("-action[:, 0] * action[:, 0]", 2.0)


class Repetitive:
    """Writes the same again in its second generation, and can fix only the first program."""

    name = "repetitive"

    def __init__(self) -> None:
        self.broken: list[RepairRequest] = []
        self.past: list[PastCandidate] = []

    def propose(self, generation: int, count: int, past: Sequence[PastCandidate]) -> list[Proposal]:
        self.past = list(past)
        texts = (RIGHT_AGAIN, CALM_AGAIN) if generation else (RIGHT, CALM)
        return [Proposal(text, (), "written") for text in texts]

    def repair(self, broken: Sequence[RepairRequest]) -> list[Proposal | None]:
        self.broken += broken
        return [Proposal(FAST, (), "fixed") if b.text == RIGHT_AGAIN else None for b in broken]


@pytest.fixture(scope="module")
def designer() -> Repetitive:
    return Repetitive()


@pytest.fixture(scope="module")
def finished(
    environment: Environment, designer: Repetitive, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SearchSetup]:
    launch = new_search(
        environment.source,
        tmp_path_factory.mktemp("runs"),
        lambda found: SearchConfig.for_environment(found, **SETTINGS),
    )
    launch = SearchSetup(launch.run, environment, launch.config, designer, launch.fitness)
    search(launch)
    yield launch
    launch.run.close()


def test_an_equal_program_goes_back_with_the_number_of_its_twin(
    finished: SearchSetup, designer: Repetitive
) -> None:
    assert [b.text for b in designer.broken] == [RIGHT_AGAIN, CALM_AGAIN]
    for broken, twin in zip(designer.broken, ("#1", "#2"), strict=True):
        (finding,) = broken.findings
        assert finding.rule == "equivalent"
        assert f"the same as {twin}, " in finding.message


def test_a_repaired_program_trains_and_an_equal_one_does_not(finished: SearchSetup) -> None:
    first, second, fixed, equal = finished.run.candidates()
    assert [row.state for row in (first, second, fixed)] == ["finished"] * 3
    assert fixed.text == FAST
    assert (equal.state, equal.twin) == ("rejected", second.id)
    assert finished.run.trainings(candidate=equal.id) == []


def test_the_bank_holds_the_references_and_two_evaluations_of_each_policy(
    finished: SearchSetup,
) -> None:
    bank = Bank(finished.run.path / FOLDER, 1 << 28, pytest.fail)
    assert {e.policy for e in bank.references} == set(SCRIPTED_POLICIES)
    finished_ones = [row for row in finished.run.candidates() if row.state == "finished"]
    for row in finished_ones:
        entries = {e.kind: e for e in bank.entries if e.candidate == row.id}
        late = entries.get("shipped") or entries["exploit"]
        assert late.step == row.checkpoint_step
        (record,) = bank.read([late])
        assert float(record.evaluated.fitness.mean()) == row.fitness
        assert np.isfinite(record.episodes.states.numpy()).all()


def test_each_generation_is_compared_once(finished: SearchSetup) -> None:
    first, latest = finished.run.reward_comparison(0), finished.run.reward_comparison()
    assert first is not None and latest is not None
    assert first.distances["candidates"] == [1, 2]
    assert latest.generation == 1
    assert latest.distances["candidates"] == [1, 2, 3, 4]
    assert latest.distances["matrix"][1][3] < 0.03


def test_a_resumed_search_keeps_its_bank_as_it_is(finished: SearchSetup) -> None:
    folder = finished.run.path / FOLDER
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    search(finished)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    with RunReader.open(finished.run.path) as run:
        assert len(run.candidates()) == 4


def test_reflections_describe_a_programs_likeness_to_others(
    designer: Repetitive, finished: SearchSetup
) -> None:
    assert [p.id for p in designer.past] == [1, 2]
    assert all("human" not in row.reflection for row in finished.run.candidates())
