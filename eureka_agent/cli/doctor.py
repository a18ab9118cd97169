"""What this machine offers, as a plain document."""

import importlib.metadata
import os
import platform
import sys
from typing import Any

from eureka_agent import __version__
from eureka_agent.simulation import describe_devices
from eureka_agent.simulation.rendering import describe_rendering
from eureka_agent.tracking import describe_events
from eureka_agent.video.film import describe_films
from eureka_agent.workers.sandbox import detect_isolation

PACKAGES = ("torch", "mujoco", "stable-baselines3", "gymnasium", "numpy", "openai")
KEYS = ("OPENAI_API_KEY",)


def machine_document() -> dict[str, Any]:
    """The document of `doctor --json`; of keys it says whether they are set, no more."""
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
        "language_model": {key: "set" if os.environ.get(key) else "not set" for key in KEYS}
        | {"used": "with --model NAME; without it the offline designer writes the programs"},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing: pip install " + package


def _isolation() -> dict[str, str]:
    """What keeps reward programs in, layer by layer, found out by trying."""
    found = detect_isolation()
    return {
        "level": f"{found.level}: {found.meaning}",
        **found.findings,
        **({"started inside of": found.wrapper.name} if found.wrapper else {}),
        **({"warning": found.warning} if found.warning else {}),
        "resource limits": "yes" if sys.platform == "linux" else "yes, but none on memory",
        "ends with its parent": "yes" if sys.platform == "linux" else "at its next message",
    }
