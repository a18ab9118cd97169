"""The words by which task sentences ask for motion, and the kinds of signal that measure it."""

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["aim", "keep", "calm"]

STOP = frozenset(
    "the a an of and or it its as to in on at is be by with from for this that than then so into "
    "possible much while when where each every all any one two not no do does".split()
)


_IRREGULAR = {"feet": "foot", "bent": "bend", "swung": "swing", "held": "hold", "kept": "keep"}


def stem(word: str) -> str:
    """A word without its ending: `running` becomes `run`, `velocities` `velocity`."""
    word = _IRREGULAR.get(word, re.sub("ies$", "y", word))
    for ending in ("ing", "ed", "ly", "er", "es", "s", "e"):
        if word.endswith(ending) and not word.endswith(("ss", "eed", "eer")):
            word = word[: -len(ending)] if len(word) >= len(ending) + 3 else word
            break
    return word[:-1] if re.search(r"([bdglmnprt])\1$", word) else word


def stems(text: str) -> frozenset[str]:
    """The stems of a text's words that carry meaning."""
    words = re.findall(r"[a-z]+", text.lower())
    return frozenset(stem(word) for word in words if len(word) > 1 and word not in STOP)


@dataclass(frozen=True)
class Concept:
    """Something that a task sentence can ask for.

    Attributes:
        role: what a quantity that measures it is good for.
        words: stems by which a task sentence asks for it.
        signs: stems by which the documentation of a signal shows that it measures it.
        kinds: the kinds of signal that measure it, and how well, 0 to 1.
    """

    role: Role
    words: frozenset[str]
    signs: frozenset[str]
    kinds: dict[str, float]


def _concept(role: Role, words: str, signs: str, **kinds: float) -> Concept:
    return Concept(role, stems(words), stems(words) | stems(signs), kinds)


CONCEPTS = (
    _concept(
        "aim",
        "run walk move travel drive gallop trot hop crawl swim fly glide sprint slide "
        "roll throw fling speed fast quick pace",
        "velocity",
        velocity=1.0,
        position=0.3,
    ),
    _concept(
        "aim",
        "upright vertical balance stand swing erect",
        "up cosine tilt lean level",
        orientation=1.0,
        angle=0.8,
    ),
    _concept("aim", "high jump rise lift tall leap climb stand", "height above up", position=1.0),
    _concept(
        "aim",
        "reach goal target toward touch catch push pull place grasp bring insert align "
        "hit aim follow fetch chase",
        "distance error gap offset",
        distance=1.0,
        goal=0.7,
        position=0.2,
        angle=0.2,
    ),
    _concept(
        "aim",
        "turn spin rotate roll twist whirl flip backflip frontflip somersault cartwheel",
        "rate",
        angular_velocity=1.0,
        angle=0.4,
    ),
    _concept(
        "keep",
        "keep stay hold remain middle centre center near around origin within maintain",
        "",
        position=1.0,
        distance=0.5,
        angle=0.3,
    ),
    _concept(
        "calm",
        "still rest stop calm steady slow quiet stationary",
        "",
        velocity=1.0,
        angular_velocity=1.0,
    ),
)

TRUNK = stems("torso trunk body root base pelvis chassis head hull")
HEIGHT = stems("height up high vertical")
UNITS = frozenset("m s rad deg n kg hz cm mm metres meters metre meter seconds degrees".split())
