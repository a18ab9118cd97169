"""A finished search that many tests look at."""

import pytest
from support import TINY

from eureka_agent.search import SearchConfig, new_search, search
from eureka_agent.store import RunReader


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    """A finished search of two generations, with its comparison."""
    folder = tmp_path_factory.mktemp("runs")
    launch = new_search(
        "cartpole",
        folder,
        lambda found: SearchConfig.for_environment(found, **TINY, generations=2, retrainings=1),
    )
    search(launch)
    launch.run.close()
    return RunReader.open(launch.run.path)
