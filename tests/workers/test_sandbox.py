"""A machine's isolation is tried out, and a policy asks for a level of it."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from eureka_agent.common.errors import MissingError, UsageError
from eureka_agent.workers import sandbox
from eureka_agent.workers.isolation import landlock
from eureka_agent.workers.isolation.bootstrap import BUBBLEWRAP, SANDBOX_EXEC, Wrapper
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import Message
from eureka_agent.workers.sandbox import (
    LEVELS,
    POLICIES,
    WORK,
    Isolation,
    attempts,
    detect_isolation,
    prove,
    require_isolation,
)

CHILDREN = Path(__file__).parent / "children"
STAGES = ["capabilities", "landlock", "seccomp", "together"]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's layers")
modern = pytest.mark.skipif(landlock.abi() < 6, reason="this kernel's Landlock is older")


def tried(module: str, kind: str, stages: list[str], **fields: Any) -> dict[str, dict[str, str]]:
    with WorkerProcess(module, import_path=[CHILDREN]) as worker:
        message = Message(kind, {"stages": stages, **fields})
        return worker.request(message, deadline_s=60).fields["outcomes"]


def outcomes(**broken: str) -> dict[str, dict[str, str]]:
    """Outcomes of a trial in which all layers hold, except for some that leave something open."""
    perfect = {WORK: "", **dict.fromkeys(attempts(Path(), -1, -1), "")}
    found = {stage: dict(perfect) for stage in STAGES}
    for stage, attempt in broken.items():
        found[stage][attempt] = "it worked"
    return found


@modern
def test_forbidden_things_work_without_the_lock_down_and_never_with_it() -> None:
    found = tried("eureka_agent.workers.sandbox", "try_stages", ["nothing", *STAGES])
    free = {"use a privilege"} if os.getuid() else set()
    assert {name for name, said in found["nothing"].items() if said} | free == set(
        attempts(Path(), -1, -1)
    )
    assert not any(found["together"].values())
    assert not any(found["seccomp"].values())
    assert not found["capabilities"]["use a privilege"]
    closed = {name for name, said in found["landlock"].items() if not said}
    assert closed >= {
        "read a file",
        "write a file",
        "delete a file",
        "look into another process",
        "connect",
        "signal another process",
        "run another program",
    }


@modern
def test_an_ordinary_user_is_locked_as_root_is() -> None:
    if os.getuid():
        pytest.skip("everything here runs as an ordinary user")
    found = tried("elsewhere", "ordinary", STAGES)
    assert prove(found, landlock.abi()).level == "full"


@modern
def test_a_container_with_its_default_filter_locks_as_well() -> None:
    found = tried("elsewhere", "container", STAGES, old=False)
    assert prove(found, landlock.abi()).level == "full"


@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS])
def test_a_container_that_hides_landlock_still_closes_everything(error: int) -> None:
    found = tried("elsewhere", "container", STAGES, old=True, error=error)
    proved = prove(found, 0)
    assert proved.level == "reduced"
    assert proved.layers == ("seccomp",)
    assert "missing" in proved.findings["landlock"]
    assert not any(found["together"].values())


@pytest.mark.parametrize(
    ("broken", "abi", "level", "layers"),
    [
        ({}, 7, "full", ("landlock", "seccomp")),
        ({}, 3, "full-", ("landlock", "seccomp")),
        ({"landlock": "read a file"}, 7, "reduced", ("seccomp",)),
        ({"together": "start a process"}, 7, "reduced", ("landlock", "seccomp")),
        ({"seccomp": "start a process"}, 7, "weak", ("landlock",)),
        ({"seccomp": "open a socket", "landlock": "write a file"}, 7, "static-only", ()),
    ],
)
def test_the_level_follows_from_the_outcomes(
    broken: dict[str, str], abi: int, level: str, layers: tuple[str, ...]
) -> None:
    found = prove(outcomes(**broken), abi)
    assert (found.level, found.layers) == (level, layers)
    for stage, attempt in broken.items():
        assert f"could still {attempt}" in found.findings[stage]
    assert bool(found.warning) == (level not in ("full", "full-"))


def test_a_stage_that_was_not_tried_is_not_proved() -> None:
    silent = {stage: {} for stage in STAGES}
    assert prove(silent, 7).level == "static-only"
    failed = {stage: {WORK: "OSError: no"} for stage in STAGES}
    assert prove(failed, 7).level == "static-only"
    assert "OSError: no" in prove(failed, 7).findings["seccomp"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_refuses_worse_levels_than_it_accepts(
    policy: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Isolation(level, (), {"landlock": "of some kind"}, None, "Somewhere 1.0")
    monkeypatch.setattr(sandbox, "detect_isolation", lambda: found)
    if policy == "off":
        assert require_isolation(policy).level == "static-only"
        assert require_isolation(policy).layers == ()
    elif LEVELS.index(level) <= LEVELS.index(POLICIES[policy]):
        assert require_isolation(policy) is found
    else:
        with pytest.raises(MissingError, match=level) as caught:
            require_isolation(policy)
        assert "--sandbox" in caught.value.remedy


def test_an_unknown_policy_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="'maybe'"):
        require_isolation("maybe")


def test_a_machine_is_tried_once() -> None:
    assert detect_isolation() is detect_isolation()
    assert detect_isolation().level in LEVELS
    assert detect_isolation().level in str(detect_isolation())


def test_bubblewrap_hides_the_network_and_other_processes() -> None:
    failure = sandbox.wrapper_failure(BUBBLEWRAP)
    if failure:
        pytest.skip(f"bubblewrap {failure}")
    with WorkerProcess(
        "crooked", wrapper=BUBBLEWRAP, import_path=[CHILDREN], memory_gib=0.5
    ) as worker:
        fields = worker.request(Message("limits"), deadline_s=60).fields
        assert "NoNewPrivs:\t1" in fields["status"]
        with pytest.raises(sandbox.WorkerFailed, match=r"more than 0\.5 GiB"):
            worker.request(Message("grow"), deadline_s=60)


def test_a_wrapper_that_does_not_work_is_found_out() -> None:
    assert "ended" in sandbox.wrapper_failure(Wrapper("false", lambda scratch: ["false"]))
    useless = Wrapper("env", lambda scratch: ["env"])
    assert "could still" in sandbox.wrapper_failure(useless)
    assert sandbox.wrapper_failure(Wrapper("no-such-program", lambda scratch: [])) == (
        "not installed"
    )


def test_the_macos_profile_names_the_scratch_folder(tmp_path: Path) -> None:
    words = SANDBOX_EXEC.words(tmp_path)
    assert words[:2] == ["sandbox-exec", "-p"]
    assert f'(subpath "{tmp_path.resolve()}")' in words[2]
    assert words[2].count("(") == words[2].count(")")
