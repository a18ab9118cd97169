"""How a child comes to life: the parent's `command`, and `main`, the first thing the child runs.

The interpreter starts without user site packages and without the working folder on its path, and
imports from where the parent does, which works from a checkout, an editable install and a wheel.
`-I` would say the same, but it also ignores PYTHONHASHSEED, and with it goes reproducibility;
the environment is an allow-list, so no other PYTHON variable can be there.
"""

import json
import os
import runpy
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from eureka_agent.workers.isolation.limits import Limits, confine

_FIRST_WORDS = (
    "import json, sys; options = json.loads(sys.argv[1]); sys.path[:] = options['path']; "
    "from eureka_agent.workers.isolation.bootstrap import main; main(options)"
)


def command(
    module: str, limits: Limits, blame: Path, import_path: Sequence[Path] = ()
) -> list[str]:
    """Return the command line that runs `module` as a confined child.

    Args:
        module: dotted name of a module that calls `serve` when run.
        limits: what the child may use.
        blame: the file of the shared byte.
        import_path: folders to import from beside the parent's.
    """
    package_root = str(Path(__file__).resolve().parents[3])
    # Absolute, as the child works in another folder; the parent's "" is its working folder.
    path = [os.path.abspath(entry) for entry in (*import_path, *sys.path)]
    if package_root not in path:
        path.append(package_root)  # an editable install may have found it without the path
    options = {"module": module, "limits": asdict(limits), "blame": str(blame), "path": path}
    return [sys.executable, "-P", "-s", "-B", "-c", _FIRST_WORDS, json.dumps(options)]


def main(options: dict) -> None:
    """Confine this process, then run the module with its pipes and the shared byte as arguments."""
    source, sink = _take_pipes()
    confine(Limits(**options["limits"]))
    sys.argv = [options["module"], str(source), str(sink), options["blame"]]
    runpy.run_module(options["module"], run_name="__main__", alter_sys=True)


def _take_pipes() -> tuple[int, int]:
    """Move the protocol's pipes away from fds 0 and 1, so that a stray print cannot corrupt it."""
    source, sink = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink
