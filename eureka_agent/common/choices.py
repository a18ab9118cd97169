"""What people write for a setting: read here, without loading what stands behind it."""

import re

from eureka_agent.common.errors import UsageError

PARTS = FREE, TWO_KINDS, SIGNS = "free", "dense-sparse", "signs"
"""What a model's programs are made of: what it likes; dense parts and sparse ones; or one of each,
of which only the sign is paid."""
MOST_TRAININGS = 100_000
"""Of one reward on fresh seeds: more never end."""
LARGEST_ROUND = 1e15
"""Below it, a number with an exponent is exactly the one that was written."""


def whole_number(text: str) -> int:
    """A whole number as people write it: 300000, 300_000 or 3e5.

    Raises:
        ValueError: it is none.
    """
    try:
        return int(text)
    except ValueError:
        value = float(text)
        if not value.is_integer() or abs(value) > LARGEST_ROUND:
            raise
        return int(value)


def require_device_name(name: str) -> None:
    """Refuse what is not the name of a device, there or not.

    Raises:
        UsageError: it is none.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", name):
        raise UsageError(f"There is no device {name!r}.", "Use auto, cpu, cuda or cuda:N.")
