"""Specs as text: writing a program that a person could have written, and reading it back."""

import ast
import itertools
import keyword
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from eureka_agent.common.text import source_line
from eureka_agent.designer.offline.grounding import VisibleTask
from eureka_agent.designer.offline.term_grammar import (
    PENALTIES,
    SCALE_NAME,
    Factor,
    Spec,
    Term,
    TermGrammar,
)
from eureka_agent.reward import SIGNAL_PREFIXES
from eureka_agent.reward.parser import bounded_tree
from eureka_agent.reward.signals import STANDARD_PARAMETERS

WIDTH = 99
LONG = 40
"""Characters of a product's name, beyond which only its first factor is named."""
CONTROL_STEP = "control_step"
RATES = ("velocity", "angular_velocity")
NUMBERS = {0.0: "zero", 1.0: "one"}


def write(spec: Spec, visible: VisibleTask) -> str:
    """The text of a spec's program."""
    page = _Page(spec, visible)
    keys = [page.component(term) for term in spec]
    weights = {key: term.weight for key, term in zip(keys, spec, strict=True)}
    scales = page.scales()
    docstring = "\n".join(textwrap.wrap(source_line(thought(spec, visible.task)), WIDTH - 6))
    parts = [f'"""{docstring}"""', "", _table("WEIGHTS = ", weights)]
    if scales:
        parts.append(_table("SCALES = ", scales))
    parts += ["", "", _signature([*page.parameters(), *scales]), *page.lines]
    parts.append(_table("    return ", {key: key for key in keys}))
    return "\n".join(parts) + "\n"


def read(text: str, grammar: TermGrammar) -> Spec | None:
    """The spec of a program's text; None if it contains what `write` would not write."""
    tree = bounded_tree(text)
    try:
        return _read(tree, grammar) if tree else None
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError):
        return None


class _Page:
    """Names for everything in a program, and the lines of its function."""

    def __init__(self, spec: Spec, visible: VisibleTask) -> None:
        signals = {q.parameter for q in visible.quantities}
        self.taken = {f"{prefix}_{signal}" for prefix in SIGNAL_PREFIXES for signal in signals}
        self.taken |= {*signals, *STANDARD_PARAMETERS, "torch", "math", CONTROL_STEP}
        self.taken |= set(keyword.kwlist)
        self.lines: list[str] = []
        self.factor_names: dict[Factor, str] = {}
        for factor in dict.fromkeys(f for term in spec for f in term.factors):
            name = self._name(names(factor))
            self.factor_names[factor] = name
            self.lines.append(_assignment(name, factor.code(_scale_name(factor, name))))

    def component(self, term: Term) -> str:
        """The name that holds a term's value; a product gets a line of its own."""
        factors = [self.factor_names[factor] for factor in term.factors]
        if len(factors) == 1:
            return factors[0]
        base = f"{factors[0]}_while_{'_and_'.join(factors[1:])}"
        name = self._name(_numbered([base if len(base) <= LONG else f"guarded_{factors[0]}"]))
        self.lines.append(_assignment(name, " * ".join(factors)))
        return name

    def scales(self) -> dict[str, float]:
        """The program's `SCALES`."""
        return {
            _scale_name(factor, name): factor.scale
            for factor, name in self.factor_names.items()
            if factor.scale is not None
        }

    def parameters(self) -> list[str]:
        """The parameters of the function, in the order in which it uses them."""
        codes = [factor.code(SCALE_NAME) for factor in self.factor_names]
        found = dict.fromkeys(n for c in codes for n in re.findall(r"(?<![\w.])[a-zA-Z_]\w*", c))
        return [name for name in found if name not in ("torch", SCALE_NAME)]

    def _name(self, candidates: Iterable[str]) -> str:
        name = next(name for name in candidates if name not in self.taken)
        self.taken.add(name)
        return name


def _scale_name(factor: Factor, name: str) -> str:
    if factor.form == "progress":
        return CONTROL_STEP
    return f"{name}_width" if factor.form == "near" else f"{name}_scale"


def _table(head: str, values: Mapping[str, object]) -> str:
    """A dict behind `head`, on one line or on one line for each entry."""
    indent = " " * (len(head) - len(head.lstrip()))
    items = [f'"{key}": {value}' for key, value in values.items()]
    broken = [f"{head}{{", *(f"{indent}    {item}," for item in items), f"{indent}}}"]
    return _line_or(f"{head}{{{', '.join(items)}}}", "\n".join(broken))


def _signature(parameters: list[str]) -> str:
    inner = textwrap.fill(", ".join(parameters), WIDTH - 5)
    broken = f"def compute_reward(\n{textwrap.indent(inner, '    ')},\n):"
    return _line_or(f"def compute_reward({', '.join(parameters)}):", broken)


def _assignment(name: str, code: str) -> str:
    function, inner = "(", code
    if code.startswith("torch.exp("):
        function, inner = "torch.exp(", code[len("torch.exp(") : -1]
    broken = f"    {name} = {function}\n        {inner}\n    )"
    return _line_or(f"    {name} = {code}", broken)


def _line_or(line: str, broken: str) -> str:
    return line if len(line) <= WIDTH else broken


