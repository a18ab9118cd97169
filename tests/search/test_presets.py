"""Presets are configurations of the one search loop, and describe themselves."""

import json
import shutil
from pathlib import Path

import pytest
from support import run

from eureka_agent.common.errors import UsageError
from eureka_agent.common.paths import data_folder
from eureka_agent.config import SearchConfig
from eureka_agent.designer.base import PastCandidate
from eureka_agent.environment import find_environment
from eureka_agent.search.archive import remembered
from eureka_agent.search.presets import all_presets, difference, find_preset


def past(number: int, generation: int, fitness: float | None) -> PastCandidate:
    return PastCandidate(
        id=number,
        generation=generation,
        text=f'"""Program {number}."""',
        parents=(),
        fitness=fitness,
        failure=None if fitness is not None else "it broke",
        thought="",
        lesson="learned",
        reflection="seen",
    )


PRESETS = all_presets()
TRIED = [past(1, 0, 9.0), past(2, 0, 1.0), past(3, 1, 4.0), past(4, 1, 5.0), past(5, 2, None)]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_configuration(name: str) -> None:
    settings = PRESETS[name].settings
    named = {"model": "any"} if settings.get("designer") == "openai" else {}
    config = SearchConfig.for_environment(find_environment("cartpole"), **settings, **named)
    assert all(getattr(config, key) == value for key, value in settings.items())


def test_a_file_is_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("generations = 7\ntemperature = 1\n")
    assert find_preset(str(file)).settings == {"generations": 7, "temperature": 1}


def test_a_copy_of_a_preset_is_a_preset_with_the_same_content(tmp_path: Path) -> None:
    for name, preset in PRESETS.items():
        file = tmp_path / f"my-{name}.toml"
        file.write_bytes((data_folder("presets") / f"{name}.toml").read_bytes())
        assert find_preset(str(file)).as_dict() == preset.as_dict() | {"name": str(file)}


def test_a_presets_description_may_be_left_out(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[settings]\nseed = 3\n")
    found = find_preset(str(file))
    assert (found.settings, found.reproduces) == ({"seed": 3}, [])
    assert found.summary == f"The settings of {file}."
    file.write_text('summary = "Nothing but words."\n')
    assert find_preset(str(file)).as_dict() == {
        "name": str(file),
        "summary": "Nothing but words.",
        "settings": {},
        "reproduces": [],
        "differs": [],
    }


def test_a_broken_file_among_the_presets_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(data_folder("presets"), tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr("eureka_agent.search.presets.data_folder", lambda name: tmp_path)
    (tmp_path / "quick.toml").write_text("summary = ")
    with pytest.raises(UsageError, match=r"quick\.toml cannot be read"):
        all_presets.__wrapped__()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("generatons = 7", "no setting 'generatons'"),
        ("[settings]\ngeneratons = 7", "no setting 'generatons'"),
        ("[settings]\ngenerations = 1.5", "generations must be a whole number"),
        ("generations = 7\n[settings]\nsteps = 5", "'generations' stands outside the table"),
        ('settings = "quick"', "settings must be a table"),
        ("summary = 7", "summary must be text"),
        ('reproduces = "all"', "reproduces must be a list"),
        ("differs = [7]", "a line of differs must be text"),
        ('generations = "many"', "generations must be a whole number"),
        ("generations = true", "generations must be a whole number"),
        ("generations = ", "cannot be read"),
    ],
)
def test_a_broken_preset_file_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=said):
        find_preset(str(file))


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"no file nowhere\.toml"):
        find_preset("nowhere.toml")


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="'eurika'") as error:
        find_preset("eurika")
    assert "eureka" in (error.value.remedy or "")


def test_designers_know_the_whole_archive() -> None:
    assert remembered(TRIED, SearchConfig()) == TRIED


def test_eureka_shows_designers_the_best_of_the_last_generation_with_a_result() -> None:
    config = SearchConfig(memory="generation")
    assert [p.id for p in remembered(TRIED, config)] == [4]
    assert remembered([TRIED[-1]], config) == []


def test_without_reflection_designers_know_only_the_code() -> None:
    known = remembered(TRIED, SearchConfig(reflection=False))
    assert [p.text for p in known] == [p.text for p in TRIED]
    assert not any(p.fitness or p.failure or p.lesson or p.reflection for p in known)


def test_auto_mc_reward_needs_nothing_but_a_model() -> None:
    settings = PRESETS["auto-mc-reward"].settings
    with pytest.raises(UsageError, match="name of a model"):
        SearchConfig(**settings)
    config = SearchConfig(**settings, model="any")
    assert (config.review_rounds, config.analyst, config.parts) == (3, True, "signs")
    assert (SearchConfig().review_rounds, SearchConfig().analyst) == (0, False)
    assert SearchConfig().parts == "free"


def test_a_misspelt_preset_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="quik") as error:
        find_preset("quik")
    assert "Did you mean quick?" in error.value.remedy


def test_a_difference_names_what_only_one_of_them_sets() -> None:
    found = difference(PRESETS["default"].settings, PRESETS["best-of-n"].settings)
    assert found == dict.fromkeys(("reflection", "strategies", "equivalents"), (None, False))


SHOW = ("config", "show", "quick")


def test_the_commands_show_presets_and_differences() -> None:
    listed = json.loads(run("presets", "--json").stdout)
    assert [entry["name"] for entry in listed] == list(PRESETS)
    assert "Isaac Gym" in " ".join(run("presets", "eureka").stdout.split())
    found = json.loads(run("config", "diff", "quick", "eureka", "--json").stdout)
    assert found["generations"] == {"a": 2, "b": 5}
    settings = {entry["name"]: entry for entry in json.loads(run(*SHOW, "--json").stdout)}
    quick = {name: settings[name]["value"] for name in PRESETS["quick"].settings}
    assert quick == PRESETS["quick"].settings
    assert settings["generations"]["default"] == 3 and settings["steps"]["default"] is None
    assert "generations 2 (default 3) Generations of" in " ".join(run(*SHOW).stdout.split())
    assert "config show" in run("presets", "default").stdout


def test_an_unknown_preset_makes_no_run(tmp_path: Path) -> None:
    done = run("search", "cartpole", "--preset", "eurika", cwd=tmp_path)
    assert done.returncode == 2
    assert "eurika" in done.stderr
    assert not list(tmp_path.rglob("run.db"))
