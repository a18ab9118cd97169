"""A search is launched, looked at and gone on with from any folder, also without a fitness."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from sledge import sledge
from support import TINY, command

from eureka_agent.store import RunReader, find_run

pytestmark = pytest.mark.slow

SMALL = [f"--{name}={TINY[name]}" for name in ("candidates", "steps")]
SMALL += [f"--set={name}={value}" for name, value in TINY.items() if name not in SMALL]
SMALL += ["--set=candidates=3", "--generations=1", "--set=retrainings=1", "--plain"]
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
    """Where somebody works: a name that a shell and a URL would have to quote, and a robot."""
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


def test_every_command_works_with_relative_paths(folder: Path) -> None:
    words = ("search", "variant", "--goal", "Go to the left.", "--fitness", "left.py", *SMALL)
    run(folder, *words)
    run(folder, "resume", "latest", "--generations", "1", "--plain")
    shown = json.loads(run(folder, "evaluate", "latest", "--seeds", "2", "--json").stdout)
    assert shown["status"] == "finished"
    assert len(shown["comparison"]["fitness_only"]["values"]) == 2
    assert Path(shown["best"]["policy_path"]).is_file()
    played = json.loads(run(folder, "play", "latest", "--json").stdout)
    assert played["policies"][0]["fitness"] is not None
    assert run(folder, "report", "latest").stdout.startswith("runs/")


def test_without_a_fitness_none_is_measured_shown_or_told(folder: Path) -> None:
    words = ("search", "my robots/sledge", "--goal", "Spin.", "--no-fitness", *SMALL)
    done = run(folder, *words)
    assert done.stderr.count("Nothing will check whether the goal is met") == 1
    again = run(folder, "resume", "latest", "--generations", "1", "--plain")
    assert "Nothing will check whether the goal is met" in again.stderr
    told = [done.stdout, again.stdout, run(folder, "show", "latest").stdout]
    told += [run(folder, "show", "latest", "1").stdout]
    for text in told:
        said = [line for line in text.lower().splitlines() if "fitness" in line]
        assert all("no fitness" in line for line in said), said
    assert any("Nothing measured whether the goal is met" in text for text in told)
    document = json.loads(run(folder, "show", "latest", "--json").stdout)
    assert document["measured"] is False
    assert document["best"]["fitness"] is document["best"]["ranking_fitness"] is None
    assert document["published_baselines"] is None
    played = json.loads(run(folder, "play", "latest", "--json").stdout)["policies"][0]
    assert played["fitness"] is None and played["episodes"][0]["fitness"] is None
    with RunReader.open(find_run("latest", folder / "runs")) as reader:
        assert not reader.trainings("human") and not reader.trainings("fitness")
        assert reader.trainings("winner")[0].reproduced
        assert all("fitness" not in row.reflection for row in reader.candidates())
    refused = subprocess.run(command("evaluate", "latest"), capture_output=True, cwd=folder)
    assert refused.returncode == 2
    assert b"searched without a fitness" in refused.stderr
