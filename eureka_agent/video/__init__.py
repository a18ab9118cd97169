"""Playing trained policies, and films of what they do."""

from pathlib import Path

from eureka_agent.common.errors import UsageError

MOST_PER_SECOND = {".mp4": 30, ".gif": 15}
"""Frames per second at most, by format; films run in real time."""


def require_film_name(wanted: Path) -> None:
    """Refuse the name of a film before torch and MuJoCo load to play a policy for it.

    Raises:
        UsageError: its format is unknown, or its folder is missing.
    """
    if wanted.suffix not in MOST_PER_SECOND:
        raise UsageError(f"{wanted} is not the name of a film.", "Let it end in .mp4 or .gif.")
    if not wanted.parent.is_dir():
        raise UsageError(f"There is no folder {wanted.parent}.", "Make it, or name another.")
