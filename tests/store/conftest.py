"""A run that most tests of the store begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from eureka_agent.store import Run


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """A new run with two candidates."""
    with Run.create(tmp_path, "cartpole", goal="Swing up.", seed=1, config={}) as run:
        for slot in range(2):
            run.add_candidate(0, slot, f"text {slot}", designer="offline")
        yield run
