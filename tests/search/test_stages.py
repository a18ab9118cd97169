"""The stages of a search are connected as its configuration says."""

from pathlib import Path
from typing import Any

import pytest
from sledge import REWARD, sledge

from eureka_agent.common.errors import UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.environment.contrasts import CONTRASTS_FILE
from eureka_agent.search.loop import search
from eureka_agent.search.setup import SearchSetup, build_stages, new_search


def launched(folder: Path, given: str | None = None, **changes: Any) -> SearchSetup:
    environment = sledge(folder / "sledge")
    settings: dict[str, Any] = {"retrainings": 0, "video": False, **changes}

    def config(environment: Any) -> SearchConfig:
        return SearchConfig.for_environment(environment, **settings)

    return new_search(environment.source, folder / "runs", config, given=given)


def test_a_program_that_a_person_gave_is_compared_with_no_other(tmp_path: Path) -> None:
    launch = launched(tmp_path, designer="given", given=REWARD)
    with launch.run, build_stages(launch) as stages:
        parts = (stages.bank, stages.feedback, stages.reward_comparison, stages.review)
        assert parts == (None,) * 4
        assert not (launch.run.path / "bank").exists()


def test_only_what_is_asked_for_reviews_and_films(tmp_path: Path) -> None:
    launch = launched(tmp_path)
    with launch.run, build_stages(launch) as stages:
        assert None not in (stages.bank, stages.feedback, stages.reward_comparison)
        assert (stages.review, stages.films) == (None, None)


def test_stages_that_cannot_be_connected_end_the_search_before_it_runs_anything(
    tmp_path: Path,
) -> None:
    launch = launched(tmp_path, exam=True)
    (tmp_path / "sledge" / CONTRASTS_FILE).write_text("CONTRASTS = 3\n")
    with launch.run as run:
        with pytest.raises(UsageError, match="defines no contrasts"):
            search(launch)
        assert (run.row().status, run.candidates(), run.trainings()) == ("failed", [], [])
        assert not list((run.path / "bank").iterdir())
