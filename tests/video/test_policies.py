"""A user's words find the intended policy, or an error in one sentence says why not."""

import io
import json
import shutil
import sqlite3
import zipfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
import torch
from stable_baselines3 import PPO

from eureka_agent.cli.play import find_policies
from eureka_agent.common.errors import UsageError
from eureka_agent.environment import Environment
from eureka_agent.store import Run
from eureka_agent.video.policies import find_policy, read_weights


def test_a_run_means_its_best_policy_and_a_number_one_of_its_candidates(run: Run) -> None:
    best = find_policy(str(run.path), run.path.parent)
    assert best.path == run.path / "best" / "policy.zip" and best.title.endswith("#2")
    first = find_policy("latest", run.path.parent, candidate=1)
    assert first.path == run.candidate_folder(1) / "policy.zip"
    assert (first.seed, first.episodes, first.lanes) == (5, 3, 2)


def test_a_run_is_found_below_a_relative_folder(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run.path.parent)
    for text in ("latest", run.name, f"./{run.name}"):
        assert find_policy(text, Path()).path == run.path / "best" / "policy.zip"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mlp_extractor.policy_net.4.weight", torch.zeros(4, 4)),
        ("mlp_extractor.value_net.2.bias", torch.zeros(1)),
        ("mlp_extractor.policy_net.2.weight", torch.zeros(64, 7)),
        ("action_net.weight", torch.zeros(3)),
        ("log_std", torch.zeros(5)),
    ],
)
def test_layers_that_do_not_fit_together_are_refused(
    run: Run, tmp_path: Path, name: str, value: torch.Tensor
) -> None:
    weights = {**read_weights(run.path / "best" / "policy.zip"), name: value}
    if name.endswith("4.weight"):
        weights["mlp_extractor.policy_net.6.weight"] = value
    with pytest.raises(UsageError, match="does not fit the rest"):
        read_weights(packed(tmp_path / "odd.zip", weights))


def test_a_zip_inside_a_run_is_its_candidate(run: Run) -> None:
    inside = find_policy(str(run.candidate_folder(1) / "policy.zip"), run.path.parent)
    assert inside.title == f"{run.name} #1" and inside.program is not None


