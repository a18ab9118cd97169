"""The environments that come with the program keep their contract."""

import textwrap
from pathlib import Path

import pytest
import torch
from peers import loaded
from sledge import sledge

from eureka_agent.cli.catalogue import environments_document
from eureka_agent.common.errors import UsageError
from eureka_agent.environment import (
    MujocoWorlds,
    ResetNoise,
    find_environment,
    list_environments,
    load_fitness,
    mix,
    pools,
)
from eureka_agent.reward import parse


@pytest.mark.parametrize("name", list_environments())
def test_signals_have_their_stated_shapes_and_are_finite(name: str) -> None:
    environment = loaded(name)
    worlds = MujocoWorlds(environment, 4, threads=1)
    worlds.start(
        slice(0, 4), pools.streams(pools.TRAINING, 0, 4), torch.zeros(4, dtype=torch.int64)
    )
    for _ in range(50):
        worlds.step(torch.rand(4, worlds.action_size) * 2 - 1)
    for signal in environment.signals_described:
        value = worlds.layout.read(worlds.signals, signal.name)
        assert value.shape == ((4,) if signal.size is None else (4, signal.size))
        assert torch.isfinite(value).all()
        assert value.dtype == torch.float32
    assert torch.isfinite(worlds.observation).all()


@pytest.mark.parametrize("name", list_environments())
def test_the_human_reward_is_a_reward_program_like_any_other(name: str) -> None:
    environment = loaded(name)
    path = environment.human_reward_path
    assert path is not None
    assert parse(path.read_text(), environment.signals_described).weights


@pytest.mark.parametrize("name", list_environments())
def test_the_designers_texts_do_not_mention_fitness_or_human_reward(name: str) -> None:
    environment = loaded(name)
    source = (environment.folder / "env.py").read_text()
    assert "fitness" not in source
    assert "reward" not in source


@pytest.mark.parametrize("name", list_environments())
def test_every_folder_has_a_readme_with_its_picture_and_is_listed(name: str) -> None:
    folder = loaded(name).folder
    text = (folder / "README.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert "(picture.png)" in text
    assert (folder / "picture.png").stat().st_size < 80_000
    assert f"[`{name}`]({name}/README.md)" in (folder.parent / "README.md").read_text()


def test_an_unknown_name_is_answered_with_the_closest() -> None:
    with pytest.raises(UsageError, match="half_cheetah"):
        find_environment("half_cheeta")


def test_a_folder_is_found_by_path_and_by_search_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my_robot"
    folder.mkdir()
    cartpole = find_environment("cartpole").folder
    for file in ("scene.xml", "fitness.py"):
        (folder / file).write_text((cartpole / file).read_text())
    (folder / "env.py").write_text((cartpole / "env.py").read_text())
    assert find_environment(str(folder)).name == "my_robot"
    monkeypatch.setenv("EUREKA_ENVS", str(tmp_path))
    assert "my_robot" in list_environments()
    assert find_environment("my_robot").model.nu == 1


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("x = 1\n1 / 0", r"env\.py, line 2, .*ZeroDivisionError"),
        ("x = 1\nraise SystemExit(0)", r"env\.py, line 2, .*SystemExit"),
        ("x = 1\nx = = 2", r"env\.py, line 2, .*SyntaxError"),
        ("x = 1", "0 subclasses"),
    ],
)
def test_a_broken_folder_says_what_is_wrong(tmp_path: Path, source: str, problem: str) -> None:
    (tmp_path / "env.py").write_text(source)
    (tmp_path / "fitness.py").write_text("def fitness(x): return x")
    with pytest.raises(UsageError, match=problem):
        find_environment(str(tmp_path))


def test_a_broken_environment_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("talker", "quitter", "no_model"):
        sledge(tmp_path / name)
    code = (tmp_path / "talker" / "env.py").read_text()
    (tmp_path / "talker" / "env.py").write_text(f"print('hello')\n{code}")
    (tmp_path / "quitter" / "env.py").write_text("import sys\nsys.exit()\n")
    (tmp_path / "no_model" / "scene.xml").write_text("<mujoco><nonsense/></mujoco>")
    monkeypatch.setenv("EUREKA_ENVS", str(tmp_path))
    entries = {entry["name"]: entry for entry in environments_document()}
    assert "SystemExit" in entries["quitter"]["failure"]
    assert str(tmp_path / "no_model" / "env.py") in entries["no_model"]["failure"]
    assert "failure" not in entries["talker"]
    assert "failure" not in entries["cartpole"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("x = 1\n1 / 0", r"fitness\.py, line 2, .*ZeroDivisionError"),
        ("def fitness(x:", r"fitness\.py, line 1, .*SyntaxError"),
        ("fitness = 3", "no function called fitness"),
        ("REDUCE = []\ndef fitness(x): return x", r"REDUCE is \[\]"),
        ("AFTER_END = 'low'\ndef fitness(x): return x", "AFTER_END is 'low'"),
        ("AFTER_END = float('nan')\ndef fitness(x): return x", "AFTER_END is nan"),
    ],
)
def test_the_error_of_a_broken_fitness_file_names_the_file_and_the_fault(
    tmp_path: Path, code: str, problem: str
) -> None:
    path = tmp_path / "fitness.py"
    path.write_text(code)
    with pytest.raises(UsageError, match=problem):
        load_fitness(path)


@pytest.mark.parametrize(
    ("reduce", "expected"),
    [("mean", 1.5), ("sum", 6.0), ("last", -1.0), ("max", 5.0), ("any", 1.0)],
)
def test_fitness_counts_the_full_time_limit(tmp_path: Path, reduce: str, expected: float) -> None:
    path = tmp_path / "fitness.py"
    path.write_text(
        textwrap.dedent(f"""
        REDUCE = "{reduce}"
        AFTER_END = -1.0
        def fitness(height): return height
        """)
    )
    steps = torch.tensor([[3.0], [5.0], [9.0], [9.0]])
    assert load_fitness(path).episode(steps, torch.tensor([2])).item() == expected


def test_seed_pools_are_disjoint_and_grow_at_the_end() -> None:
    drawn = {pool: pools.streams(pool, 3, 200).tolist() for pool in (1, 2, 3)}
    assert len({key for keys in drawn.values() for key in keys}) == 600
    assert pools.streams(2, 3, 5).tolist() == drawn[2][:5]


def test_reset_noise_is_uniform_and_normal() -> None:
    noise = ResetNoise(mix(0, torch.arange(4000)))
    uniform, normal = noise.uniform(2, -1.0, 3.0), noise.normal(2, 0.5)
    assert uniform.min() >= -1.0
    assert uniform.max() < 3.0
    assert uniform.mean().item() == pytest.approx(1.0, abs=0.06)
    assert normal.std().item() == pytest.approx(0.5, abs=0.02)
    assert abs(torch.corrcoef(torch.cat([uniform, normal], 1).T)[0, 1:]).max() < 0.06
