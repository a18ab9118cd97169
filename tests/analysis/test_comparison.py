"""Programs are compared on recorded episodes: equals, contraries, opinions on each other."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from recorded import judged, roamed
from sledge import policy

from eureka_agent.analysis.rewards.bank import Bank, Entry, Kind, Record, Scorer
from eureka_agent.analysis.rewards.comparison import RewardComparison
from eureka_agent.environment import SCRIPTED_POLICIES, Environment
from eureka_agent.store import CandidateRow, Run
from eureka_agent.workers.probe_client import ProbeClient

DISCOUNT = 0.99


def program(formula: str, name: str = "right") -> str:
    return f'''"""A program."""
WEIGHTS = {{"{name}": 1.0}}

def compute_reward(place, prev_place, speed, action):
    return {{"{name}": {formula}}}
'''


SHAPED = '''"""Three times the first, and shaped."""
WEIGHTS = {"right": 3.0, "there": 0.99, "here": -1.0}

def compute_reward(place, prev_place, terminated):
    there = torch.where(terminated, torch.zeros_like(place), place.square())
    return {"right": place, "there": there, "here": prev_place.square()}
'''
RIGHT, LEFT, CALM = program("place"), program("-place"), program("-action.square().sum(-1)")
FAST, BRAVE, FAR = program("speed"), program("place + speed"), program("place * 2.0 + 0.3 * speed")
HEAVY = RIGHT.replace(
    "return",
    "x = torch.ones(2000, 2000)\n"
    "    for i in range(200):\n"
    "        for j in range(20):\n"
    "            x = torch.matmul(x, x) * 0.0005\n"
    "    return",
).replace(": place}", ": place + x[0, 0]}")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with Run.create(tmp_path, "sledge", goal="Go.", seed=0, config={}) as run:
        yield run


@pytest.fixture
def bank(run: Run, environment: Environment) -> Bank:
    bank = Bank(run.path / "bank", 1 << 28, lambda text: run.event("bank", text))
    for kind, seen in zip(SCRIPTED_POLICIES, roamed(environment, *SCRIPTED_POLICIES), strict=True):
        bank.add(Record(Entry(kind, 0, "reference"), seen))
    return bank


def reward_comparison(
    run: Run, bank: Bank, prober: ProbeClient, human: str = ""
) -> RewardComparison:
    return RewardComparison(run, bank, Scorer(bank, prober), DISCOUNT, human)


def entered(run: Run, *texts: str, generation: int = 0) -> list[CandidateRow]:
    return [run.add_candidate(generation, k, text, designer="test") for k, text in enumerate(texts)]


def finish(run: Run, row: CandidateRow, step: int = 200) -> None:
    run.set_verdict(row.id, [], accepted=True)
    run.set_result(row.id, fitness=0.0, own_return=0.0, checkpoint_step=step)
    run.set_reflection(row.id, "It trained.")


def remember(
    bank: Bank, environment: Environment, row: CandidateRow, pull: float, kind: Kind = "shipped"
) -> None:
    """Put a policy that pulls to one side into the bank as a candidate's."""
    (seen,) = judged(environment, [policy(environment, row.id, pull)])
    step = 100 if kind == "early" else 200
    bank.add(Record(Entry(str(row.id), step, kind, row.generation, row.id), seen))


def test_scale_shaping_and_constants_make_no_difference(
    run: Run, bank: Bank, prober: ProbeClient
) -> None:
    apart = reward_comparison(run, bank, prober).distances([RIGHT, SHAPED, LEFT, CALM]).matrix
    assert apart[0, 1] < 0.03
    assert apart[0, 2] > 0.95
    assert 0.3 < apart[0, 3] < 0.95


def test_an_equal_program_is_found_once_a_policy_has_been_trained(
    run: Run, bank: Bank, prober: ProbeClient, environment: Environment
) -> None:
    first, twin, other = entered(run, RIGHT, SHAPED, CALM)
    finish(run, first)
    seer = reward_comparison(run, bank, prober)
    assert seer.equivalents([twin, other]) == {}
    remember(bank, environment, first, 0.3)
    found = seer.equivalents([twin, other])
    assert {number: known.candidate for number, known in found.items()} == {twin.id: first.id}
    assert found[twin.id].distance < 0.03


def test_the_first_of_two_equals_that_come_together_stays(
    run: Run, bank: Bank, prober: ProbeClient, environment: Environment
) -> None:
    trained, first, second = entered(run, CALM, RIGHT, SHAPED)
    finish(run, trained)
    remember(bank, environment, trained, 0.0)
    found = reward_comparison(run, bank, prober).equivalents([first, second])
    assert {number: known.candidate for number, known in found.items()} == {second.id: first.id}