def test_the_file_beside_a_zip_names_its_environment(run: Run, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere" / "mine.zip"
    alone.parent.mkdir()
    shutil.copy(run.path / "best" / "policy.zip", alone)
    with pytest.raises(UsageError, match="--env"):
        find_policy(str(alone), tmp_path)
    assert find_policy(str(alone), tmp_path, environment="cartpole").program is None
    shutil.copy(run.path / "best" / "policy.json", alone.with_suffix(".json"))
    assert find_policy(str(alone), tmp_path).environment.name == "cartpole"


def test_the_policy_beside_is_a_number_a_run_or_a_zip(run: Run) -> None:
    zipped = str(run.candidate_folder(1) / "policy.zip")
    for beside in ("1", "#1", zipped):
        both = find_policies("latest", None, beside, None, run.path.parent)
        assert [policy.title[-2:] for policy in both] == ["#2", "#1"]
    both = find_policies("latest", 1, run.name, None, run.path.parent)
    assert [policy.title[-2:] for policy in both] == ["#1", "#2"]


def test_a_run_from_another_machine_finds_its_environment_by_name(
    tmp_path: Path, cartpole: Environment, run: Run
) -> None:
    other = Run.create(
        tmp_path / "copied",
        "cartpole",
        goal=cartpole.task,
        seed=0,
        config={},
        environment_source="/nowhere/envs/cartpole",
    )
    shutil.copytree(run.path / "best", other.path / "best")
    other.add_candidate(0, 0, "", designer="offline")
    other.set_best(1)
    assert find_policy(str(other.path), tmp_path).environment.name == "cartpole"


@pytest.mark.parametrize(("candidate", "said"), [(3, "has no policy"), (9, "no candidate 9")])
def test_a_candidate_without_a_policy_is_named(run: Run, candidate: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find_policy("latest", run.path.parent, candidate)


@pytest.mark.parametrize(
    ("asked", "kept"), [("required", "required"), ("off", "auto"), ("weak", "auto")]
)
def test_a_run_can_demand_more_isolation_but_not_less(run: Run, asked: str, kept: str) -> None:
    run.set_config({"sandbox": asked})
    assert find_policy(str(run.path), run.path.parent).sandbox == kept


def test_a_run_without_a_winner_asks_for_a_candidate(tmp_path: Path) -> None:
    run = Run.create(tmp_path, "cartpole", goal="Swing.", seed=0, config={})
    with pytest.raises(UsageError, match="--candidate"):
        find_policy(str(run.path), tmp_path)


def test_weights_are_read_without_loading_anything_else_of_a_zip(run: Run) -> None:
    path = run.path / "best" / "policy.zip"
    known = PPO.load(path, device="cpu").policy.state_dict()
    bare = path.with_name("bare.zip")
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(bare, "w") as part:
        part.writestr("policy.pth", whole.read("policy.pth"))
    weights = read_weights(bare)
    assert weights.keys() == known.keys()
    assert all(weights[name].equal(known[name]) for name in known)


def packed(path: Path, weights: Mapping[str, object]) -> Path:
    """A zip with a state dict in it."""
    content = io.BytesIO()
    torch.save(weights, content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("policy.pth", content.getvalue())
    return path


def test_weights_that_are_not_of_a_policy_are_refused(run: Run, tmp_path: Path) -> None:
    sound = read_weights(run.path / "best" / "policy.zip")
    assert read_weights(packed(tmp_path / "sound.zip", dict(sound))).keys() == sound.keys()
    for odd in (
        torch.zeros(1).expand(1 << 40),  # a few bytes that would become terabytes
        torch.zeros(2, 2).to_sparse(),
        torch.full((2, 2), float("nan")),
        torch.zeros(2, 2, dtype=torch.int64),
        torch.zeros(2, 2, 2),
    ):
        path = packed(tmp_path / "odd.zip", sound | {"log_std": odd})
        with pytest.raises(UsageError, match=r"holds no policy.*log_std"):
            read_weights(path)
    single = sound | {"mlp_extractor.policy_net.0.weight": torch.zeros(())}
    with pytest.raises(UsageError, match=r"holds no policy.*policy_net"):
        read_weights(packed(tmp_path / "single.zip", single))
    unnamed: Mapping[str, object] = sound | {0: torch.zeros(2, 2)}
    assert read_weights(packed(tmp_path / "unnamed.zip", unnamed)).keys() == sound.keys()


@pytest.mark.parametrize("inside", [False, True])
def test_weights_that_unpack_to_too_much_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    monkeypatch.setattr("eureka_agent.video.policies.MOST_BYTES", 1 << 16)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as inner:
        inner.writestr("archive/data/0", bytes(1 << 17) if inside else b"")
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("policy.pth", content.getvalue() if inside else bytes(1 << 17))
    with pytest.raises(UsageError, match=r"holds no policy.*unpack"):
        read_weights(path)


@pytest.mark.parametrize("said", ["/tmp/evil", "./evil", "gymnasium:evil_module:X-v0", "", 5])
def test_the_file_beside_a_zip_brings_no_code_along(run: Run, tmp_path: Path, said: object) -> None:
    alone = tmp_path / "elsewhere" / "mine.zip"
    alone.parent.mkdir()
    shutil.copy(run.path / "best" / "policy.zip", alone)
    alone.with_suffix(".json").write_text(json.dumps({"environment": said}))
    with pytest.raises(UsageError, match="may be code from elsewhere"):
        find_policy(str(alone), tmp_path)


def test_code_of_a_run_from_elsewhere_is_not_run_unasked(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    folder.mkdir()
    mark = tmp_path / "mark"
    (folder / "env.py").write_text(f"open({str(mark)!r}, 'w')")
    with closing(sqlite3.connect(run.path / "run.db", isolation_level=None)) as connection:
        connection.execute("UPDATE run SET environment_source = ?", (str(folder),))
    asked: list[str] = []
    for ask in (None, asked.append):
        with pytest.raises(UsageError, match="not made here"):
            find_policy(str(run.path), tmp_path, agrees=ask)
    zipped = str(run.path / "best" / "policy.zip")
    with pytest.raises(UsageError, match="not made here"):
        find_policy(zipped, tmp_path)
    assert len(asked) == 1 and not mark.exists()
    assert find_policy(zipped, tmp_path, environment="cartpole").program is not None


@pytest.mark.parametrize("name", ["reporting_episodes", "candidates", "seed"])
@pytest.mark.parametrize("value", [10**15, -1, "many", 1.5, True])
def test_settings_out_of_bounds_are_refused(run: Run, name: str, value: object) -> None:
    if (name, value) == ("seed", 10**15):
        return
    run.set_config({name: value})
    with pytest.raises(UsageError, match=name):
        find_policy(str(run.path), run.path.parent)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"no zip"])
def test_a_file_without_a_policy_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.zip"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="holds no policy"):
        read_weights(path)


def test_a_zip_of_something_else_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("policy.pth", b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(UsageError, match="holds no policy"):
        read_weights(path)
