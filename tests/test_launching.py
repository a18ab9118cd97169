"""A search starts, resumes and can be inspected from any folder, even without a fitness."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from sledge import sledge
from support import command
from support import run as here

from eureka_agent.common.errors import UsageError
from eureka_agent.search.arguments import require_evaluable
from eureka_agent.store import RunReader, find_run

pytestmark = pytest.mark.slow

SMALL = ["--candidates=2", "--generations=1", "--steps=128", "--plain"]
SMALL += ["--set=worlds=4", "--set=checkpoints=1", "--set=retrainings=0", "--set=repairs=0"]
SMALL += [
    "--set=picture=false",
    "--set=equivalents=false",
    "--set=reporting_episodes=2",
    "--device=cpu",
]
LEFT = '''"""How far to the left it is in the end, in m."""
REDUCE = "last"


def fitness(place):
    return -place
'''


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The program in a folder, with environments in a relative one; it must succeed."""
    environment = os.environ | {"EUREKA_ENVS": "my robots", "COLUMNS": "200"}
    done = subprocess.run(
        command(*words), capture_output=True, text=True, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a robot, under a name that shells and URLs must quote."""
    folder = tmp_path_factory.mktemp("launch") / "o'ne zwölf"
    sledge(folder / "my robots" / "sledge")
    variant = folder / "my robots" / "variant"
    variant.mkdir()
    for name in ("scene.xml", "fitness.py"):
        (variant / name).write_text((folder / "my robots" / "sledge" / name).read_text())
    (variant / "env.py").write_text(
        "from eureka_agent.environment import variant_of\n\n\n"
        "class Variant(variant_of('sledge')):\n    task = 'Go.'\n"
    )
    (folder / "left.py").write_text(LEFT)
    return folder


@pytest.fixture(scope="module")
def measured(folder: Path) -> Path:
    """That folder with a search by a fitness file of its own."""
    run(folder, "search", "variant", "--goal", "Go left.", "--fitness", "left.py", *SMALL)
    return folder


@pytest.fixture(scope="module")
def unmeasured(folder: Path) -> tuple[Path, str, str]:
    """That folder with a search without a fitness, the run's name and its output."""
    words = ("search", "my robots/sledge", "--goal", "Spin.", "--no-fitness", *SMALL)
    done = run(folder, *words)
    name = find_run("latest", folder / "runs").name
    return folder, name, done.stdout + done.stderr


def test_a_search_works_from_a_relative_folder_with_relative_paths(measured: Path) -> None:
    path = find_run("variant", measured / "runs")
    with RunReader.open(path) as reader:
        assert reader.status() == "finished"
        fitness = reader.candidates()[0].fitness
    assert fitness is not None
    report = here("report", "variant", cwd=measured)
    assert report.stdout.strip() == f"runs/{path.name}/report.html"


def test_show_finds_what_a_search_wrote(measured: Path) -> None:
    shown = json.loads(here("show", "variant", "--json", cwd=measured).stdout)
    assert shown["status"] == "finished"
    assert (measured / shown["best"]["policy_path"]).is_file()
    number = str(shown["best"]["candidate"])
    one = json.loads(here("show", "variant", number, "--json", cwd=measured).stdout)
    assert "def compute_reward" in one["text"]
    assert "compute_reward" in here("show", "variant", cwd=measured).stdout


@pytest.mark.long
def test_every_command_works_from_a_relative_folder(measured: Path) -> None:
    run(measured, "resume", "variant", "--generations", "1", "--plain")
    shown = json.loads(run(measured, "evaluate", "variant", "--seeds", "1", "--json").stdout)
    assert shown["status"] == "finished"
    assert len(shown["comparison"]["fitness_only"]["values"]) == 1
    assert Path(shown["best"]["policy_path"]).is_file()
    played = json.loads(run(measured, "play", "variant", "--json").stdout)
    assert played["policies"][0]["fitness"] is not None


@pytest.mark.long
def test_without_a_fitness_none_is_measured_or_shown(
    unmeasured: tuple[Path, str, str],
) -> None:
    folder, name, searched = unmeasured
    assert searched.count("Nothing will check whether the goal is met") == 1
    for text in (searched, run(folder, "show", name).stdout, run(folder, "show", name, "1").stdout):
        said = [line for line in text.lower().splitlines() if "fitness" in line]
        assert all("no fitness" in line or "without a fitness" in line for line in said), said
    assert "Nothing measured whether the goal is met" in searched
    document = json.loads(run(folder, "show", name, "--json").stdout)
    assert document["measured"] is False
    assert document["best"]["fitness"] is document["best"]["ranking_fitness"] is None
    assert document["published_baselines"] is None
    with RunReader.open(find_run(name, folder / "runs")) as reader:
        assert not reader.trainings("human") and not reader.trainings("fitness")
        assert all("fitness" not in row.reflection for row in reader.candidates())
        with pytest.raises(UsageError, match="searched without a fitness"):
            require_evaluable(reader)


@pytest.mark.long
def test_without_a_fitness_a_search_resumes_and_its_winner_plays(
    unmeasured: tuple[Path, str, str],
) -> None:
    folder, name, _ = unmeasured
    again = run(folder, "resume", name, "--generations", "1", "--plain")
    assert "Nothing will check whether the goal is met" in again.stderr
    played = json.loads(run(folder, "play", name, "--json").stdout)["policies"][0]
    assert played["fitness"] is None and played["episodes"][0]["fitness"] is None
