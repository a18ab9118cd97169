"""Training settings have the field's usual names, and their old names still work."""

import dataclasses
from pathlib import Path

import pytest

from eureka_agent.common.environments import OLD_SETTINGS
from eureka_agent.environment import TrainingSettings
from eureka_agent.environment.gymnasium_task import read_task
from eureka_agent.store import fingerprint


def test_old_names_mean_the_same_and_give_a_warning() -> None:
    with pytest.warns(FutureWarning, match="discount is now gamma, kl_target is now target_kl"):
        old = TrainingSettings(discount=0.9, kl_target=0.5, worlds=3)  # type: ignore[call-arg]
    assert old == TrainingSettings(gamma=0.9, target_kl=0.5, worlds=3)
    with pytest.warns(FutureWarning, match="horizon"):
        assert dataclasses.replace(old, horizon=7).n_steps == 7  # type: ignore[call-arg]


def test_every_old_name_stands_for_a_setting() -> None:
    names = {field.name for field in dataclasses.fields(TrainingSettings)}
    assert set(OLD_SETTINGS.values()) <= names
    assert not names & OLD_SETTINGS.keys()


def test_a_task_file_may_use_old_names(tmp_path: Path) -> None:
    path = tmp_path / "task.toml"
    path.write_text('id = "Pendulum-v1"\n[training]\nhorizon = 16\ngamma = 0.5\n')
    with pytest.warns(FutureWarning, match="horizon is now n_steps"):
        settings = read_task(path).settings()
    assert (settings.n_steps, settings.gamma) == (16, 0.5)


def test_a_new_name_leaves_the_fingerprint_of_an_environment_as_it_was(tmp_path: Path) -> None:
    found = set()
    for names in ("discount=0.9, worlds=2", "gamma=0.9, worlds=2", "gamma=0.8, worlds=2"):
        (tmp_path / "env.py").write_text(f"training = TrainingSettings({names})\n")
        found.add(fingerprint(tmp_path))
    assert len(found) == 2
