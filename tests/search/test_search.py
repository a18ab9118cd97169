"""A whole search: what it leaves behind."""

import numpy as np
import pytest
from stable_baselines3 import PPO
from support import TINY

from eureka_agent.environment import find_environment, load_fitness
from eureka_agent.errors import UsageError
from eureka_agent.search import SearchConfig, new_search, parse_setting, resumed_search, search
from eureka_agent.store import RunReader
from eureka_agent.ui.documents import run_document


def test_every_candidate_is_there_once_with_a_result(finished: RunReader) -> None:
    rows = finished.candidates()
    places = [(row.generation, row.slot) for row in rows]
    assert places == [(g, s) for g in range(2) for s in range(TINY["candidates"])]
    assert finished.status() == "finished"
    for row in rows:
        assert row.state == "finished", row.failure
        assert row.thought
        folder = finished.candidate_folder(row.id)
        assert {"reward.py", "policy.zip", "episodes.npz"} <= {p.name for p in folder.iterdir()}


def test_later_generations_have_parents(finished: RunReader) -> None:
    rows = finished.candidates()
    first = {row.id for row in rows if row.generation == 0}
    assert any(set(row.parents) & first for row in rows if row.generation == 1)


def test_all_candidates_train_on_one_seed_and_baselines_on_others(finished: RunReader) -> None:
    config = SearchConfig.from_dict(finished.row().config)
    for row in finished.candidates():
        assert config.training_seed(0) in [t.seed for t in finished.trainings("candidate", row.id)]
    searched = {t.seed for t in finished.trainings("candidate")}
    for role in ("human", "fitness"):
        assert searched.isdisjoint(t.seed for t in finished.trainings(role))


def test_the_shipped_checkpoint_is_where_the_own_return_peaks(finished: RunReader) -> None:
    for training in finished.trainings("candidate"):
        looks = finished.evaluations(training.id)
        assert [look.step for look in looks] == [TINY["steps"]]
        best = max(looks, key=lambda look: look.own_return or 0.0)
        assert training.checkpoint_step == best.step
        assert training.ranking_fitness == best.fitness


def test_the_winner_trained_alone_comes_out_the_same(finished: RunReader) -> None:
    again = [t.reproduced for t in finished.trainings("winner")]
    assert again.count(True) == 1
    assert again.count(None) == 1


def test_the_end_compares_winner_human_and_bare_fitness(finished: RunReader) -> None:
    document = run_document(finished)
    for role in ("winner", "human", "fitness_only"):
        assert len(document["comparison"][role]["values"]) == 1
    assert document["best"]["policy_path"]
    assert document["env_steps"] > 0


def test_stored_episodes_give_the_stored_fitness(finished: RunReader) -> None:
    environment = find_environment("cartpole")
    from eureka_agent.environment import Episodes, SignalLayout

    fitness, layout = (
        load_fitness(environment.fitness_path),
        SignalLayout(environment.signals_described),
    )
    for row in finished.candidates():
        with np.load(finished.candidate_folder(row.id) / "episodes.npz") as stored:
            episodes = Episodes.from_arrays(dict(stored))
        steps = fitness(episodes.arguments(layout, fitness.parameters)).total
        steps = steps.view(episodes.actions.shape[:2]).double()
        assert fitness.episode(steps, episodes.lengths).mean().item() == row.fitness


def test_the_exported_policy_acts_as_the_judge_saw_it(finished: RunReader) -> None:
    row = finished.candidates()[0]
    folder = finished.candidate_folder(row.id)
    model = PPO.load(folder / "policy.zip", device="cpu")
    with np.load(folder / "episodes.npz") as stored:
        states, actions = stored["states"][0, 0], stored["actions"][0, 0]
    position, velocity, up, right, rate = states
    seen = np.array([position, up, right, velocity, rate])
    chosen, _ = model.predict(seen, deterministic=True)
    np.testing.assert_allclose(chosen, actions, atol=1e-5)


def test_the_same_seed_gives_the_same_search(finished: RunReader, tmp_path) -> None:
    config = SearchConfig.from_dict(finished.row().config)
    once = new_search("cartpole", tmp_path, lambda _: config)
    search(once)
    with RunReader.open(once.run.path) as again:
        for one, other in zip(finished.candidates(), again.candidates(), strict=True):
            assert (one.text, one.fitness, one.own_return) == (
                other.text,
                other.fitness,
                other.own_return,
            )


def test_more_generations_of_a_finished_search(finished: RunReader, tmp_path) -> None:
    import shutil

    path = tmp_path / "copy"
    shutil.copytree(finished.path, path)
    before = [row.text for row in finished.candidates()]
    search(resumed_search(path, more_generations=1))
    with RunReader.open(path) as more:
        assert [row.text for row in more.candidates()][: len(before)] == before
        assert len(more.candidates()) == 3 * TINY["candidates"]


def test_a_goal_that_nothing_measures_is_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="--fitness"):
        new_search("cartpole", tmp_path, SearchConfig.for_environment, goal="Spin around.")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["nonsense", "step=3", "steps=many", "steps"])
def test_a_setting_that_does_not_exist_or_fit_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_setting(text)


def test_a_size_of_zero_is_refused() -> None:
    with pytest.raises(UsageError, match="candidates"):
        SearchConfig(candidates=0)
