"""The pool: its contents, how its training runs continue, and what its comparison says."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sledge import REWARD, sledge

from benchmarks.pool import comparison, members, ranks, results, table, training
from eureka_agent.common.errors import EurekaError, UsageError
from eureka_agent.environment import Environment
from eureka_agent.workers.probe_client import ProbeClient


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return sledge(tmp_path / "environments" / "sledge")


def test_names_say_which_kind_of_program_they_hold(tmp_path: Path) -> None:
    names = ("sound_plain-aim", "broken_sign_backwards", "offline_01", "offline_00")
    texts = {f"{name}.py": f"# What {name} asks for.\n{REWARD}" for name in names}
    members.save(tmp_path / "sledge.toml", texts)

    found = {member.file: member for member in members.load(tmp_path / "sledge.toml")}

    assert list(found)[:2] == ["offline_00.py", "offline_01.py"]
    assert found["broken_sign_backwards.py"].fault == "sign"
    assert found["sound_plain-aim.py"].fault == ""
    assert found["sound_plain-aim.py"].about == "What sound_plain-aim asks for."


@pytest.mark.parametrize(
    "text",
    [
        REWARD,
        "no end of line",
        "''''",
        'back\\slash, """quotes""" and tab\t',
        "a carriage\r\nreturn, an escape \x1b and\x7f",
        "",
    ],
)
def test_a_program_is_kept_unchanged(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sledge.toml"
    members.save(path, {"sound_one.py": text, "sound_two.py": REWARD})
    assert {m.file: m.text for m in members.load(path)}["sound_one.py"] == text


def test_the_programs_of_every_environment_are_complete() -> None:
    for name in members.ENVIRONMENTS:
        found = members.complete(members.PROGRAMS / f"{name}.toml")
        assert {member.kind for member in found} == set(members.KINDS)
        trained = results.read(results.RESULTS, name)
        assert trained is not None
        assert [m.file for m in found] == [program["file"] for program in trained["programs"]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"clever.py" = "x = 1"', "kind"),
        ('"sound_one.py" = ', "cannot be read"),
        ('"sound_one.py" = 1', "something else"),
    ],
)
def test_a_file_of_anything_else_is_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "sledge.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        members.load(path)


def test_the_pool_is_filled_up_once_and_stays_as_it_is(
    environment: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "programs" / "sledge.toml"
    members.save(path, {"sound_given.py": REWARD})
    with ProbeClient(environment) as prober:
        members.fill(path, environment, prober, size=4)
        before = {member.file: member.text for member in members.load(path)}
        del before["offline_01.py"]
        members.save(path, before)
        assert members.fill(path, environment, prober, size=4) == ["offline_01.py"]
        assert members.fill(path, environment, prober, size=4) == []

    after = {member.file: member.text for member in members.complete(path, size=4)}
    assert {name: after[name] for name in before} == before
    with pytest.raises(UsageError, match="4 of 5"):
        members.complete(path, size=5)


def test_a_program_that_the_critic_refuses_is_named(
    environment: Environment, tmp_path: Path
) -> None:
    path = tmp_path / "sledge.toml"
    members.save(path, {"sound_wrong.py": REWARD.replace("compute_reward", "another")})
    with ProbeClient(environment) as prober, pytest.raises(EurekaError, match=r"sound_wrong\.py"):
        members.fill(path, environment, prober, size=1)


def test_two_programs_may_not_compute_the_same(environment: Environment, tmp_path: Path) -> None:
    path = tmp_path / "sledge.toml"
    members.save(path, {"sound_one.py": REWARD, "sound_two.py": f"# The same.\n{REWARD}"})
    with ProbeClient(environment) as prober, pytest.raises(EurekaError, match="the same"):
        members.fill(path, environment, prober, size=2)


def pool(environment: Environment, runs: Path) -> training.Cell:
    texts = [REWARD.replace("1.0", weight) for weight in ("1.0", "2.0")]
    given = [members.Member(f"sound_{k}.py", "sound", "", text) for k, text in enumerate(texts)]
    return training.Cell(environment, 0, given, runs, steps=500)


@pytest.mark.long
@pytest.mark.slow
def test_a_cell_knows_what_is_left_and_does_nothing_twice(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "WORLDS", 4)
    monkeypatch.setattr(training, "LANES", 1)
    cell = pool(environment, tmp_path / "runs")
    assert cell.left() == 2

    stopped = training.train_cell(cell)
    next(stopped)
    stopped.close()
    assert cell.left() == 1
    assert len(list(training.train_cell(cell))) == 1
    assert list(training.train_cell(cell)) == []

    found = results.document(cell)
    path = results.write(tmp_path / "results", found)
    assert results.read(path.parent, environment.name) == found
    for program in found["programs"]:
        fate = program["seeds"]["0"]
        assert fate["steps"] and len(fate["steps"]) == len(fate["own_return"])
        assert fate["true_fitness"] is not None and fate["failure"] is None


def test_a_cell_is_not_continued_with_other_programs(
    environment: Environment, tmp_path: Path
) -> None:
    cell = pool(environment, tmp_path)
    cell.run().close()
    other = training.Cell(environment, 0, cell.members[:1], tmp_path, steps=500)
    with pytest.raises(UsageError, match="other programs"):
        other.run()


def picture(*values: float) -> Any:
    return ranks.duels(np.array(values))


def test_correlations_are_the_known_ones() -> None:
    first = picture(1.0, 2.0, 3.0, 4.0, 5.0)
    assert ranks.spearman(first, picture(1.0, 8.0, 27.0, 64.0, 125.0)) == pytest.approx(1.0)
    assert ranks.kendall(first, picture(5.0, 4.0, 3.0, 2.0, 1.0)) == pytest.approx(-1.0)
    swapped = picture(2.0, 1.0, 3.0, 4.0, 5.0)
    assert ranks.kendall(first, swapped) == pytest.approx(0.8)  # 9 pairs agree, 1 does not
    assert ranks.spearman(first, swapped) == pytest.approx(0.9)  # 1 - 6 * 2 / (5 * 24)


def test_ties_have_mean_ranks() -> None:
    ranked, tied = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.5, 2.5, 4.0])
    expected = np.corrcoef(ranked, tied)[0, 1]
    assert ranks.spearman(picture(*ranked), picture(0.0, 7.0, 7.0, 9.0)) == pytest.approx(expected)


def test_failures_rank_last_and_unknown_results_are_left_out() -> None:
    truths = np.array([[-np.inf, 1.0, 2.0, 3.0, 4.0, 9.0]])
    measures = np.array([[-np.inf, 5.0, 6.0, 7.0, 8.0, np.nan]])
    found = ranks.correlate(measures, truths, ranks.spearman)
    assert found is not None and found.value == pytest.approx(1.0) and found.count == 5


def test_an_interval_holds_its_value_and_narrows_with_more_things() -> None:
    generator = np.random.default_rng(0)

    def width(count: int) -> float:
        truths = generator.normal(size=(1, count))
        noisy = truths + generator.normal(size=(1, count))
        found = ranks.correlate(noisy, truths, ranks.kendall)
        assert found is not None
        kept = found.as_dict()
        assert kept["low"] < kept["value"] < kept["high"]
        return kept["high"] - kept["low"]

    assert width(100) < width(10)


def test_equal_results_give_no_correlation() -> None:
    assert ranks.correlate(np.ones((1, 9)), np.arange(9.0)[None], ranks.spearman) is None
    assert ranks.correlate(np.ones((1, 2)), np.ones((1, 2)), ranks.spearman) is None


def document(true: list[list[float | None]]) -> dict[str, Any]:
    """Results of programs, a row for each seed."""
    return {
        "programs": [
            {
                "kind": "sound" if k % 2 else "broken",
                "seeds": {
                    str(s): {"true_fitness": value, "shipped_own_return": value}
                    for s, value in enumerate(column)
                },
            }
            for k, column in enumerate(zip(*true, strict=True))
        ]
    }


def guessed(count: int) -> dict[str, Any]:
    return {
        "peers": [k / count for k in range(count)],
        "human_distance": [1.0 - k / count for k in range(count)],
        "exam": [0.9] * count,
        "suspect": [k == 0 for k in range(count)],
        "refused": [False] * count,
        "equals": [0, 0, *range(2, count)],
        "twins": list(range(count)),
        "known_early": [k < 1 for k in range(count)],
    }


def test_guesses_are_compared_with_the_fitness_on_other_seeds() -> None:
    true: list[list[float | None]] = [[0.0, 1.0, 2.0, 3.0, 5.0], [None, 1.0, 2.0, 4.0, 3.0]]
    seeds = {"0": guessed(5), "1": guessed(5)}
    found = comparison.compared({"sledge": document(true)}, {"sledge": seeds})
    entry = found["environments"]["sledge"]

    all_of = {name: sets["all"]["spearman"] for name, sets in entry["correlations"].items()}
    assert all_of["human"]["value"] == pytest.approx((0.9 + 1.0) / 2)
    assert all_of["own_return"]["value"] == pytest.approx(0.9)  # on each it ranks as the fitness
    assert all_of["one_seed"]["value"] == pytest.approx(0.9)
    assert all_of["exam"] is None  # it says the same of all
    assert all_of["queue"]["value"] > 0.0
    assert found["together"] == entry["correlations"]
    assert "nearness to the human reward" in table.text(found)


def test_environments_together_are_known_better_than_one() -> None:
    generator = np.random.default_rng(1)
    truths = generator.normal(size=(4, 1, 30))
    noisy = truths + generator.normal(size=truths.shape)
    parts = [
        ranks.correlate(noisy[k], truths[k], ranks.spearman, chance=k) for k in range(len(truths))
    ]
    known = [part for part in parts if part is not None]
    mean = ranks.mean_of(known)
    assert mean.count == 120
    assert mean.value == pytest.approx(np.mean([part.value for part in known]))
    assert mean.drawn.std() < min(part.drawn.std() for part in known)


def test_nothing_is_compared_before_a_cell_is_complete() -> None:
    assert "No cell" in table.text(comparison.compared({}, {}))


def test_clustering_saves_training_runs_and_may_lose_the_best() -> None:
    fates = comparison.fates(document([[1.0, 9.0, 2.0, 3.0], [1.5, 8.0, 2.0, 3.0]]), ["0", "1"])
    seeds = {"0": guessed(4), "1": guessed(4)}

    assert comparison.savings(fates, seeds, "twins")["saved"] == [0, 0]
    found = comparison.savings(fates, seeds, "equals")

    assert found["saved"] == [1, 1]
    assert (found["best"], found["kept"]) == (8.5, [3.0, 3.0])
    assert found["within"] == pytest.approx((8.0 + 6.5) / 2)
    assert found["noise"] == pytest.approx(1.0)


def test_a_seed_that_is_not_complete_is_left_out() -> None:
    found = document([[1.0, 2.0], [1.0, 2.0]])
    del found["programs"][1]["seeds"]["1"]
    assert comparison.fates(found, ["0", "1"]).seeds == ("0",)
