"""A whole search, and the run that it leaves behind."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sledge import sledge
from stable_baselines3 import PPO
from support import TINY, command, start

from eureka_agent.common.errors import UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.environment import Episodes, SignalLayout, find_environment, load_fitness
from eureka_agent.search.loop import search
from eureka_agent.search.setup import new_search, resumed_search
from eureka_agent.store import RunReader, ranking
from eureka_agent.store.ranking import leader
from eureka_agent.store.trust import OWN_FITNESS
from eureka_agent.views.documents import run_document

pytestmark = pytest.mark.slow

# A control loop of its own: stock stable-baselines3, plain MuJoCo.
ALONE = """
import json, sys
import mujoco, numpy as np
from stable_baselines3 import PPO

sys.modules["eureka_agent"] = None  # any import of the project would fail
best, scene, start, steps = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4])
policy = PPO.load(f"{best}/policy.zip", device="cpu")
control = json.load(open(f"{best}/policy.json"))
low, high = np.array(control["control_low"]), np.array(control["control_high"])
model = mujoco.MjModel.from_xml_path(scene)
data = mujoco.MjData(model)
data.qpos[:], data.qvel[:] = start
heights = []
for _ in range(steps):
    angle = data.qpos[1]
    seen = np.array([data.qpos[0], np.cos(angle), np.sin(angle), *data.qvel], np.float32)
    action, _ = policy.predict(seen, deterministic=True)
    data.ctrl[:] = low + (action + 1) / 2 * (high - low)
    mujoco.mj_step(model, data, control["substeps"])
    heights.append(float(np.cos(data.qpos[1])))
print(json.dumps(heights))
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    """A finished search of two generations, with its comparison.

    So few steps swing no pole up: what counts is how far to the left the cart is, in which policies
    that hardly trained differ, and untrained ones count as worse than all of them.
    """
    folder = tmp_path_factory.mktemp("runs")
    fitness = folder / "leftward.py"
    fitness.write_text("def fitness(cart_position):\n    return -cart_position\n")
    launch = new_search(
        "cartpole",
        folder,
        lambda found: SearchConfig.for_environment(
            found, **TINY, generations=2, retrainings=1, seed=0
        ),
        fitness=fitness,
    )
    launch.run.set_measure(untrained=-9.0)
    search(launch)
    launch.run.close()
    return RunReader.open(launch.run.path)


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


def test_the_selected_checkpoint_is_where_the_own_return_peaks(finished: RunReader) -> None:
    for training in finished.trainings("candidate"):
        evaluations = finished.evaluations(training.id)
        assert [evaluation.step for evaluation in evaluations] == [TINY["steps"]]
        best = max(evaluations, key=lambda evaluation: evaluation.own_return or 0.0)
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
    fitness = load_fitness(finished.path / OWN_FITNESS)
    layout = SignalLayout(environment.signals_described)
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


def test_the_exported_policy_runs_without_this_project(finished: RunReader) -> None:
    best = finished.row().best_candidate
    assert best is not None
    with np.load(finished.candidate_folder(best) / "episodes.npz") as stored:
        states = stored["states"][:, 0].astype(float)
    position, velocity, up, right, rate = states[0]
    begin = json.dumps([[position, float(np.arctan2(right, up))], [velocity, rate]])
    scene = find_environment("cartpole").folder / "scene.xml"
    done = subprocess.run(
        [sys.executable, "-c", ALONE, finished.path / "best", scene, begin, str(len(states) - 1)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    heights = np.array(json.loads(done.stdout))
    assert np.ptp(states[:, 2]) > 0.01  # the pole does move
    np.testing.assert_allclose(heights[:40], states[1:41, 2], atol=1e-3)
    assert heights.mean() == pytest.approx(states[1:, 2].mean(), abs=0.05)


def test_a_search_breaks_ties_on_a_second_seed(finished: RunReader) -> None:
    second = SearchConfig.from_dict(finished.row().config).second_seed()
    again = [t.candidate_id for t in finished.trainings("candidate") if t.seed == second]
    assert len(again) > 1
    best = leader(finished)
    assert best is not None
    assert best.id in again, "no candidate wins on one lucky seed"
    assert finished.row().best_candidate == best.id
    means = {standing.row.id: standing.value for standing in ranking(finished)}
    assert means[best.id] == max(means.values())


def test_a_finished_run_is_resumed_at_once(finished: RunReader) -> None:
    before = [row.finished for row in finished.candidates()]
    done = start(command("resume", str(finished.path), "--plain"))
    output, _ = done.communicate(timeout=300)
    assert done.returncode == 0, output
    assert [row.finished for row in finished.candidates()] == before


@pytest.mark.long
def test_more_generations_of_a_finished_search(finished: RunReader, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    shutil.copytree(finished.path, path)
    before = [row.text for row in finished.candidates()]
    search(resumed_search(path, more_generations=1))
    with RunReader.open(path) as more:
        assert [row.text for row in more.candidates()][: len(before)] == before
        assert len(more.candidates()) == 3 * TINY["candidates"]


def test_a_goal_that_nothing_measures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--fitness"):
        new_search("cartpole", tmp_path, SearchConfig.for_environment, goal="Spin around.")
    assert list(tmp_path.iterdir()) == []


def test_the_exam_chooses_among_more_programs_than_train(tmp_path: Path) -> None:
    settings = {**TINY, "candidates": 2, "proposals": 4, "exam": True, "retrainings": 0}
    launch = new_search(
        str(sledge(tmp_path / "sledge").folder),
        tmp_path / "runs",
        lambda found: SearchConfig.for_environment(found, **settings, generations=1),
    )
    search(launch)
    rows = launch.run.candidates()
    launch.run.close()
    assert len(rows) == 4
    assert sum(row.state == "finished" for row in rows) == 2
    assert all("looked better" in (row.failure or "") for row in rows if row.state == "rejected")
