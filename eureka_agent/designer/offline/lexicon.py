"""The words of task sentences and signal documentation: concepts and directions."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Role = Literal["aim", "keep", "calm"]

STOP = frozenset(
    "the a an of and or it its as to in on at is are be by with from for this that than then so "
    "into possible much while when where each every all any one two not no do does".split()
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
    return frozenset(stem(w) for w in words_of(text) if len(w) > 1 and w not in STOP)


def words_of(text: str) -> list[str]:
    """A text's words in lower case, in order."""
    return re.findall(r"[a-z]+", text.lower())


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

Directions = dict[str, int]
"""Axes of `AXES` that a text names, and the sign along each."""

# Each axis has two ends: the words of the first count as 1 along it, those of the second as -1.
AXES = {
    "forward": (
        "forward ahead onward frontflip, nose down, front flip",
        "backward back rearward reverse behind astern backflip, nose up, back up, back flip",
    ),
    "right": (
        "right rightward starboard clockwise",
        "left leftward port anticlockwise counterclockwise",
    ),
    "up": (
        "up upward high above height altitude elevation raise rise lift ascend climb",
        "down downward low below beneath depth deep descend sink dive crouch squat duck",
    ),
    "toward": (
        "toward approach near closeness touch hit",
        "away distance gap separation clearance apart flee escape avoid leave, far from",
    ),
    "open": (
        "open extend extension stretch straighten unfold",
        "close shut retract contract bend fold flex clench squeeze",
    ),
    "long": ("long length lengthen", "short shorten"),
    "out": ("outward", "inward"),
    "east": ("east eastward", "west westward"),
    "north": ("north northward", "south southward"),
    "positive": ("positive", "negative"),
}
CONVENTIONS = {"yaw": ("right", -1), "pitch": ("forward", 1)}
"""The positive direction of a turn without documentation: right-handed, with z up."""
LETTERS = {"x": ("forward", 1), "y": ("right", -1), "z": ("up", 1)}
"""The positive direction along an axis that has no other name."""
PLACES = stems("above below beneath behind near height altitude elevation depth distance gap")
"""Words that document a signal's direction, but that a task uses to say where something is."""
LESS = stems("little less least small minimise minimize reduce decrease diminish lessen dampen")
LESS |= stems("brake stop halt low slowdown")
"""Words with which a task asks for less of what it names."""
TURNS = {"turn": "yaw", "flip": "pitch", "backflip": "pitch", "frontflip": "pitch"}
TURNS |= {"somersault": "pitch", "tumbl": "pitch"}
"""The axis of the turn that a word asks for."""
NEGATIONS = frozenset(
    "not no never without neither nor cannot instead rather dont doesnt mustnt".split()
)
IDLE = (
    r"\b(?:as )?(?:seen|viewed|looking|measured) from (?:the )?\w+",
    r"\b(?:back and forth|up and down|right away|(?:speed|pick|set|keep)s? up|as long as)\b",
    r"\b(?:on|onto|over) (?:its|the) back\b|\bback (?=to |into |in )",
    r"\b(?:front|back|rear|hind|fore) (?:left|right)\b|\b(?:left|right) (?:front|back|rear|hind)\b",
    r"\b(?:never|not|non)[ -]?negative\b",
)
"""Expressions whose words of direction do not name a direction."""
SIDES = frozenset("left right back front top bottom upper lower low high".split())
"""Words that, before a noun, say which one it is: the left foot, high speed."""
FOLLOWERS = frozenset(
    "a an the of and or it its them as to in on at is are be by with from for this that than then "
    "so when while where quick fast again possible until along you".split()
)
"""Words after a direction that are not a noun it belongs to, apart from adverbs in -ly."""
MOTIONS = frozenset(
    "velocity speed rate rotation movement motion direction sense positive negative turn turns "
    "turning spin spins move moves moving".split()
)
"""Nouns that have a direction: left turns have one, high turns do not."""
LEADS = frozenset({("to", "the"), ("toward", "the"), ("towards", "the")})
"""Words before a side that is a direction whatever follows: to the left wall."""
_BREAK = r"[,;:!?()]|\.(?!\d)|\b(?:so that|while|with|but|and|then|which)\b|\b(?=without|instead)"
_SIGN = re.compile(
    r"\b(positive|plus|grows|increases)\b|\b(negative|minus|shrinks|decreases)\b|([<>]) ?0|"
    r"^ *([-+]?\d+(?:\.\d+)?)\b"
)


@dataclass(frozen=True)
class Clause:
    """One part of a task sentence.

    Attributes:
        directions: the directions that it asks for.
        words: stems of its words, except directions.
        refused: whether it says what not to do; then `directions` are the opposite of its words.
        less: whether it asks for less of something.
        first: whether the sentence begins with it.
    """

    directions: Directions
    words: frozenset[str]
    refused: bool
    less: bool
    first: bool


def read_clauses(task: str) -> tuple[Clause, ...]:
    """The parts of a task sentence in order."""
    clauses: list[Clause] = []
    for part in re.split(_BREAK, _plain(task)):
        words = words_of(part)
        if not words:
            continue
        refused = next((i for i, word in enumerate(words) if word in NEGATIONS), len(words))
        asked = _directions(words[:refused])
        against = {a: -s for a, s in _directions(words[refused:]).items() if a not in asked}
        named = stems(part) - _DIRECTION_WORDS - LESS
        named |= {TURNS[word] for word in stems(part) & TURNS.keys()}
        if clauses and set(words) & {"it", "its", "them"}:
            named |= clauses[-1].words  # what a pronoun stands for was named before
        less = bool(stems(part) & LESS)
        first = not clauses
        if asked or less or not against:
            clauses.append(Clause(asked, named, refused=False, less=less, first=first))
        if against:
            clauses.append(Clause(against, named, refused=True, less=False, first=first))
    return tuple(clauses)


