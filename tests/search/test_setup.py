"""A search is set up as its configuration says: stages, device, isolation, trust."""

import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from sledge import REWARD, sledge
from support import TINY

from eureka_agent.cli.options import agreement
from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.config import SearchConfig
from eureka_agent.environment import find_environment
from eureka_agent.environment.contrasts import CONTRASTS_FILE
from eureka_agent.search.loop import search
from eureka_agent.search.setup import SearchSetup, build_stages, new_search, resumed_search
from eureka_agent.simulation import devices
from eureka_agent.store import Run, RunReader
from eureka_agent.workers import sandbox
from eureka_agent.workers.sandbox import Isolation, detect_isolation


def launched(folder: Path, given: str | None = None, **changes: Any) -> SearchSetup:
    environment = sledge(folder / "sledge")
    settings: dict[str, Any] = {"retrainings": 0, "video": False, **changes}

    def config(environment: Any) -> SearchConfig:
        return SearchConfig.for_environment(environment, **settings)

    return new_search(environment.source, folder / "runs", config, given=given)


def test_a_given_program_is_compared_with_no_other(tmp_path: Path) -> None:
    launch = launched(tmp_path, designer="given", given=REWARD)
    with launch.run, build_stages(launch) as stages:
        parts = (stages.bank, stages.feedback, stages.reward_comparison, stages.review)
        assert parts == (None,) * 4
        assert not (launch.run.path / "bank").exists()


def test_reviews_and_films_are_made_only_on_request(tmp_path: Path) -> None:
    launch = launched(tmp_path)
    with launch.run, build_stages(launch) as stages:
        assert None not in (stages.bank, stages.feedback, stages.reward_comparison)
        assert (stages.review, stages.films) == (None, None)


def test_a_search_whose_stages_cannot_be_built_fails_before_it_trains(
    tmp_path: Path,
) -> None:
    launch = launched(tmp_path, exam=True)
    (tmp_path / "sledge" / CONTRASTS_FILE).write_text("CONTRASTS = 3\n")
    with launch.run as run:
        with pytest.raises(UsageError, match="defines no contrasts"):
            search(launch)
        assert (run.row().status, run.candidates(), run.trainings()) == ("failed", [], [])
        assert not list((run.path / "bank").iterdir())


def without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpu_obstacle", lambda index=0: MissingError("No GPU.", "Buy."))


def with_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpu_obstacle", lambda index=0: None)


def configured(**changes: Any) -> SearchConfig:
    return SearchConfig.for_environment(find_environment("cartpole"), **changes)


def test_a_new_run_takes_the_gpu_if_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    assert configured().device == "cuda"
    assert configured(device="auto").device == "cuda"
    assert configured(device="cuda:1").device == "cuda:1"
    assert configured(device="cpu").device == "cpu"
    without_gpu(monkeypatch)
    assert configured().device == "cpu"


def test_a_gpu_that_is_not_there_is_refused_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_gpu(monkeypatch)
    with pytest.raises(MissingError, match=r"No GPU\. Buy"):
        new_search("cartpole", tmp_path, lambda found: configured(device="cuda"))
    assert not list(tmp_path.iterdir())


def test_sb3_trains_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    assert configured(trainer="sb3", candidates=1).device == "cpu"
    with pytest.raises(UsageError, match="--device cpu"):
        configured(trainer="sb3", candidates=1, device="cuda")


def test_a_gpu_run_resumes_only_with_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch)
    launch = new_search("cartpole", tmp_path, lambda found: configured(**TINY | {"device": "cuda"}))
    launch.run.close()
    without_gpu(monkeypatch)
    with pytest.raises(MissingError, match=r"This run trains on cuda\. No GPU"):
        resumed_search(launch.run.path)
    with_gpu(monkeypatch)
    assert resumed_search(launch.run.path).config.device == "cuda"


def test_no_gpu_is_looked_for_where_the_cpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked(*arguments: object) -> bool:
        raise AssertionError("looked for a GPU")

    monkeypatch.setattr(torch.cuda, "is_available", looked)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert configured(device="cpu").device == "cpu"


def begin(runs: Path, **changes: str) -> None:
    new_search(
        "cartpole", runs, lambda found: SearchConfig.for_environment(found, **TINY, **changes)
    ).run.close()


def test_a_machine_without_isolation_is_refused_before_there_is_a_run(
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


def test_a_run_stores_its_isolation_level(tmp_path: Path) -> None:
    begin(tmp_path)
    with RunReader.open(next(tmp_path.iterdir())) as run:
        assert run.row().sandbox == str(detect_isolation())


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


def test_a_key_goes_to_no_address_from_a_foreign_run(
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
def test_a_stored_setting_that_does_not_fit_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(UsageError, match="steps"):
        resumed_search(run_with(tmp_path, stolen=True, steps=value))


def test_a_run_with_more_generations_is_still_trusted(tmp_path: Path) -> None:
    path = run_with(tmp_path, stolen=False, sandbox="off")
    assert resumed_search(path, 2).run.made_here()


def test_without_a_terminal_only_the_option_agrees(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert agreement(True)("It runs code.") and not agreement(False)("It runs code.")
