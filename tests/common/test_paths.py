"""The data folders are found from a checkout, whatever the working directory."""

import shlex
from pathlib import Path

import pytest

from eureka_agent.common.errors import MissingError
from eureka_agent.common.paths import command, data_folder, expanded, shorten_paths


@pytest.mark.parametrize("name", ["envs", "prompts"])
def test_a_data_folder_does_not_depend_on_the_working_directory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = data_folder(name)
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert before.is_absolute() and before.is_dir()
    assert data_folder(name) == before


def test_a_missing_data_folder_is_named() -> None:
    with pytest.raises(MissingError, match="'no_such_folder'"):
        data_folder("no_such_folder")


def test_paths_below_the_working_folder_are_shown_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = Path.cwd()
    assert shorten_paths(here / "runs" / "one") == "runs/one"
    assert shorten_paths(f"Continue: {here}/runs/one") == "Continue: runs/one"
    assert shorten_paths(f"/elsewhere{here}/runs") == f"/elsewhere{here}/runs"
    assert shorten_paths(f"{here}-other/runs") == f"{here}-other/runs"
    words = shlex.split(command("resume", here / "my runs" / "o'ne"))
    assert words == ["eureka-agent", "resume", "my runs/o'ne"]
    monkeypatch.chdir("/")
    assert shorten_paths("/usr/lib") == "/usr/lib"


def test_a_tilde_is_the_home_and_an_unknown_one_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert expanded("~/runs") == Path("/home/me/runs")
    assert expanded("~nobody-of-this-name/runs") == Path("~nobody-of-this-name/runs")
