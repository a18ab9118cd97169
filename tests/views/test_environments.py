"""Environments are told in a line each, or with all that is known of one."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from eureka_agent.cli.catalogue import environments_document
from eureka_agent.common.errors import UsageError
from eureka_agent.views.terminal.tables import environment_view, environments_table


@pytest.fixture(scope="module")
def entries() -> list[dict[str, Any]]:
    return environments_document()


def drawn(view: RenderableType, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 120])
def test_every_environment_has_its_line(entries: list[dict[str, Any]], width: int) -> None:
    text = drawn(environments_table(entries), width)
    assert all(entry["name"] in text for entry in entries)
    assert max(map(len, text.splitlines())) <= width


def test_one_environment_tells_its_signals_actions_and_ends() -> None:
    (entry,) = environments_document(["hopper"])
    text = drawn(environment_view(entry), 100)
    assert all(signal["name"] in text for signal in entry["signals"])
    assert "torque on thigh_joint" in text
    assert "early end" in text


def test_a_broken_environment_says_why_instead() -> None:
    broken = {"name": "crooked", "task": "", "signals": [], "failure": "It has no task."}
    assert "broken: It has no task." in drawn(environments_table([broken]), 80)


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(UsageError, match="hoper"):
        environments_document(["hoper"])
