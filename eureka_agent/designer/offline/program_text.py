"""Specs as text: writing a program that a person could have written, and reading it back."""

import ast
import itertools
import keyword
import math
import re
import textwrap
from collections.abc import Iterable, Iterator
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
from eureka_agent.reward.parser import bounded_tree

WIDTH = 99
CONTROL_STEP = "control_step"
BUILT_IN = frozenset({"action", "prev_action", "terminated", "time_left", "torch", "math"})
PREFIXES = ("prev_", "start_", "max_", "min_")


def write(spec: Spec, sight: VisibleTask) -> str:
    """The text of a spec's program."""
    page = _Page(spec, sight)
    keys = [page.component(term) for term in spec]
    scales = page.scales()
    parts = [f'"""{_filled(thought(spec, sight.task))}"""', ""]
    parts.append(_dictionary("WEIGHTS", dict(zip(keys, (t.weight for t in spec), strict=True))))
    if scales:
        parts.append(_dictionary("SCALES", scales))
    parts += ["", "", _signature([*page.parameters(), *scales]), *page.lines]
    parts.append(_returned(keys))
    return "\n".join(parts) + "\n"


def read(text: str, menu: TermGrammar) -> Spec | None:
    """The spec of a program's text; None if it says something that `write` would not."""
    tree = bounded_tree(text)
    try:
        return _read(tree, menu) if tree else None
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError):
        return None


class _Page:
    """Names for everything in a program, and the lines of its function."""

    def __init__(self, spec: Spec, sight: VisibleTask) -> None:
        signals = {q.parameter for q in sight.quantities}
        prefixed = {f"{prefix}{signal}" for prefix in PREFIXES for signal in signals}
        self.taken = signals | prefixed | BUILT_IN | {CONTROL_STEP} | set(keyword.kwlist)
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
        name = self._name(product_names(factors))
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
        """What the function asks for, in the order in which it uses it."""
        found: dict[str, None] = {}
        for factor in self.factor_names:
            tree = ast.parse(factor.code(SCALE_NAME))
            loaded = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
            loaded.sort(key=lambda node: node.col_offset)
            found |= dict.fromkeys(n.id for n in loaded if n.id not in ("torch", SCALE_NAME))
        return list(found)

    def _name(self, candidates: Iterable[str]) -> str:
        name = next(name for name in candidates if name not in self.taken)
        self.taken.add(name)
        return name


def _scale_name(factor: Factor, name: str) -> str:
    if factor.form == "progress":
        return CONTROL_STEP
    return f"{name}_width" if factor.form == "near" else f"{name}_scale"


def _filled(paragraph: str) -> str:
    """A paragraph as the inside of a docstring."""
    return "\n".join(textwrap.wrap(source_line(paragraph), WIDTH - 6))


def _dictionary(name: str, values: dict[str, float]) -> str:
    items = [f'"{key}": {value!r}' for key, value in values.items()]
    line = f"{name} = {{{', '.join(items)}}}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name} = {{", *(f"    {item}," for item in items), "}"])


def _signature(parameters: list[str]) -> str:
    line = f"def compute_reward({', '.join(parameters)}):"
    if len(line) <= WIDTH:
        return line
    inner = textwrap.fill(", ".join(parameters), WIDTH - 5)
    return f"def compute_reward(\n{textwrap.indent(inner, '    ')},\n):"


def _assignment(name: str, code: str) -> str:
    line = f"    {name} = {code}"
    if len(line) <= WIDTH:
        return line
    if code.startswith("torch.exp("):
        return f"    {name} = torch.exp(\n        {code[len('torch.exp(') : -1]}\n    )"
    return f"    {name} = (\n        {code}\n    )"


def _returned(keys: list[str]) -> str:
    items = [f'"{key}": {key}' for key in keys]
    line = f"    return {{{', '.join(items)}}}"
    if len(line) <= WIDTH:
        return line
    return "\n".join(["    return {", *(f"        {item}," for item in items), "    }"])


def _read(tree: ast.Module, menu: TermGrammar) -> Spec | None:
    numbers: dict[str, dict[str, float]] = {"WEIGHTS": {}, "SCALES": {}}
    function: ast.FunctionDef | None = None
    for node in tree.body[1:]:
        match node:
            case ast.Assign(targets=[ast.Name(id=("WEIGHTS" | "SCALES") as name)]):
                read_in = dict(ast.literal_eval(node.value))
                numbers[name] = {str(key): float(value) for key, value in read_in.items()}
            case ast.FunctionDef(name="compute_reward"):
                function = node
            case _:
                return None
    positive = all(0.0 < n < math.inf for table in numbers.values() for n in table.values())
    if function is None or not numbers["WEIGHTS"] or not positive:
        return None
    return _read_function(function, numbers["WEIGHTS"], numbers["SCALES"], menu)


def _read_function(
    function: ast.FunctionDef,
    weights: dict[str, float],
    scales: dict[str, float],
    menu: TermGrammar,
) -> Spec | None:
    factors: dict[str, tuple[Factor, ...]] = {}
    for node in function.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found = _read_product(value, factors) or _read_factor(value, scales, menu)
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
                return tuple(
                    Term(weight, factors[returned[key]]) for key, weight in weights.items()
                )
            case _:
                return None
    return None


def _read_product(
    value: ast.expr, factors: dict[str, tuple[Factor, ...]]
) -> tuple[Factor, ...] | None:
    """The factors of `a * b * c`, where each is a name that is already known."""
    if isinstance(value, ast.Name):
        return factors.get(value.id)
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult):
        left, right = _read_product(value.left, factors), _read_product(value.right, factors)
        return left + right if left and right else None
    return None


class _Anonymous(ast.NodeTransformer):
    """Calls every scale `SCALE_NAME`, and remembers which there were."""

    def __init__(self, scales: dict[str, float]) -> None:
        self.scales = scales
        self.used: set[str] = set()

    def visit_Name(self, node: ast.Name) -> ast.Name:
        if node.id not in self.scales:
            return node
        self.used.add(node.id)
        return ast.Name(SCALE_NAME, node.ctx)


def _read_factor(
    value: ast.expr, scales: dict[str, float], menu: TermGrammar
) -> tuple[Factor, ...] | None:
    anonymous = _Anonymous(scales)
    factor = menu.recognise(ast.unparse(anonymous.visit(value)))
    if factor is None or len(anonymous.used) != (factor.scale is not None):
        return None
    scale = scales[anonymous.used.pop()] if anonymous.used else None
    return (replace(factor, scale=scale),)


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
