"""A search asks for the isolation that its policy names, and says what it got."""

from pathlib import Path

import pytest
from support import TINY

from eureka_agent.common.errors import MissingError
from eureka_agent.config import SearchConfig
from eureka_agent.search.setup import new_search
from eureka_agent.store import RunReader
from eureka_agent.workers import sandbox
from eureka_agent.workers.sandbox import Isolation, detect_isolation


def begin(runs: Path, **changes: str) -> None:
    new_search(
        "cartpole", runs, lambda found: SearchConfig.for_environment(found, **TINY, **changes)
    ).run.close()


def test_a_machine_that_cannot_keep_programs_in_is_refused_before_there_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weak = Isolation("weak", ("landlock",), {"seccomp": "missing"}, None, "Elsewhere")
    monkeypatch.setattr(sandbox, "detect_isolation", lambda: weak)
    for policy in ("required", "auto"):
        with pytest.raises(MissingError, match="seccomp missing") as caught:
            begin(tmp_path, sandbox=policy)
        assert "--sandbox weak" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
    begin(tmp_path, sandbox="weak")


def test_a_run_says_how_well_its_programs_are_kept_in(tmp_path: Path) -> None:
    begin(tmp_path)
    with RunReader.open(next(tmp_path.iterdir())) as run:
        assert run.row().sandbox == str(detect_isolation())