def test_a_rejected_program_has_no_equivalents(
    run: Run, bank: Bank, prober: ProbeClient, environment: Environment
) -> None:
    trained, gone, new = entered(run, CALM, RIGHT, SHAPED)
    finish(run, trained)
    run.set_verdict(gone.id, [], accepted=False, failure="no")
    remember(bank, environment, trained, 0.0)
    assert reward_comparison(run, bank, prober).equivalents([new]) == {}


@pytest.mark.slow
@pytest.mark.long
def test_a_program_that_does_not_end_is_left_out_and_others_are_compared(
    run: Run, bank: Bank, environment: Environment
) -> None:
    with ProbeClient(environment, deadline_s=1.0) as impatient:
        scorer = Scorer(bank, impatient)
        found = RewardComparison(run, bank, scorer, DISCOUNT).distances([RIGHT, HEAVY, LEFT])
    assert found.degenerate.tolist() == [False, True, False]
    assert found.matrix[0, 2] > 0.95
    assert np.isnan(found.matrix[0, 1])
    assert scorer.failures[HEAVY]


def test_a_lost_record_is_left_out(run: Run, bank: Bank, prober: ProbeClient) -> None:
    (run.path / "bank" / "random-0.npz").write_bytes(b"")
    apart = reward_comparison(run, bank, prober).distances([RIGHT, LEFT]).matrix
    assert apart[0, 1] > 0.95
    assert any("random-0" in event.text for event in run.events())


def trained(run: Run, bank: Bank, environment: Environment, *texts: str) -> dict[str, CandidateRow]:
    """Finished candidates with records: an early policy at rest, a later one that pulls."""
    rows = entered(run, *texts)
    for row in rows:
        finish(run, row)
        remember(bank, environment, row, 0.0, "early")
        remember(bank, environment, row, -0.5 if row.text == LEFT else 0.5)
    return dict(zip(texts, rows, strict=True))


def test_a_policy_that_pleases_its_own_reward_alone_raises_an_alarm_and_is_kept(
    run: Run, bank: Bank, prober: ProbeClient, environment: Environment
) -> None:
    rows = trained(run, bank, environment, LEFT, RIGHT, FAST, BRAVE)
    reward_comparison(run, bank, prober).learn(0)
    known = run.reward_comparison()
    assert known is not None
    assert [alarm["candidate"] for alarm in known.alarms] == [rows[LEFT].id]
    kinds = {entry.candidate: entry.kind for entry in bank.entries if entry.step == 200}
    assert kinds == {rows[LEFT].id: "exploit"} | {
        rows[text].id: "shipped" for text in (RIGHT, FAST, BRAVE)
    }
    assert "may exploit" in run.candidate(rows[LEFT].id).reflection
    assert "may exploit" not in run.candidate(rows[RIGHT].id).reflection


def test_peers_prefer_what_most_programs_ask_for(
    run: Run, bank: Bank, prober: ProbeClient, environment: Environment
) -> None:
    rows = trained(run, bank, environment, LEFT, RIGHT, FAST, BRAVE)
    reward_comparison(run, bank, prober).learn(0, with_fitness=False)
    known = run.reward_comparison()
    assert known is not None
    rates = {int(number): rate or 0.0 for number, rate in known.peers.items()}
    assert min(rates, key=lambda number: rates[number]) == rows[LEFT].id
    assert any("no fitness" in line for line in known.said)
    assert np.shape(known.matrix["z"]) == (4, 4)


def test_a_comparison_is_stored_once_and_added_to_reflections_once(
    run: Run, bank: Bank, prober: ProbeClient, environment: Environment
) -> None:
    rows = trained(run, bank, environment, RIGHT, SHAPED, LEFT)
    for _ in range(2):
        reward_comparison(run, bank, prober, human=FAR).learn(0)
    first, twin, contrary = (run.candidate(row.id) for row in rows.values())
    assert first.reflection == "It trained."
    assert twin.reflection.count(f"It asks for much the same as #{first.id}") == 1
    assert f"the contrary of #{first.id}, #{twin.id}" in contrary.reflection
    known = run.reward_comparison()
    assert known is not None
    assert known.distances["candidates"] == [first.id, twin.id, contrary.id]
    assert len(known.distances["human"]) == 3
    assert not any("human" in row.reflection for row in run.candidates())


def test_an_event_names_a_rejected_equivalent_that_turns_out_to_differ(
    run: Run, bank: Bank, prober: ProbeClient, environment: Environment
) -> None:
    (first,) = trained(run, bank, environment, RIGHT).values()
    other, equal = entered(run, CALM, SHAPED, generation=1)
    for row in (other, equal):
        run.set_verdict(row.id, [], accepted=False, failure="equal", twin=first.id)
    reward_comparison(run, bank, prober).learn(1)
    assert run.candidate(other.id).twin is None
    assert run.candidate(equal.id).twin == first.id
    (event,) = [event for event in run.events() if event.kind == "equivalent"]
    assert event.candidate_id == other.id
