"""A worker gives up rights before it runs anything."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eureka_agent.workers.isolation.bootstrap import command
from eureka_agent.workers.process import WorkerProcess
from eureka_agent.workers.protocol import Message

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """A worker's view of itself."""
    with WorkerProcess(
        "crooked", address_space_gib=3.0, import_path=[Path(__file__).parents[1] / "children"]
    ) as worker:
        fields = worker.request(Message("limits"), deadline_s=20).fields
        return fields | {"pid": worker.pid}


def test_limits_cannot_be_raised_again(found: dict[str, Any]) -> None:
    assert found["RLIMIT_CORE"] == [0, 0]
    assert found["RLIMIT_FSIZE"] == [64 << 20] * 2
    assert found["RLIMIT_NOFILE"] == [256] * 2
    assert found["RLIMIT_AS"] == [3 << 30] * 2


def test_no_privileges_can_be_gained(found: dict[str, Any]) -> None:
    assert "NoNewPrivs:\t1" in found["status"]


def test_a_worker_has_its_own_session_and_no_descriptor_of_its_parent(
    found: dict[str, Any],
) -> None:
    assert found["session"] == found["pid"]
    # The three standard ones, the protocol's two, the shared byte's map, and the listing itself.
    assert len(found["descriptors"]) <= 7


def test_hashes_and_so_the_order_of_sets_are_reproducible(found: dict[str, Any]) -> None:
    program = "print(hash('a'))"
    fixed = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True
    )
    assert found["hash"] == int(fixed.stdout)


def test_a_worker_imports_only_what_it_asks_for(found: dict[str, Any]) -> None:
    assert "torch" not in found["modules"]
    assert "mujoco" not in found["modules"]


def test_confinement_comes_before_any_library_that_starts_threads() -> None:
    program = (
        "import sys, eureka_agent.workers.isolation.bootstrap as b; print('numpy' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout == "False\n"


def test_a_worker_whose_parent_is_gone_ends_before_it_runs_anything() -> None:
    run = subprocess.run(
        command("crooked", Path("/nowhere"), parent=1), capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "The parent is gone" in run.stderr
    assert run.stdout == ""


def test_a_worker_imports_what_its_parent_does_and_not_the_working_folder() -> None:
    options = json.loads(command("module", Path("/lane"), parent=1)[-1])
    assert "" not in options["path"]
    assert str(ROOT) in options["path"]
    assert all(Path(entry).is_absolute() for entry in options["path"])
