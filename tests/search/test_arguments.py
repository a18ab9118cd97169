"""A search refuses bad arguments before anything loads, with the cause and the cure."""

from pathlib import Path

import pytest
from sledge import sledge

from eureka_agent.common.environments import environment_folder, require_environment
from eureka_agent.common.errors import UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.search.arguments import check_arguments, read_fitness, read_goal, same_sentence
from eureka_agent.search.setup import new_search

SOUND = "def fitness(place): return -place"


@pytest.mark.parametrize("goal", ["", "   ", "\n\t", "...", "-"])
def test_a_goal_without_words_is_refused(goal: str) -> None:
    with pytest.raises(UsageError, match="says nothing") as caught:
        read_goal(goal)
    assert "--goal" in caught.value.remedy


def test_sentences_are_the_same_whatever_their_case_spaces_and_full_stop() -> None:
    assert read_goal("  Run\n  backwards. ") == "Run backwards."
    assert same_sentence("Run  forward as fast as possible", "run forward as fast as possible.")
    assert not same_sentence("Run forward.", "Run backward.")


@pytest.mark.parametrize("source", ["cartpole", "half_cheetah"])
def test_a_goal_that_nothing_measures_is_refused_with_both_ways_out(source: str) -> None:
    with pytest.raises(UsageError, match="Nothing measures this goal") as caught:
        check_arguments(source, "Do backflips.", None, measured=True)
    assert "--fitness FILE" in caught.value.remedy
    assert "--no-fitness" in caught.value.remedy
    check_arguments(source, "Do backflips.", None, measured=False)


def test_a_fitness_and_none_exclude_each_other(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(SOUND)
    with pytest.raises(UsageError, match="--no-fitness"):
        check_arguments("cartpole", "Spin.", path, measured=False)


@pytest.mark.parametrize(
    ("name", "text", "message", "remedy"),
    [
        ("Hop backwards", None, "not words", "--goal"),
        ("missing.py", None, "There is no file", "a number per step"),
        ("my file.py", None, "There is no file", "a number per step"),
        ("folder", "fitness.py", "is a folder", "folder/fitness.py"),
        ("syntax.py", "\ndef fitness(place:", "line 2 is not Python", "Fix it"),
        ("other.py", "def reward(place): return place", "no function called fitness", "tutorial"),
        ("empty.py", "", "no function called fitness", "tutorial"),
        ("bytes.py", b"\xff\xfe", "cannot be read as Python", "tutorial"),
    ],
)
def test_a_file_that_is_no_fitness_is_refused_by_name(
    tmp_path: Path, name: str, text: str | bytes | None, message: str, remedy: str
) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        (path / "fitness.py").write_text(SOUND)
    elif isinstance(text, bytes):
        path.write_bytes(text)
    elif text is not None:
        path.write_text(text)
    shown = path if path.exists() else Path(name)
    with pytest.raises(UsageError, match=message) as caught:
        read_fitness(shown)
    assert name in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "text", [SOUND, "fitness = lambda place: -place", "from helpers import fitness"]
)
def test_a_fitness_may_be_defined_in_any_way(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert read_fitness(path) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\ndef fitness(height):\n    return height", "line 2: the fitness reads 'height'"),
        ("from beside import fitness", "without what is beside it"),
    ],
)
def test_a_fitness_that_cannot_measure_leaves_no_run(tmp_path: Path, text: str, said: str) -> None:
    environment = sledge(tmp_path / "sledge")
    path = tmp_path / "mine.py"
    path.write_text(text)
    (tmp_path / "beside.py").write_text(SOUND)
    with pytest.raises(UsageError) as caught:
        new_search(
            environment.source,
            tmp_path / "runs",
            lambda found: SearchConfig.for_environment(found, device="cpu"),
            goal="Go left.",
            fitness=path,
        )
    assert said in str(caught.value)
    assert str(path) in caught.value.message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("make the half cheetah do backflips", "search half_cheetah --goal"),
        ("balance a broom", "search ENV --goal"),
        ("./nowhere", "There is no folder"),
        ("", "is empty"),
        ("cartpol", "Did you mean 'cartpole'"),
        ("gymnasium:", "names no environment"),
        ("gymnasium:./missing.toml", "There is no file"),
    ],
)
def test_a_name_of_no_environment_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_environment(text)
    assert said in str(caught.value)


def test_the_code_of_an_environment_stands_for_its_folder(tmp_path: Path) -> None:
    folder = sledge(tmp_path / "sledge").folder
    assert environment_folder(str(folder / "env.py")) == folder
    with pytest.raises(UsageError, match="it is a file"):
        environment_folder(str(folder / "scene.xml"))