def sign_toward(clause: Clause, positive: Sequence[Directions]) -> int | None:
    """The sign with which a quantity goes where a task asks; None if the two are unrelated.

    Args:
        clause: a part of the task.
        positive: the quantity's positive direction, see `positive_directions`.
    """
    for directions in positive:
        shared = clause.directions.keys() & directions.keys()
        if shared:
            sign = 1
            for axis in shared:
                sign *= clause.directions[axis] * directions[axis]
            return sign
    return None


def positive_directions(axis: str, name: str, meaning: str, *, turns: bool) -> list[Directions]:
    """The positive direction of a quantity in its documentation, the most explicit one first.

    Args:
        axis: the phrase for its column; may be empty.
        name: of its signal.
        meaning: of its signal.
        turns: whether it is an angle or a rate of turning.
    """
    whole = f"{name.replace('_', ' ')}; {meaning}"
    found = (_halves(axis) if axis else []) or _halves(whole)
    stated = [directions for explicit, directions in found if explicit]
    implied = [directions for explicit, directions in found if not explicit]
    words = words_of(axis or whole)
    usual = dict(CONVENTIONS[word] for word in words if word in CONVENTIONS)
    if not turns:
        usual |= dict(LETTERS[word] for word in words if word in LETTERS)
    return [*stated, *implied, usual, {"positive": 1}]


def named_directions(words: Sequence[str]) -> Directions:
    """The directions that the words of a documented value name."""
    return _directions(words, is_task=False)


def _halves(text: str) -> list[tuple[bool, Directions]]:
    """Directions in which a quantity is positive, and whether the text says so explicitly.

    There is one entry for each clause, such as "negative while it falls back". A clause after a
    comma continues with the previous sign.
    """
    plain = re.sub(r"\b(positive|negative|plus|minus) *[:=]", r"\1 ", _plain(text))
    plain = re.sub(r"\band (?=positive|negative)", ", ", plain)
    pieces = re.split(r"([,;:()]|\.(?!\d))", plain)
    found: list[tuple[bool, Directions]] = []
    half: int | None = None
    for clause, pause in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        half = _half(clause, half)
        directions = _directions(words_of(clause), is_task=False)
        if directions and half != 0:
            signed = {axis: sign * (half or 1) for axis, sign in directions.items()}
            found.append((half is not None, signed))
        half = half if pause in (",", "(") else None
    return found


def _half(clause: str, before: int | None) -> int | None:
    """The sign that a clause is about, 0 for neither; `before` if it names none."""
    found = _SIGN.search(clause)
    if found is None:
        return before
    if found[4]:
        value = float(found[4])
        return (value > 0) - (value < 0)
    return -1 if found[2] or found[3] == "<" else 1


def _directions(words: Sequence[str], *, is_task: bool = True) -> Directions:
    """The directions that words name, either a task's or a signal's documentation."""
    found: Directions = {}
    position = 0
    while position < len(words):
        word, after = words[position], words[position + 1 : position + 2]
        phrase = f"{word} {after[0]}" if after else ""
        leads = tuple(words[max(position - 2, 0) : position]) in LEADS
        position += 2 if phrase in _PHRASES else 1
        direction = _PHRASES.get(phrase) or _WORDS.get(stem(word))
        if is_task and word in ("negative", "minus", "positive", "plus"):
            sign = 1 if word in ("positive", "plus") else -1
            axis, along = LETTERS.get(after[0] if after else "", ("positive", 1))
            found.setdefault(axis, sign * along)
        elif direction is None:
            continue
        elif phrase not in _PHRASES and not leads and _is_label(word, after):
            continue
        elif is_task and stem(word) in PLACES:
            continue
        elif is_task or direction[0] != "positive":
            found.setdefault(*direction)
    return found


def _is_label(word: str, after: Sequence[str]) -> bool:
    """Whether a word only says which of the things it is that the next word names."""
    if word not in SIDES or not after:
        return False
    ends = after[0] in FOLLOWERS or after[0].endswith("ly") or stem(after[0]) in _DIRECTION_WORDS
    return not ends and (word in ("high", "low") or after[0] not in MOTIONS)


def _plain(text: str) -> str:
    """Lower case, without expressions whose words of direction do not name a direction."""
    text = re.sub(r"\b(counter|anti)[- ](?=clockwise)", r"\1", text.lower())
    text = text.replace("'", "").replace("slow down", "slowdown")
    text = re.sub(r"\bslow (?=the |its |it )", "slowdown ", text)
    signs = {"-": "minus ", "+": "plus "}
    text = re.sub(r"(?<![\w.])([-+])(?=[xyz]\b)", lambda found: signs[found[1]], text)
    for expression in IDLE:
        text = re.sub(expression, " ", text)
    return text


def _vocabulary() -> tuple[dict[str, tuple[str, int]], dict[str, tuple[str, int]]]:
    """The directions of single words, by stem, and of expressions of two words."""
    words: dict[str, tuple[str, int]] = {}
    phrases: dict[str, tuple[str, int]] = {}
    for axis, ends in AXES.items():
        for end, sign in zip(ends, (1, -1), strict=True):
            single, *pairs = end.split(", ")
            words |= {stem(word): (axis, sign) for word in single.split()}
            phrases |= {pair: (axis, sign) for pair in pairs}
    return words, phrases


_WORDS, _PHRASES = _vocabulary()
_DIRECTION_WORDS = frozenset(_WORDS)
