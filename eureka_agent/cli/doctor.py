"""The command `doctor`: what this machine offers."""

import importlib.metadata
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

from eureka_agent import __version__
from eureka_agent.cli.options import AsJson, app, output
from eureka_agent.common.text import terminal_text

if TYPE_CHECKING:
    from rich.table import Table

PACKAGES = ("torch", "mujoco", "stable-baselines3", "gymnasium", "numpy", "openai")
KEY = "OPENAI_API_KEY"


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Show what this machine offers: versions, processors, isolation, language model."""
    output(machine_document(), machine_table, as_json)


def machine_document() -> dict[str, Any]:
    """The document of `doctor --json`; it says whether a key is set, and never the key."""
    from eureka_agent.simulation import describe_devices  # loads torch, which finds the GPUs
    from eureka_agent.simulation.rendering import describe_rendering
    from eureka_agent.tracking import describe_events
    from eureka_agent.video.film import describe_films

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "version": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cores": cores,
        "packages": {name: _version(name) for name in PACKAGES},
        "isolation": _isolation(),
        "devices": describe_devices(),
        "pictures": describe_rendering(),
        "films": describe_films(),
        "tensorboard": describe_events(),
        "language_model": {
            KEY: "set" if os.environ.get(KEY) else "not set",
            "used": "with --model NAME; without it the offline designer writes the programs",
        },
    }


def machine_table(document: dict[str, Any]) -> "Table":
    """The document for people."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in document.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for i, (part, said) in enumerate(rows):
            title = name.replace("_", " ") if i == 0 else ""
            table.add_row(title, Text(part), Text(terminal_text(str(said))))
    return table


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return f"missing: pip install {package}"


def _isolation() -> dict[str, str]:
    """The layers that isolate reward programs, found by trying them."""
    from eureka_agent.workers.sandbox import detect_isolation

    found = detect_isolation()
    return {
        "level": f"{found.level}: {found.meaning}",
        **found.findings,
        **({"started inside of": found.wrapper.name} if found.wrapper else {}),
        **({"warning": found.warning} if found.warning else {}),
        "resource limits": "yes" if sys.platform == "linux" else "yes, but none on memory",
        "ends with its parent": "yes" if sys.platform == "linux" else "at its next message",
    }
