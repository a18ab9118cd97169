"""Words that people choose among: checked here, without loading what stands behind them."""

import re

from eureka_agent.errors import UsageError

PARTS = FREE, TWO_KINDS, SIGNS = "free", "dense-sparse", "signs"
"""What a model's programs are made of: what it likes; dense parts and sparse ones; or one of each,
of which only the sign is paid."""


def require_device_name(name: str) -> None:
    """Refuse what is not the name of a device, there or not.

    Raises:
        UsageError: it is none.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", name):
        raise UsageError(f"There is no device {name!r}.", "Use auto, cpu, cuda or cuda:N.")
