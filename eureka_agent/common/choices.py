"""Values of settings as people write them, read without loading torch or MuJoCo."""

import re

from eureka_agent.common.errors import UsageError

FREE, TWO_KINDS, SIGNS = "free", "dense-sparse", "signs"
"""The structure of a model's programs: free; dense and sparse parts; or one part of each kind, with
only its sign paid."""
MOST_TRAININGS = 100_000
"""Training runs of one reward on fresh seeds; more would never end."""
LARGEST_ROUND = 1e15
"""Below it, floating point holds every whole number exactly."""


def whole_number(text: str) -> int:
    """A whole number as people write it: 300000, 300_000 or 3e5.

    Raises:
        ValueError: it is not a whole number.
    """
    try:
        return int(text)
    except ValueError:
        value = float(text)
        if not value.is_integer() or abs(value) > LARGEST_ROUND:
            raise
        return int(value)


def require_device_name(name: str) -> None:
    """Refuse what is not the name of a device; whether the device exists is not checked.

    Raises:
        UsageError: it is not the name of a device.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", name):
        raise UsageError(f"There is no device {name!r}.", "Use auto, cpu, cuda or cuda:N.")
