"""Parameters of `compute_reward`: how a name says what it asks for."""

import difflib
import math
from collections.abc import Iterable, Sequence

from eureka_agent.reward.signals import Signal

PREFIXES = ("prev", "start", "max", "min")
"""`prev_<signal>` one control step earlier; the others over the episode so far."""

PLAIN_NAMES = ("action", "prev_action", "terminated", "time_left")
"""What every environment offers besides its signals."""


def parse_parameter(name: str) -> tuple[str, str]:
    """Split a name: `prev_torso_up` is ("prev", "torso_up"), `action` is ("", "action")."""
    prefix, separator, rest = name.partition("_")
    if separator and rest and prefix in PREFIXES and name not in PLAIN_NAMES:
        return prefix, rest
    return "", name


def parameter_names(signals: Sequence[Signal]) -> list[str]:
    """All names that a program may ask for, apart from the keys of its SCALES."""
    names = [signal.name for signal in signals]
    return [*names, *PLAIN_NAMES, *(f"{prefix}_{name}" for prefix in PREFIXES for name in names)]


def columns_of(name: str, signals: Sequence[Signal]) -> float | None:
    """How many columns a parameter has: infinity if that is not known, None if it is `[N]`."""
    if name in ("terminated", "time_left"):
        return None
    sizes = {signal.name: signal.size for signal in signals}
    return sizes.get(name, sizes.get(parse_parameter(name)[1], math.inf))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`Did you mean "torso_up"?`, or nothing if no known name is similar."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'Did you mean "{close[0]}"?' if close else ""
