"""The exam refuses what is certainly wrong on recorded episodes, and doubts aloud."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from recorded import judged, reference_bank, roamed
from sledge import paying, policy, sledge

from eureka_agent.analysis.rewards.bank import Bank, Entry, Record
from eureka_agent.common.errors import UsageError
from eureka_agent.critic.critic import Screening
from eureka_agent.critic.examiner import Examiner, label_records
from eureka_agent.environment import SCRIPTED_POLICIES, Environment
from eureka_agent.environment.contrasts import CONTRASTS_FILE, GOOD, load_contrasts
from eureka_agent.store import CandidateRow, Run
from eureka_agent.store.baselines import fingerprint
from eureka_agent.workers.probe_client import ProbeClient

CONTRASTS = """
from eureka_agent.environment.contrasts import Contrast, harder, mirrored

CONTRASTS = (
    Contrast("mirrored", "runs to the left", "less", change=mirrored({"place": None})),
    Contrast("harder", "larger actions", "no more", change=harder()),
)
"""


RIGHT, LEFT, STILL = paying("place"), paying("-place"), paying("0.0 * place")
WASTEFUL = paying("action[:, 0].abs()")
INFINITE = paying("1.0 / (place - place)")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = sledge(
        tmp_path_factory.mktemp("environments") / "sledge",
        strength=0.3,  # too weak to leave the rail soon
        fitness="AFTER_END = -1.0\n\ndef fitness(place): return place\n",
    )
    (environment.folder / CONTRASTS_FILE).write_text(CONTRASTS)
    return environment


@pytest.fixture(scope="module")
def prober(environment: Environment) -> Iterator[ProbeClient]:
    with ProbeClient(environment, deadline_s=5.0) as prober:
        yield prober


@pytest.fixture(scope="module")
def bank(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Bank:
    folder = tmp_path_factory.mktemp("run") / "bank"
    bank = reference_bank(folder, roamed(environment, *SCRIPTED_POLICIES))
    pulls = (0.5, 1.0, 3.0)
    policies = [policy(environment, 1, pull) for pull in pulls]
    for number, seen in enumerate(judged(environment, policies), 1):
        bank.add(Record(Entry(str(number), 100, "shipped", 0, number), seen))
    return bank


def rows(tmp_path: Path, *texts: str) -> list[CandidateRow]:
    with Run.create(tmp_path, "sledge", goal="Go.", seed=0, config={}) as run:
        return [run.add_candidate(0, k, text, designer="test") for k, text in enumerate(texts)]


def test_without_a_bank_everything_passes(
    environment: Environment, prober: ProbeClient, tmp_path: Path
) -> None:
    empty = Bank(tmp_path / "bank", 1 << 28, pytest.fail)
    assert Examiner(environment, empty, prober).examine([RIGHT, LEFT]) == [None, None]


def test_the_contrary_of_the_task_is_refused_and_the_task_is_not(
    environment: Environment, bank: Bank, prober: ProbeClient
) -> None:
    right, left = Examiner(environment, bank, prober).examine([RIGHT, LEFT])
    assert right is not None and left is not None
    assert not right.refused
    assert left.tau is not None and left.tau < -0.5
    assert right.score > left.score


def test_contrasts_are_asked_where_good_episodes_are_known(
    environment: Environment, bank: Bank, prober: ProbeClient
) -> None:
    records = list(bank.read(bank.entries))
    good = label_records(records).labelled(GOOD)
    (right,) = Examiner(environment, bank, prober).examine([RIGHT])
    assert right is not None
    assert [result.contrast.name for result in right.contrasts] == ["mirrored", "harder"]
    assert [result.count for result in right.contrasts] == [int(good.sum())] * 2
    assert good.any()
    assert all(result.share == 1.0 for result in right.contrasts)


def test_a_program_that_cannot_be_scored_is_left_to_others(
    environment: Environment, bank: Bank, prober: ProbeClient
) -> None:
    right, infinite = Examiner(environment, bank, prober).examine([RIGHT, INFINITE])
    assert right is not None
    assert infinite is None


def test_screening_refuses_doubts_and_orders(
    environment: Environment, bank: Bank, prober: ProbeClient, tmp_path: Path
) -> None:
    right, wasteful, left = candidates = rows(tmp_path, RIGHT, WASTEFUL, LEFT)
    screening = Screening(examiner=Examiner(environment, bank, prober))
    found = screening.screen(candidates)
    assert found[right.id] == []
    assert [f.severity for f in found[left.id]] == ["error"]
    assert {f.rule for f in found[wasteful.id]} <= {"exam"}
    assert screening.in_order([left, right])[0].id == right.id
    another = Screening(examiner=Examiner(environment, bank, prober))  # of a resumed search
    assert another.in_order([left, right])[0].id == right.id


def test_an_environment_without_contrasts_has_none(tmp_path: Path) -> None:
    assert load_contrasts(sledge(tmp_path / "sledge")) == ()


@pytest.mark.parametrize("code", ["", "CONTRASTS = 3", "CONTRASTS = ('mirrored',)", "1 / 0"])
def test_a_broken_file_of_contrasts_is_named(tmp_path: Path, code: str) -> None:
    environment = sledge(tmp_path / "sledge")
    (environment.folder / CONTRASTS_FILE).write_text(code)
    with pytest.raises(UsageError, match=CONTRASTS_FILE):
        load_contrasts(environment)


def test_a_contrast_about_a_signal_that_is_not_there_is_named(
    environment: Environment, bank: Bank, prober: ProbeClient
) -> None:
    path = environment.folder / CONTRASTS_FILE
    path.write_text(CONTRASTS.replace('"place"', '"height"'))
    try:
        with pytest.raises(UsageError, match="height"):
            Examiner(environment, bank, prober).examine([RIGHT])
    finally:
        path.write_text(CONTRASTS)


def test_among_untrained_policies_alone_none_is_good(bank: Bank) -> None:
    untrained = bank.references
    assert not label_records(list(bank.read(untrained))).labelled(GOOD).any()


def test_contrasts_change_no_published_result(tmp_path: Path) -> None:
    environment = sledge(tmp_path / "sledge")
    before = fingerprint(environment.folder)
    (environment.folder / CONTRASTS_FILE).write_text(CONTRASTS)
    assert fingerprint(environment.folder) == before