def _read(tree: ast.Module, grammar: TermGrammar) -> Spec | None:
    numbers: dict[str, dict[str, float]] = {"WEIGHTS": {}, "SCALES": {}}
    function: ast.FunctionDef | None = None
    for node in tree.body[1:]:
        match node:
            case ast.Assign(targets=[ast.Name(id=("WEIGHTS" | "SCALES") as name)]):
                table = dict(ast.literal_eval(node.value))
                numbers[name] = {str(key): float(value) for key, value in table.items()}
            case ast.FunctionDef(name="compute_reward"):
                function = node
            case _:
                return None
    positive = all(0.0 < n < math.inf for table in numbers.values() for n in table.values())
    if function is None or not numbers["WEIGHTS"] or not positive:
        return None
    return _read_function(function, numbers["WEIGHTS"], numbers["SCALES"], grammar)


def _read_function(
    function: ast.FunctionDef,
    weights: dict[str, float],
    scales: dict[str, float],
    grammar: TermGrammar,
) -> Spec | None:
    factors: dict[str, tuple[Factor, ...]] = {}
    for node in function.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found = _read_product(value, factors) or _read_factor(value, scales, grammar)
                if found is None:
                    return None
                factors[name] = found
            case ast.Return(value=ast.Dict(keys=keys, values=values)):
                returned = {
                    k.value: v.id
                    for k, v in zip(keys, values, strict=True)
                    if isinstance(k, ast.Constant) and isinstance(v, ast.Name)
                }
                known = factors.keys() >= set(returned.values())
                if returned.keys() != weights.keys() or not known:
                    return None
                return tuple(Term(w, factors[returned[key]]) for key, w in weights.items())
            case _:
                return None
    return None


def _read_product(
    value: ast.expr, factors: dict[str, tuple[Factor, ...]]
) -> tuple[Factor, ...] | None:
    """The factors of `a * b * c`, where each is a known name."""
    match value:
        case ast.Name(id=name):
            return factors.get(name)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            first, second = _read_product(left, factors), _read_product(right, factors)
            return first + second if first and second else None
    return None


def _read_factor(
    value: ast.expr, scales: dict[str, float], grammar: TermGrammar
) -> tuple[Factor, ...] | None:
    nodes = [n for n in ast.walk(value) if isinstance(n, ast.Name) and n.id in scales]
    used = {node.id for node in nodes}
    for node in nodes:
        node.id = SCALE_NAME
    factor = grammar.recognise(ast.unparse(value))
    if factor is None or len(used) != (factor.scale is not None):
        return None
    return (replace(factor, scale=scales[used.pop()] if used else None),)


def names(factor: Factor) -> Iterator[str]:
    """Names for a factor's line, the best first, without end."""
    return _numbered(_names(factor))


def _numbered(candidates: Sequence[str]) -> Iterator[str]:
    """The candidates, then the last one with numbers."""
    yield from candidates
    for number in itertools.count(2):
        yield f"{candidates[-1]}_{number}"


def _names(factor: Factor) -> list[str]:
    if factor.quantity is None:
        return [str(factor.form)]
    label, kind = factor.quantity.label, factor.quantity.signal.kind
    word = [factor.word] if factor.word and factor.target is not None else []
    start = factor.target == "start"
    posture = ["posture"] if start and kind in ("angle", "orientation") else []
    match factor.form:
        case "linear":
            return [label, f"high_{label}"] if factor.sign > 0 else [f"low_{label}"]
        case "bounded":
            return [f"bounded_{label}" if factor.sign > 0 else f"bounded_low_{label}"]
        case "share" | "cosine":
            return [*word, f"{label}_{factor.form}"]
        case "near":
            place = "start" if start else NUMBERS.get(float(factor.target or 0.0), "target")
            return [*posture, *word, f"{label}_near_{place}"]
        case "stray":
            error = "drift" if start else "error"
            return [*posture, *(f"off_{w}" for w in word), f"{label}_{error}"]
        case "square":
            return [*(["calm"] if kind in RATES else []), f"{label}_squared"]
        case _:
            return [f"{label}_progress" if factor.sign > 0 else f"{label}_retreat"]


def thought(spec: Spec, task: str) -> str:
    """What a spec rewards and charges for, and why, in one sentence."""
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
    phrase, more = factor.quantity.phrase, factor.sign > 0
    what = phrase if re.match(r"(the|a|an|signal|whether|how)\b", phrase) else f"the {phrase}"
    asked = what if more else f"less of {what}"
    match factor.form:
        case "linear":
            return asked
        case "bounded":
            return f"{asked} (with diminishing returns)"
        case "share" | "cosine":
            return f"{what} turning to {_place(factor)}"
        case "near":
            return f"{what} staying near {_place(factor)}"
        case "stray":
            return f"{what} straying from {_place(factor)}"
        case "square":
            return f"{'large' if factor.target == 0.0 else 'large changes of'} {phrase}"
        case _ if factor.target is None:
            return f"{what} {'growing' if more else 'shrinking'}"
        case _:
            return f"{what} {'coming to' if more else 'moving from'} {_place(factor)}"


def _place(factor: Factor) -> str:
    if factor.target == "start":
        return "its start"
    return f"{factor.target:g} ({factor.word})" if factor.word else f"{factor.target:g}"


def _list(phrases: list[str]) -> str:
    """Phrases in a row, as a sentence has them."""
    if len(phrases) < 2:
        return "".join(phrases)
    return f"{', '.join(phrases[:-1])} and {phrases[-1]}"
