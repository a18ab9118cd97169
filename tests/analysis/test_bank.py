"""The bank keeps what it was given, fairly, and outlives kills and damaged files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from recorded import EPISODES, roamed, same
from sledge import sledge

from eureka_agent.analysis.rewards.bank import Bank, Entry, Record
from eureka_agent.environment import Environment, Episodes
from eureka_agent.environment.episodes import EvaluatedEpisodes
from eureka_agent.environment.scripted_policies import SCRIPTED_POLICIES, scripted_actions

PLENTY = 1 << 28


def seen(value: float = 1.0) -> EvaluatedEpisodes:
    """Two episodes of three steps."""
    ended = torch.zeros(2, dtype=torch.bool)
    episodes = Episodes(torch.zeros(4, 2, 2), torch.zeros(3, 2, 1), torch.full((2,), 3), ended)
    return EvaluatedEpisodes(np.full(2, value), np.zeros(2, np.bool_), episodes)


def shipped(candidate: int, generation: int = 0, step: int = 100) -> Record:
    return Record(Entry(str(candidate), step, "shipped", generation, candidate), seen())


REFERENCE = Record(Entry("random", 0, "reference"), seen())


def opened(folder: Path, limit: int = PLENTY) -> tuple[Bank, list[str]]:
    said: list[str] = []
    return Bank(folder / "bank", limit, said.append), said


def names(bank: Bank) -> list[str]:
    return [entry.name for entry in bank.entries]


def test_a_record_is_read_as_it_was_added(tmp_path: Path) -> None:
    environment = sledge(tmp_path / "sledge")
    (rest,) = roamed(environment, "rest")
    opened(tmp_path)[0].add(Record(Entry("rest", 0, "reference"), rest))
    again, said = opened(tmp_path)
    (record,) = again.read(again.entries)
    assert record.entry == Entry("rest", 0, "reference")
    assert same(record.evaluated, rest)
    assert said == []


def test_the_same_record_added_twice_is_there_once(tmp_path: Path) -> None:
    bank, _ = opened(tmp_path)
    for _ in range(2):
        bank.add(shipped(1))
    assert names(bank) == ["1-100"]
    assert len(list((tmp_path / "bank").iterdir())) == 1


def test_a_search_that_was_killed_finds_its_bank(tmp_path: Path) -> None:
    bank, _ = opened(tmp_path)
    for record in (shipped(1), shipped(2), REFERENCE):
        bank.add(record)
    (tmp_path / "bank" / ".3-100.npz.17.tmp").write_bytes(b"half a record")
    again, said = opened(tmp_path)
    assert again.entries == bank.entries
    assert again.sample(2) == bank.sample(2)
    assert said == []
    assert len(list((tmp_path / "bank").iterdir())) == 3


@pytest.mark.parametrize("keep", [0, 10, 400])
def test_a_truncated_file_is_removed_with_a_message(tmp_path: Path, keep: int) -> None:
    bank, said = opened(tmp_path)
    bank.add(shipped(1))
    bank.add(shipped(2))
    path = tmp_path / "bank" / "1-100.npz"
    path.write_bytes(path.read_bytes()[:keep])
    assert [record.entry.candidate for record in bank.read(bank.entries)] == [2]
    assert names(bank) == ["2-100"]
    assert "1-100.npz" in said[0]


def test_a_file_that_is_no_record_is_removed_on_opening(tmp_path: Path) -> None:
    bank, _ = opened(tmp_path)
    bank.add(shipped(1))
    np.savez(tmp_path / "bank" / "2-100.npz", fitness=np.ones(2))
    (tmp_path / "bank" / "1-100.npz").rename(tmp_path / "bank" / "9-100.npz")
    again, said = opened(tmp_path)
    assert again.entries == []
    assert len(said) == 2


def test_a_file_with_pickled_objects_is_never_loaded(tmp_path: Path) -> None:
    bank, _ = opened(tmp_path)
    bank.add(shipped(1))
    path = tmp_path / "bank" / "1-100.npz"
    with np.load(path) as arrays:
        held = dict(arrays)
    broken = held | {"fitness": np.array([print, print], dtype=object)}
    np.savez(path, allow_pickle=True, **broken)
    assert list(bank.read(bank.entries)) == []


def test_a_full_bank_drops_from_the_fullest_generation_and_keeps_references(
    tmp_path: Path,
) -> None:
    bank, _ = opened(tmp_path)
    bank.add(REFERENCE)
    size = (tmp_path / "bank" / "random-0.npz").stat().st_size
    bank, _ = opened(tmp_path, limit=5 * size + size // 2)
    for candidate in range(1, 9):
        bank.add(shipped(candidate, generation=0))
    bank.add(shipped(9, generation=1))
    bank.add(shipped(10, generation=1))
    generations = [entry.generation for entry in bank.entries]
    assert generations == [-1, 0, 0, 0, 1, 1]
    assert {e.name for e in bank.entries} == {path.stem for path in (tmp_path / "bank").iterdir()}


def test_exploits_are_dropped_last(tmp_path: Path) -> None:
    bank, _ = opened(tmp_path)
    bank.add(shipped(1))
    size = (tmp_path / "bank" / "1-100.npz").stat().st_size
    bank, _ = opened(tmp_path, limit=2 * size + size // 2)
    bank.mark_exploit(bank.entries[0])
    for candidate in range(2, 9):
        bank.add(shipped(candidate))
    assert ("1-100", "exploit") in [(entry.name, entry.kind) for entry in bank.entries]
    assert len(bank.entries) == 2


def test_a_sample_holds_the_references_and_is_fair_to_generations(tmp_path: Path) -> None:
    bank, _ = opened(tmp_path)
    bank.add(REFERENCE)
    for candidate in range(1, 21):
        bank.add(shipped(candidate, generation=0 if candidate < 18 else 1))
    chosen = bank.sample(7)
    assert [entry.generation for entry in chosen] == [-1, 1, 0, 1, 0, 1, 0]
    assert len(set(chosen)) == 7
    assert set(chosen) <= set(bank.sample(8))
    assert len(bank.sample(100)) == 21


@pytest.mark.parametrize("kind", SCRIPTED_POLICIES)
def test_untrained_policies_stay_within_their_limits_and_repeat(kind: str) -> None:
    actions = scripted_actions(kind, 50, 4, 3, 0.05, seed=1)
    assert actions.shape == (50, 4, 3)
    assert float(actions.abs().max()) <= 1.0
    assert torch.equal(actions, scripted_actions(kind, 50, 4, 3, 0.05, seed=1))
    moves = float((actions[1:] - actions[:-1]).abs().max())
    assert (moves > 0) == (kind in ("random", "waves"))
    assert (actions.abs() == 1.0).all() == (kind == "extremes")


def test_an_untrained_policy_does_the_same_beside_any_other(
    environment: Environment,
) -> None:
    alone = roamed(environment, "extremes")[0]
    beside = roamed(environment, "random", "extremes", "rest")[1]
    assert np.array_equal(alone.fitness, beside.fitness)
    assert len(alone.fitness) == EPISODES
    assert alone.episodes.terminated.any()  # a constant pull leaves the rail
