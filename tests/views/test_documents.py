"""The documents that scripts read: their keys stay, and their numbers come from the right pool."""

import json
from pathlib import Path

import pytest

from eureka_agent.common.errors import UsageError
from eureka_agent.store import Run
from eureka_agent.views.documents import candidate_document, run_document, runs_document

RUN_KEYS = {
    "run", "environment", "goal", "status", "best", "baselines", "generations", "candidates",
    "usage", "env_steps", "env_steps_per_second", "wall_seconds",
}  # fmt: skip
BEST_KEYS = {"candidate", "fitness", "own_return", "reward_path", "policy_path"}
CANDIDATE_KEYS = {"id", "generation", "parents", "state", "fitness", "verdict"}


def test_the_run_document_has_the_promised_keys(full_run: Run) -> None:
    document = run_document(full_run)
    assert document.keys() >= RUN_KEYS
    assert document["best"].keys() >= BEST_KEYS
    assert document["baselines"].keys() == {"human", "fitness_only"}
    keys = {"calls", "prompt_tokens", "completion_tokens", "cost", "by_role"}
    assert document["usage"].keys() == keys
    for candidate in document["candidates"]:
        assert candidate.keys() >= CANDIDATE_KEYS
    assert document["env_steps_per_second"] == 2000.0
    json.dumps(document, allow_nan=False)


def test_documents_of_a_run_in_which_nothing_has_happened(new_run: Run) -> None:
    document = run_document(new_run)
    assert document["best"] is None
    assert document["baselines"] == {"human": None, "fitness_only": None}
    assert (document["candidates"], document["generations"]) == ([], [])
    assert document["env_steps_per_second"] == 0.0
    json.dumps(document, allow_nan=False)


def test_results_come_from_the_reporting_pool_only(full_run: Run) -> None:
    assert run_document(full_run)["best"]["fitness"] is None
    chosen = full_run.trainings("candidate")[0]
    full_run.set_reporting(chosen.id, 9.0)
    document = run_document(full_run)
    assert document["best"]["fitness"] == 9.0
    assert document["best"]["ranking_fitness"] == 10.0
    assert document["baselines"] == {"human": 22.0, "fitness_only": None}
    assert document["comparison"]["human"]["values"] == (20.0, 22.0, 24.0)
    assert document["comparison"]["fitness_only"]["failed"] == 1


def test_the_training_run_that_won_does_not_count_beside_its_repetitions(full_run: Run) -> None:
    full_run.set_reporting(full_run.trainings("candidate")[0].id, 9.0)
    for seed, fitness in enumerate([7.0, 8.0]):
        again = full_run.add_training("winner", seed, steps_total=1, candidate=1)
        full_run.set_reporting(again.id, fitness)
    document = run_document(full_run)
    assert document["best"]["fitness"] == 7.5
    assert document["comparison"]["winner"]["values"] == (7.0, 8.0)


def test_the_comparison_judges_the_winner_as_far_as_it_can(full_run: Run) -> None:
    comparison = run_document(full_run)["comparison"]
    assert comparison["score"]["value"] is None
    assert "the winner has no result" in comparison["score"]["reason"]
    assert comparison["against_human"] == {
        "difference": None, "interval": None, "verdict": "unknown",
    }  # fmt: skip
    for seed, fitness in enumerate([7.0, 8.0]):
        again = full_run.add_training("winner", seed, steps_total=1, candidate=1)
        full_run.set_reporting(again.id, fitness)
        bare = full_run.add_training("fitness", 10 + seed, steps_total=1)
        full_run.set_reporting(bare.id, 0.1 * fitness)
    comparison = run_document(full_run)["comparison"]
    assert comparison["score"]["value"] == pytest.approx((7.5 - 0.75) / (22.0 - 0.75))
    assert comparison["score"]["interval"] is not None
    assert comparison["against_human"]["verdict"] == "worse"
    assert comparison["against_human"]["difference"] == pytest.approx(-14.5)
    assert comparison["against_bare"]["verdict"] == "better"
    json.dumps(comparison, allow_nan=False)


def test_the_policy_is_named_once_it_is_there(full_run: Run) -> None:
    assert run_document(full_run)["best"]["policy_path"] is None
    policy = full_run.path / "best" / "policy.zip"
    policy.write_bytes(b"")
    best = run_document(full_run)["best"]
    assert best["policy_path"] == str(policy)
    assert Path(best["reward_path"]).read_text() == best["text"]


def test_the_candidate_document_holds_program_and_curves(full_run: Run) -> None:
    document = candidate_document(full_run, 1)
    assert document.keys() >= CANDIDATE_KEYS | {"text", "trainings", "reward_path"}
    [training] = document["trainings"]
    assert [evaluation["fitness"] for evaluation in training["evaluations"]] == [5.0, 10.0]
    json.dumps(document, allow_nan=False)
    with pytest.raises(UsageError, match="no candidate 9"):
        candidate_document(full_run, 9)


def test_a_broken_run_does_not_hide_the_others(full_run: Run) -> None:
    directory = full_run.path.parent
    (directory / "broken").mkdir()
    (directory / "broken" / "run.db").write_text("nothing that SQLite could read" * 10)
    documents = {document["run"]: document for document in runs_document(directory)}
    assert documents[full_run.name]["candidates"] == 3
    assert documents["broken"].keys() == {"run", "path", "failure"}
