"""The data folders are found from a checkout, whatever the working directory."""

from pathlib import Path

import pytest

from eureka_agent.errors import MissingError
from eureka_agent.paths import data_folder


@pytest.mark.parametrize("name", ["envs", "prompts"])
def test_a_data_folder_does_not_depend_on_the_working_directory(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = data_folder(name)
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    assert before.is_absolute() and before.is_dir()
    assert data_folder(name) == before


def test_a_folder_that_did_not_come_along_is_missed_by_name() -> None:
    with pytest.raises(MissingError, match="'no_such_folder'"):
        data_folder("no_such_folder")
