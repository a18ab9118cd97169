"""Names of signals: made of the names that a model's parts have, and each only once."""

import keyword
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from eureka_agent.env_tools.scaffold.quoting import shown
from eureka_agent.env_tools.scaffold.sensors import SignalText
from eureka_agent.environment import Environment
from eureka_agent.reward import PREFIXES
from eureka_agent.reward.signals import PLAIN_NAMES

LONGEST = 40
"""Letters of a part's name that the names of its signals begin with."""
LISTED = 12
"""Parts whose new names a sentence lists."""

_RESERVED = {*PLAIN_NAMES, *dir(Environment), *Environment.__annotations__, *keyword.kwlist}


def named(found: Iterable[SignalText]) -> tuple[list[SignalText], str]:
    """Signals with their full names, and a sentence on those named otherwise than their part is.

    Signals of one part begin with the same word. Where two parts share it, as `joint-1` and
    `joint_1` do, the later one's says the kind of part or has a number.

    Args:
        found: signals whose names still lack the word for their part.
    """
    groups: dict[tuple[str, str], dict[str, SignalText]] = {}
    for text in found:
        groups.setdefault(text.part, {}).setdefault(text.name, text)
    owners = dict.fromkeys(_RESERVED, "")
    signals: list[SignalText] = []
    told: list[str] = []
    for (kind, name), texts in groups.items():
        plain = word(name) if kind else ""
        chosen = _chosen(plain, kind, list(texts), owners)
        for text in texts.values():
            full = _joined(chosen, text.name)
            owners[full] = kind
            signals.append(replace(text, name=full))
        if kind and (chosen != plain or not name.isascii() or len(name) > LONGEST):
            told.append(f"the {kind} {shown(name)!r} is {chosen}")
    return signals, _sentence(told)


def word(name: str) -> str:
    """A part's name as small ASCII letters, digits and `_`; empty if nothing of it is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "_", plain)[: LONGEST + 1].strip("_")[:LONGEST].strip("_")
    prefix = made.partition("_")[0]
    if made and (made[0].isdigit() or prefix in (*PREFIXES, "action")):
        return f"the_{made}"
    return made


def _chosen(plain: str, kind: str, ends: Sequence[str], owners: Mapping[str, str]) -> str:
    """The word for a part with which none of its signals takes the name of another's.

    Args:
        plain: what its name gives; may be empty.
        kind: of part.
        ends: what the names of its signals end in.
        owners: the kinds of part that names belong to already.
    """

    def taken(candidate: str) -> set[str]:
        names = (_joined(candidate, end) for end in ends)
        return {owners[name] for name in names if name in owners}

    candidate = plain or (f"{kind}_1" if kind else "")
    if taken(candidate) and kind not in taken(candidate):
        candidate = _joined(plain, kind or "other")
    number = 1
    while taken(candidate):
        number += 1
        candidate = f"{plain or kind or 'other'}_{number}"
    return candidate


def _joined(*words: str) -> str:
    return "_".join(filter(None, words))


def _sentence(told: Sequence[str]) -> str:
    if not told:
        return ""
    more = f", and {len(told) - LISTED} more" if len(told) > LISTED else ""
    return (
        "Signals call these parts otherwise, as their names are taken, too long or not ASCII: "
        f"{', '.join(told[:LISTED])}{more}."
    )
