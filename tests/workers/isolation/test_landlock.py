"""A locked process keeps the files that it named, and no others."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from eureka_agent.workers.isolation.landlock import abi

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(abi() < 3, reason="this kernel's Landlock is too old or missing")

BEGINNING = """
import ctypes, json, os, sys
from pathlib import Path
from eureka_agent.workers.isolation import lock
from eureka_agent.workers.isolation.syscalls import prctl
from eureka_agent.workers.isolation.landlock import READ, USE, Rule, restrict

def works(attempt):
    try:
        attempt()
    except PermissionError:
        return False
    return True

folder = Path(sys.argv[1])
prctl(38, 1)
"""


def said(program: str, folder: Path) -> dict[str, Any]:
    """The output of a program in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", BEGINNING + program, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return json.loads(run.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("readable", "usable", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    return tmp_path


def test_rules_open_what_they_name_and_nothing_beside_it(folder: Path) -> None:
    program = """
restrict([
    Rule(folder / "missing", READ),
    Rule(folder / "readable", READ),
    Rule(folder / "usable" / "file", USE),
])
print(json.dumps({
    "read what is readable": works((folder / "readable" / "file").read_text),
    "list what is readable": works(lambda: os.listdir(folder / "readable")),
    "write what is readable": works(lambda: (folder / "readable" / "file").write_text("y")),
    "write what is usable": works(lambda: (folder / "usable" / "file").write_text("y")),
    "write beside it": works(lambda: (folder / "usable" / "other").write_text("y")),
    "read the rest": works((folder / "closed" / "file").read_text),
    "make folders": works((folder / "usable" / "made").mkdir),
}))
"""
    assert said(program, folder) == {
        "read what is readable": True,
        "list what is readable": True,
        "write what is readable": False,
        "write what is usable": True,
        "write beside it": False,
        "read the rest": False,
        "make folders": False,
    }


def test_a_process_with_a_gpu_keeps_its_devices_and_libraries_and_no_file_of_the_user(
    folder: Path,
) -> None:
    """With a package that stands in for torch, as no GPU is needed to see this."""
    program = """
import email, mmap
lock.LIBRARIES = ("email",)
library = Path(email.__path__[0]) / "charset.py"
assert lock.lock(cuda=True)

def load():
    with open(library, "rb") as file:
        mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)

print(json.dumps({
    "use a device": works(lambda: Path("/dev/null").write_text("x")),
    "read a library": works(library.read_text),
    "load a library": works(load),
    "name a thread": works(lambda: Path(f"/proc/self/task/{os.getpid()}/comm").write_text("x")),
    "read a file": works((folder / "closed" / "file").read_text),
    "write a file": works(lambda: (folder / "closed" / "file").write_text("y")),
    "read a neighbour of the library": works(Path(json.__file__).read_text),
    "read the parent's environment": works(Path(f"/proc/{os.getppid()}/environ").read_bytes),
    "fork": works(os.fork),
}))
"""
    assert said(program, folder) == {
        "use a device": True,
        "read a library": True,
        "load a library": True,
        "name a thread": True,
        "read a file": False,
        "write a file": False,
        "read a neighbour of the library": False,
        "read the parent's environment": False,
        "fork": False,
    }
