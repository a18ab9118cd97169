"""One sledge and one process that calls programs, for all tests of the analysis."""

from collections.abc import Iterator

import pytest
from sledge import sledge

from eureka_agent.environment import Environment
from eureka_agent.workers.probe_client import ProbeClient


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return sledge(tmp_path_factory.mktemp("environments") / "sledge")


@pytest.fixture(scope="session")
def prober(environment: Environment) -> Iterator[ProbeClient]:
    with ProbeClient(environment, deadline_s=5.0) as prober:
        yield prober
