"""What this machine offers, as a plain document."""

import importlib.metadata
import os
import platform
from typing import Any

from eureka_agent import __version__

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
        "gpu": "not used: training runs on the CPU",
        "language_model": {key: "set" if os.environ.get(key) else "not set" for key in KEYS}
        | {"used": "with --model NAME; without it the offline designer writes the programs"},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing: pip install " + package


def _isolation() -> dict[str, str]:
    """How reward programs are kept apart, layer by layer."""
    linux = platform.system() == "Linux"
    return {
        "separate process": "yes",
        "scrubbed environment": "yes",
        "resource limits": "yes" if linux else "yes, but no limit on memory",
        "ends with its parent": "yes" if linux else "at its next message",
        "network and file system": "open: run searches that you do not trust in a container",
    }
