"""Feedback adds policies' behaviour and programs' rewards to reflections, each once."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from recorded import judged, reference_bank, roamed
from sledge import policy

from eureka_agent.analysis.feedback import Feedback
from eureka_agent.analysis.rewards.bank import Bank, Entry, Record
from eureka_agent.analysis.trajectories.analyst import Draw
from eureka_agent.analysis.trajectories.episodes import FitnessScale
from eureka_agent.analysis.trajectories.excerpt import excerpt
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Environment
from eureka_agent.environment.episodes import EvaluatedEpisodes
from eureka_agent.environment.scripted_policies import SCRIPTED_POLICIES
from eureka_agent.simulation.rendering import describe_rendering
from eureka_agent.store import CandidateRow, Run
from eureka_agent.workers.probe_client import ProbeClient

STEP = 200
CAN_DRAW = describe_rendering().startswith("works")
BASE = "It trained."
RIGHT = '''"""Go right, with little effort."""
WEIGHTS = {"right": 1.0, "effort": 0.1}

def compute_reward(place, speed, action):
    return {"right": place + 0.1 * speed, "effort": -action.square().sum(-1)}
'''
BROKEN = RIGHT.replace("place + 0.1 * speed", "1.0 / (place - place)")


@pytest.fixture(scope="module")
def untrained(environment: Environment) -> list[EvaluatedEpisodes]:
    return roamed(environment, *SCRIPTED_POLICIES)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path, "sledge", goal="Go.", seed=0, config={}) as run:
        yield run


@pytest.fixture
def bank(run: Run, untrained: list[EvaluatedEpisodes]) -> Bank:
    return reference_bank(run.path / "bank", untrained)


class Trained:
    """Enters candidates whose policies need no training, and analyses them."""

    def __init__(self, run: Run, environment: Environment, bank: Bank, prober: ProbeClient) -> None:
        self.run, self.environment, self.bank, self.prober = run, environment, bank, prober

    def add(
        self, pull: float | None, text: str = RIGHT, generation: int = 0, fitness: float = 0.0
    ) -> CandidateRow:
        """A candidate whose policy pulls to one side; None leaves no record of it."""
        slot, run = len(self.run.candidates(generation)), self.run
        parents = [row.id for row in run.candidates(generation - 1)][:1]
        row = run.add_candidate(generation, slot, text, designer="test", parents=parents)
        run.set_verdict(row.id, [], accepted=True)
        if pull is not None:
            (seen,) = judged(self.environment, [policy(self.environment, row.id, pull)])
            seen.fitness = seen.fitness + fitness
            self.bank.add(Record(Entry(str(row.id), STEP, "shipped", generation, row.id), seen))
            fitness = float(seen.fitness.mean())
        run.set_result(row.id, fitness=fitness, own_return=0.0, checkpoint_step=STEP)
        run.set_reflection(row.id, BASE)
        return row

    def analyse(self, generation: int = 0, analyst: Any = None, **settings: Any) -> list[str]:
        """Analyse the candidates; returns their reflections."""
        config = SearchConfig(**settings)
        parts = (self.run, self.environment, config, self.bank, self.prober, analyst)
        Feedback(*parts).analyse(generation)
        return [row.reflection for row in self.run.candidates(generation)]


@pytest.fixture
def trained(run: Run, environment: Environment, bank: Bank, prober: ProbeClient) -> Trained:
    return Trained(run, environment, bank, prober)


def test_failed_episodes_and_what_the_program_pays_join_the_reflection(trained: Trained) -> None:
    trained.add(0.0, fitness=5.0)  # far above all others
    trained.add(-9.0)
    good, bad = trained.analyse()
    assert good.startswith(BASE) and bad.startswith(BASE)
    assert "Each of its 4 episodes comes at least half of the way from random" in good
    assert "Of its 4 episodes 4 come less than half of the way from random" in bad
    assert "- Ended early without a fall: 4 of 4" in bad
    assert "- Over place from " in bad
    assert "under each policy: right: random " in bad
    known = trained.run.analysis(2)
    assert known is not None
    assert (known.failures["episodes"], known.failures["failed"]) == (4, 4)
    assert known.failures["types"][0]["share"] == 1.0
    assert {tuple(v) for v in known.lens["spreads"].values()} == {("random", "own")}
    assert [len(view["swept"]) for view in known.lens["views"]] == [1, 1, 2]


def test_reflections_stay_short(trained: Trained) -> None:
    for pull in (0.3, -9.0, 9.0):
        trained.add(pull)
    for text in trained.analyse():
        assert text.isascii()
        assert len(text.splitlines()) <= 1 + 12 + 6
        assert len(text) <= 2500


def test_a_candidate_is_analysed_once(trained: Trained) -> None:
    trained.add(0.3)
    first = trained.analyse()
    assert trained.analyse() == first


def test_a_search_killed_in_between_comes_to_the_same_results(
    trained: Trained, environment: Environment
) -> None:
    for pull in (0.3, -9.0):
        trained.add(pull)
    undisturbed = trained.analyse()
    known = trained.run.analyses()
    trained.run._database.execute("DELETE FROM analyses WHERE candidate_id = 2")
    trained.run.set_reflection(2, BASE)
    with ProbeClient(environment) as again:
        trained.prober = again
        assert trained.analyse() == undisturbed
    assert trained.run.analyses() == known


def test_people_see_what_designers_do_not(trained: Trained) -> None:
    trained.add(-9.0)
    (text,) = trained.analyse(analyzer=False, lens=False)
    assert text == BASE
    known = trained.run.analysis(1)
    assert known is not None
    assert known.failures["lines"] and known.lens["lines"]


def test_each_part_can_be_shown_alone(trained: Trained) -> None:
    trained.add(-9.0)
    trained.add(-9.0, generation=1)
    (failures,) = trained.analyse(0, lens=False)
    (lens,) = trained.analyse(1, analyzer=False)
    assert "4 episodes" in failures and "Paid per step" not in failures
    assert "4 episodes" not in lens and "Paid per step" in lens


def test_where_candidates_rank_by_peers_no_fitness_is_shown(trained: Trained) -> None:
    trained.add(0.3)
    trained.add(-9.0)
    for text in trained.analyse(rank_by="peers"):
        assert "fitness" not in text
        assert "What its 4 episodes show, by rules:" in text
    for known in trained.run.analyses():
        assert known.failures["failed"] == 0


def test_a_policy_without_recorded_episodes_is_left_as_it_is(trained: Trained) -> None:
    trained.add(None)
    assert trained.analyse() == [BASE]
    assert [row.failures for row in trained.run.analyses()] == [{}]


def test_a_program_that_cannot_be_scored_keeps_its_reflection(trained: Trained) -> None:
    trained.add(0.3)
    trained.add(0.3, BROKEN)
    sound, broken = trained.analyse()
    assert (sound != BASE, broken) == (True, BASE)


def test_candidates_without_a_result_are_not_analysed(trained: Trained) -> None:
    trained.run.add_candidate(0, 0, RIGHT, designer="test")
    trained.analyse()
    assert trained.run.analyses() == []


def test_a_child_is_compared_with_its_parent(trained: Trained) -> None:
    trained.add(-9.0)
    trained.add(0.3, generation=1)
    trained.analyse(0)
    trained.analyse(1)
    known = trained.run.analysis(2)
    assert known is not None
    assert list(known.lens["spreads"]["right"]) == ["random", "parent", "own"]


class Opinionated:
    """An analyst of few words."""

    draw: Draw | None = None

    def verdicts(self, subjects: Sequence[Any], draw: Draw | None) -> dict[int, "Opinionated"]:
        self.draw = draw
        assert all(subject.own.sum() == 4 for subject in subjects)
        assert all(subject.diagnosis.head for subject in subjects)
        return {subject.candidate.id: self for subject in subjects[:1]}

    def as_dict(self) -> dict[str, Any]:
        return {"keep": ["right"]}

    def lines(self) -> list[str]:
        return ["A model's opinion:", "- Keep right."]


def test_an_opinion_is_stored_and_shown_last(trained: Trained) -> None:
    trained.add(0.3)
    trained.add(-9.0)
    first, second = trained.analyse(analyst=Opinionated(), lens=False, analyzer=False)
    assert first == f"{BASE}\nA model's opinion:\n- Keep right."
    assert second == BASE
    opinions = [row.opinion for row in trained.run.analyses()]
    assert opinions == [{"keep": ["right"], "lines": Opinionated().lines()}, {}]


class Looking(Opinionated):
    """An analyst that has frames drawn."""

    drawn: Mapping[int, bytes] = MappingProxyType({})

    def verdicts(self, subjects: Sequence[Any], draw: Draw | None) -> dict[int, Opinionated]:
        assert draw is not None
        self.drawn = draw({s.candidate.id: excerpt(s.recordings, s.own) for s in subjects})
        return {}


@pytest.mark.skipif(not CAN_DRAW, reason="nothing on this machine can draw pictures")
def test_frames_of_the_episodes_are_drawn_for_the_analyst_and_kept(trained: Trained) -> None:
    looking = Looking()
    for pull in (0.3, -9.0):
        trained.add(pull)
    trained.analyse(analyst=looking, seed=3)
    for number, png in looking.drawn.items():
        assert png.startswith(b"\x89PNG")
        assert (trained.run.candidate_folder(number) / "frames.png").read_bytes() == png
    assert sorted(looking.drawn) == [1, 2]
    assert not trained.run.events()


def test_without_a_picture_the_search_continues_and_an_event_says_why(
    trained: Trained,
) -> None:
    looking = Looking()
    trained.add(0.3)
    trained.analyse(analyst=looking, seed=4)  # the episodes are those of another
    assert looking.drawn == {}
    (event,) = trained.run.events()
    assert "no frames of episodes: Episode 0 differs" in event.text


def test_frames_can_be_switched_off(trained: Trained) -> None:
    analyst = Opinionated()
    trained.add(0.3)
    trained.analyse(analyst=analyst, frames=False)
    assert analyst.draw is None


def test_where_training_led_to_nothing_all_failed_and_none_is_good() -> None:
    scale = FitnessScale(random=0.1, untrained=0.4, best=0.3)
    fitness = np.array([0.0, 0.5, np.nan])
    assert scale.failed(fitness).all()
    assert not scale.good(fitness).any()
    assert "without training (0.4): all of its 2 episodes fail." in scale.headline(2, 2)


def test_good_and_failed_are_measured_from_random_actions_to_the_best_policy() -> None:
    scale = FitnessScale(random=-5.0, untrained=-4.9, best=-4.0)
    fitness = np.array([-6.0, -4.6, -4.4, -4.1, np.nan])
    assert scale.failed(fitness).tolist() == [True, True, False, False, False]
    assert scale.good(fitness).tolist() == [False, False, False, True, False]


def test_the_best_is_not_measured_by_those_that_do_worse(trained: Trained) -> None:
    for pull in (9.0, 8.0):  # both leave the rail, the first at a higher fitness
        trained.add(pull, fitness=50.0 + pull)
    best, other = trained.analyse(lens=False)
    assert "Each of its 4 episodes comes" in best and "Each of its 4 episodes comes" in other
    assert "- Ended early without a fall: 4 of 4" in best
    assert "Most unlike" not in best and "Exploits" not in best


def test_behaviour_shared_with_good_ones_is_shown_if_nothing_else_is_found(
    trained: Trained,
) -> None:
    trained.add(9.0, fitness=50.0)
    trained.add(9.0)
    _, bad = trained.analyse(lens=False)
    assert "Of its 4 episodes 4 come less than half" in bad
    assert "- Ended early without a fall: 4 of 4" in bad
