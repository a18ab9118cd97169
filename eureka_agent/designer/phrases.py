"""Names and sentences for terms, in the words of the signals' documentation."""

import itertools
import re
from collections.abc import Iterator

from eureka_agent.designer.terms import PENALTIES, Factor, Spec, Term

RATES = ("velocity", "angular_velocity")
LONG = 40
NUMBERS = {0.0: "zero", 1.0: "one"}


def names(factor: Factor) -> Iterator[str]:
    """Names for a factor's line, the best first, without end."""
    candidates = _names(factor)
    yield from candidates
    for number in itertools.count(2):
        yield f"{candidates[-1]}_{number}"


def product_names(factors: list[str]) -> Iterator[str]:
    """Names for the line of a product of named factors, the best first, without end."""
    base = f"{factors[0]}_while_{'_and_'.join(factors[1:])}"
    if len(base) > LONG:
        base = f"guarded_{factors[0]}"
    yield base
    for number in itertools.count(2):
        yield f"{base}_{number}"


def _names(factor: Factor) -> list[str]:
    if factor.quantity is None:
        return [str(factor.form)]
    label, kind = factor.quantity.label, factor.quantity.signal.kind
    word = [factor.word] if factor.word and factor.target is not None else []
    start = factor.target == "start"
    place = "start" if start else NUMBERS.get(float(factor.target or 0.0), "target")
    match factor.form:
        case "linear":
            return [label, f"high_{label}"] if factor.sign > 0 else [f"low_{label}"]
        case "bounded":
            return [f"bounded_{label}" if factor.sign > 0 else f"bounded_low_{label}"]
        case "share" | "cosine":
            return [*word, f"{label}_{factor.form}"]
        case "near":
            posture = ["posture"] if start and kind in ("angle", "orientation") else []
            return [*posture, *word, f"{label}_near_{place}"]
        case "stray":
            posture = ["posture"] if start and kind in ("angle", "orientation") else []
            return [
                *posture,
                *(f"off_{w}" for w in word),
                f"{label}_{'drift' if start else 'error'}",
            ]
        case "square":
            return [*(["calm"] if kind in RATES else []), f"{label}_squared"]
        case _:
            return [f"{label}_progress" if factor.sign > 0 else f"{label}_retreat"]


def thought(spec: Spec, task: str) -> str:
    """What a spec pays and charges for, in one sentence, and what for."""
    paid = [_term(t) for t in spec if t.factors[0].form not in PENALTIES]
    charged = [_term(t) for t in spec if t.factors[0].form in PENALTIES]
    parts = [f"reward {_list(paid)}"] if paid else []
    parts += [f"charge for {_list(charged)}"] if charged else []
    purpose = task.rstrip(". ") or "Search without documentation"
    return f"{purpose}: {'; '.join(parts)}."


def _term(term: Term) -> str:
    first, *rest = [_phrase(factor) for factor in term.factors]
    return f"{first}, as far as it goes with {_list(rest)}" if rest else first


def _phrase(factor: Factor) -> str:
    if factor.quantity is None:
        return {
            "effort": "strong actions",
            "smoothness": "abrupt changes of action",
            "alive": "every step before an early end",
        }[factor.form]
    what = _the(factor.quantity.phrase)
    match factor.form:
        case "linear":
            return what if factor.sign > 0 else f"less of {what}"
        case "bounded":
            return f"{what if factor.sign > 0 else f'less of {what}'} (with diminishing returns)"
        case "share" | "cosine":
            return f"{what} turning to {_place(factor)}"
        case "near":
            return f"{what} staying near {_place(factor)}"
        case "stray":
            return f"{what} straying from {_place(factor)}"
        case "square":
            away = "large" if factor.target == 0.0 else "large changes of"
            return f"{away} {factor.quantity.phrase}"
        case _:
            if factor.target is None:
                return f"{what} {'growing' if factor.sign > 0 else 'shrinking'}"
            return f"{what} {'coming to' if factor.sign > 0 else 'moving from'} {_place(factor)}"


def _place(factor: Factor) -> str:
    if factor.target == "start":
        return "its start"
    return f"{factor.target:g} ({factor.word})" if factor.word else f"{factor.target:g}"


def _the(phrase: str) -> str:
    return phrase if re.match(r"(the|a|an|signal|whether|how)\b", phrase) else f"the {phrase}"


def _list(phrases: list[str]) -> str:
    """Phrases in a row, as a sentence has them."""
    if len(phrases) < 2:
        return "".join(phrases)
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}"
