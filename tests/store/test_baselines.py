"""Baselines that came with an environment are shown with the runs that they are about."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from eureka_agent.common.paths import data_folder
from eureka_agent.store import Run, fingerprint
from eureka_agent.store.baselines import FILE, MODELS, read_baselines
from eureka_agent.views.documents import run_document
from eureka_agent.views.terminal.run import show_run

CODE = '"""A cart."""\n\n\nclass Cart:\n    """Goes."""\n\n    speed = 1.0  # m/s\n'


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "environments" / "cart"
    folder.mkdir(parents=True)
    (folder / "env.py").write_text(CODE)
    return folder


@pytest.fixture
def run(tmp_path: Path, environment: Path) -> Iterator[Run]:
    config, source = {"steps": 1000}, str(environment)
    with Run.create(
        tmp_path, "cart", goal="Go.", seed=0, config=config, environment_source=source
    ) as run:
        yield run


def shown(run: Run) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(show_run(run))
    return capture.get()


def publish(environment: Path, **changes: Any) -> None:
    entry = {
        "fingerprint": fingerprint(environment),
        "steps": 1000,
        "seeds": 2,
        "date": "2026-01-01",
        "random": {"values": [0.0], "mean": 0.0, "low": None, "high": None, "failed": 0},
        "human": {"values": [2.0, 4.0], "mean": 3.0, "low": 1.0, "high": 5.0, "failed": 0},
    }
    path = environment.parent / "baselines.json"
    path.write_text(json.dumps({"cart": entry | changes}))


def test_a_run_shows_the_baselines_of_its_environment(run: Run, environment: Path) -> None:
    publish(environment)
    found = run_document(run)["published_baselines"]
    assert (found["human"]["mean"], found["bare"], found["notes"]) == (3.0, None, [])
    text = shown(run)
    assert re.search(r"human reward +3\.000 +1\.000 to 5\.000 +2 *\n", text)
    assert "bare fitness" not in text


def test_a_dense_measure_is_shown_with_its_meaning(run: Run, environment: Path) -> None:
    publish(environment, progress={"meaning": "Speed, m/s.", "human": {"mean": 1.5}})
    assert "Speed, m/s. By that measure: human reward 1.500." in " ".join(shown(run).split())


def test_nothing_is_published_for_an_environment_without_an_entry(
    run: Run, environment: Path
) -> None:
    assert run_document(run)["published_baselines"] is None
    publish(environment)
    path = environment.parent / "baselines.json"
    path.write_text(path.read_text().replace("cart", "ship"))
    assert run_document(run)["published_baselines"] is None
    assert "Published" not in shown(run)


def test_baselines_of_another_fitness_are_not_compared(run: Run, environment: Path) -> None:
    publish(environment)
    (run.path / "fitness.py").write_text("def fitness(speed): return -speed\n")
    assert run_document(run)["published_baselines"] is None


def test_other_steps_and_a_changed_environment_are_reported(run: Run, environment: Path) -> None:
    publish(environment, steps=250_000)
    (environment / "env.py").write_text(CODE.replace("1.0", "2.0"))
    text = " ".join(shown(run).split())
    assert "This run trains for 1,000 steps, they for 250 k." in text
    assert "The environment has changed since they were measured." in text


def test_a_declared_range_changes_only_the_intervals(run: Run, environment: Path) -> None:
    path, text = environment / "fitness.py", "def fitness(speed): return speed\n"
    path.write_text(text)
    publish(environment)
    before = fingerprint(environment)
    path.write_text(f"RANGE = (0, 4)\n\n{text}")
    assert fingerprint(environment) == before
    run.set_measure(range=[0.0, 4.0])
    human = run_document(run)["published_baselines"]["human"]
    assert (human["low"], human["high"]) == (1.0, 4.0)


def test_prose_is_no_change_but_code_and_the_model_are(environment: Path) -> None:
    before = fingerprint(environment)
    (environment / "env.py").write_text(CODE.replace("Goes.", "Runs.").replace("m/s", "speed"))
    (environment / "README.md").write_text("# cart")
    assert fingerprint(environment) == before
    (environment / "scene.xml").write_text("<mujoco/>")
    assert fingerprint(environment) != before


def test_the_fingerprint_of_a_variant_changes_with_its_base(environment: Path) -> None:
    variant = environment.parent / "fast_cart"
    variant.mkdir()
    (variant / "env.py").write_text('class FastCart(variant_of("cart")):\n    speed = 3.0\n')
    before = fingerprint(variant)
    (environment / "env.py").write_text(CODE.replace("1.0", "2.0"))
    assert fingerprint(variant) != before


def test_the_code_that_prepares_a_model_counts_if_it_is_used(
    environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = tmp_path / "gymnasium_models.py"
    models.write_text("STEP = 1\n")
    monkeypatch.setattr("eureka_agent.store.baselines.MODELS", models)
    alone = fingerprint(environment)
    (environment / "env.py").write_text(f"from gymnasium_models import STEP\n{CODE}")
    before = fingerprint(environment)
    models.write_text("STEP = 2\n")
    assert fingerprint(environment) != before
    (environment / "env.py").write_text(CODE)
    assert fingerprint(environment) == alone


def test_published_baselines_belong_to_the_environments_as_they_are() -> None:
    folder = data_folder("envs")
    published = read_baselines(folder / FILE)
    assert MODELS.is_file()
    assert {name: entry["fingerprint"] for name, entry in published.items()} == {
        name: fingerprint(folder / name) for name in published
    }


def test_a_broken_file_of_baselines_is_reported_and_the_run_shown(
    run: Run, environment: Path
) -> None:
    (environment.parent / "baselines.json").write_text("{")
    assert "is no JSON document" in " ".join(shown(run).split())
