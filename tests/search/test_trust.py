"""A run from elsewhere is not gone on with unasked: no code of it runs, and no key is sent."""

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from eureka_agent.cli.options import agreement
from eureka_agent.common.errors import UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.environment import find_environment
from eureka_agent.search.setup import resumed_search
from eureka_agent.store import Run

ADDRESS = "http://127.0.0.1:9/v1"


def run_with(folder: Path, *, stolen: bool, **changes: object) -> Path:
    """A run with some settings, that were changed by others if it is `stolen`."""
    cartpole = find_environment("cartpole")
    config = SearchConfig.for_environment(cartpole).as_dict()
    both = config | changes
    named = {"goal": cartpole.task, "seed": 0, "environment_source": cartpole.source}
    with Run.create(folder, "cartpole", config=config if stolen else both, **named) as run:
        path = run.path
    with closing(sqlite3.connect(path / "run.db", isolation_level=None)) as connection:
        connection.execute("UPDATE run SET config = ?", (json.dumps(both),))
    return path


def test_a_key_goes_to_no_address_that_somebody_else_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    model = {"designer": "openai", "model": "m", "base_url": ADDRESS}
    stolen = run_with(tmp_path, stolen=True, **model)
    with pytest.raises(UsageError, match=ADDRESS) as raised:
        resumed_search(stolen)
    assert "OPENAI_API_KEY" in raised.value.message and "--trust" in raised.value.remedy
    assert resumed_search(stolen, agrees=agreement(True)).config.base_url == ADDRESS
    assert resumed_search(run_with(tmp_path, stolen=False, **model)).config.base_url == ADDRESS


@pytest.mark.parametrize("value", ["many", 1.5, 10**18, [], None])
def test_settings_that_no_search_has_are_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(UsageError, match="steps"):
        resumed_search(run_with(tmp_path, stolen=True, steps=value))


def test_a_run_keeps_the_trust_in_it_when_it_is_given_more_to_do(tmp_path: Path) -> None:
    path = run_with(tmp_path, stolen=False, sandbox="off")
    assert resumed_search(path, 2).run.made_here()


def test_where_nobody_can_be_asked_only_the_option_agrees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert agreement(True)("It runs code.") and not agreement(False)("It runs code.")
