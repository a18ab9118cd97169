"""The dry run: a reward program is called on real transitions before it costs any training.

What rejects a program is certain: it fails, or what it pays for a row depends on something else
than that row. Whatever else the values show is a warning (`values`).
"""

import ast
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from eureka_agent.reward import Finding, RewardFailed, RewardFunction, RewardProgram, RewardValues
from eureka_agent.reward.findings import Findings
from eureka_agent.reward.parser import SET_ITEM
from eureka_agent.workers.probe.samples import Batch, join


@dataclass(frozen=True)
class Origin:
    """Where a component gets its value.

    Attributes:
        line: the last assignment to the variable that is returned, or the returned expression.
        inputs: parameters that its value can depend on, without the keys of SCALES; never empty.
    """

    line: int
    inputs: tuple[str, ...]


def origins(program: RewardProgram) -> dict[str, Origin]:
    """The origin of every component, as far as the text tells, and of the reward as a whole: ""."""
    entry = next(
        node
        for node in program.tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "compute_reward"
    )
    parameters = [name for name in program.parameters if name not in program.scales]
    returned = max(node.lineno for node in ast.walk(entry) if isinstance(node, ast.Return))
    found = dict.fromkeys(("", *program.weights), Origin(returned, tuple(parameters)))
    reads, lines = _assignments(entry)
    for name, value in _component_values(entry):
        if name in program.weights:
            reached = _reached(_names(value), reads)
            inputs = tuple(p for p in parameters if p in reached) or tuple(parameters)
            variable = value.id if isinstance(value, ast.Name) else ""
            found[name] = Origin(lines.get(variable, value.lineno), inputs)
    return found


def _assignments(entry: ast.FunctionDef) -> tuple[dict[str, set[str]], dict[str, int]]:
    """What each local variable is made of, wherever it is assigned to, and its last line."""
    reads: dict[str, set[str]] = {}
    lines: dict[str, int] = {}
    for node in ast.walk(entry):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.For):
            targets, value = [node.target], node.iter
        else:
            continue
        for name in {name for target in targets for name in _names(target)}:
            reads.setdefault(name, set()).update(_names(value))
            lines[name] = max(lines.get(name, 0), node.lineno)
    return reads, lines


def _component_values(entry: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Names and values of all dict entries, also of those that are added one by one."""
    for node in ast.walk(entry):
        match node:
            case ast.Dict():
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        yield key.value, value
            case ast.Call(
                func=ast.Name(id=function), args=[_, ast.Constant(value=str() as name), value]
            ) if function == SET_ITEM:
                yield name, value


def _reached(names: set[str], reads: dict[str, set[str]]) -> set[str]:
    """All names that some names depend on, themselves included."""
    reached: set[str] = set()
    open_names = set(names)
    while open_names:
        name = open_names.pop()
        reached.add(name)
        open_names |= reads.get(name, set()) - reached
    return reached


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


FLAT = 1e-6
"""Spread, relative to the size of the values, that rounding alone can make."""
SATURATED_SHARE = 0.98
NEAR_END = 0.01
"""Fraction of a component's range that counts as one end of it."""
NEGLIGIBLE = 1e-3
"""Weighted spread, relative to the largest one, that no policy gradient would notice."""


def check_values(
    evaluation: RewardValues,
    weights: Mapping[str, float],
    origins: Mapping[str, Origin],
    where: str,
    report: Findings,
) -> None:
    """Warn of components that teach nothing on the rows that were tried.

    Args:
        evaluation: of all rows.
        weights: of the components; those of weight 0 are only shown, so nothing is said of them.
        origins: where the components come from; "" is the reward as a whole.
        where: completes "on 10 transitions ...".
        report: where the findings go.
    """
    paid = {name: v for name, v in evaluation.components.items() if weights[name] != 0.0}
    if _is_flat(evaluation.total):
        message = (
            f"The whole reward is {_shown(evaluation.total[0])} on all {len(evaluation.total):,} "
            f"transitions {where}: nothing can be learned from it there."
        )
        hint = "Pay for something that changes with every action, such as a velocity or a distance."
        report.warning("constant-reward", origins[""].line, message, hint)
        return
    for name, values in paid.items():
        if _is_flat(values):
            _warn_constant(name, values, origins[name].line, where, report)
        else:
            _check_saturated(name, values, origins[name].line, where, report)
    _check_negligible(paid, weights, origins, where, report)


def _warn_constant(name: str, values: Tensor, line: int, where: str, report: Findings) -> None:
    message = (
        f'"{name}" is {_shown(values[0])} on all {len(values):,} transitions {where}: '
        "it teaches nothing there."
    )
    hint = (
        "If a better policy would change it, leave it; otherwise widen its scale, or pay for a "
        "quantity that changes by degrees."
    )
    report.warning("constant", line, message, hint)


def _check_saturated(name: str, values: Tensor, line: int, where: str, report: Findings) -> None:
    low, high = float(values.min()), float(values.max())
    margin = NEAR_END * (high - low)
    at_low = float((values <= low + margin).float().mean())
    at_high = float((values >= high - margin).float().mean())
    share, end, other = (at_low, low, high) if at_low > at_high else (at_high, high, low)
    if share < SATURATED_SHARE:
        return
    on = f"on {_percent(share)} of the transitions {where}"
    if bool(((values == low) | (values == high)).all()):
        message = f'"{name}" is {_shown(end)} {on}, and {_shown(other)} on the few others.'
        hint = "Such an event guides nobody before it happens: pay by degrees beside it."
    else:
        side = "lowest" if end == low else "highest"
        message = (
            f'"{name}" stays near its {side} value, {_shown(end)}, {on}; '
            f"its other end is {_shown(other)}."
        )
        hint = (
            "Widen its scale so that it changes where policies begin, or clamp rare large values."
        )
    report.warning("saturated", line, message, hint)


def _check_negligible(
    paid: Mapping[str, Tensor],
    weights: Mapping[str, float],
    origins: Mapping[str, Origin],
    where: str,
    report: Findings,
) -> None:
    spreads = {
        name: abs(weights[name]) * float(values.double().std()) for name, values in paid.items()
    }
    largest = max(spreads, key=lambda name: spreads[name])
    for name, spread in spreads.items():
        if not _is_flat(paid[name]) and spread < NEGLIGIBLE * spreads[largest]:
            share = spread / spreads[largest]
            message = (
                f'"{name}" times its weight varies {share:.1g} times as much as "{largest}" '
                f"does {where}: it makes no difference there."
            )
            hint = f'Raise the weight of "{name}", lower that of "{largest}", or leave it out.'
            report.warning("negligible", origins[name].line, message, hint)


def _is_flat(values: Tensor) -> bool:
    spread = values.max() - values.min()
    return bool(spread <= FLAT * values.abs().max())


def _shown(value: float | Tensor) -> str:
    return f"{float(torch.as_tensor(value)):.3g}"


def _percent(share: float) -> str:
    """A share that is nearly all, never rounded to all of it."""
    return f"{min(100 * share, 99.9):.1f} %"


TRAINING_US = 40.0
"""Microseconds that one transition of a training takes without its reward: about 25,000 steps per
second, as measured for half_cheetah on two cores (benchmarks/RESULTS.md)."""
SLOW_US = 4.0
"""Microseconds per transition from which a program is called slow: a tenth of a training. Rewards
that people and models write take 0.04 to 0.3."""
TOO_SLOW_US, LEAST_S = 400.0, 0.5
"""The same from which it is refused, ten times a training, if a call takes so many seconds: calls
of few rows take what their operations do, and are soon over."""

FEW = (1, 7)
"""Numbers of rows that a program must take, as those of few worlds or short episodes."""

# Rounding differs with the position of a row by some 1e-7 of the values that enter; a component
# may be a small difference of those. What rows do to each other is far more than this.
_OF_SPREAD, _OF_VALUE, _ABSOLUTE = 1e-4, 1e-5, 1e-6

_COMPONENT = re.compile(r'^The component "(\w+)"')
_NOT_FINITE = re.compile(r"not finite in (\d+) of (\d+) rows: row (\d+) is (\S+)\.$")
_RAISED = re.compile(r"^\w+: ")
_OUT_OF_MEMORY = re.compile(r"^MemoryError|can't allocate memory|not enough memory")
_BYTES = re.compile(r"allocate (\d+) bytes")
_HINTS = {
    "too-slow": "Replace loops by operations on all columns at once.",
    "memory": "Write operations on [M] and [M, d] tensors, never on all pairs of rows.",
    "shape": "Return one [M] tensor per component: choose a column, x[:, 0], or reduce, x.sum(-1).",
    "not-finite": (
        "Keep the arguments of roots, logarithms and divisors away from what they cannot take: "
        "x.clamp(min=0.0).sqrt(), y / (x.abs() + 1e-6)."
    ),
    "few-rows": (
        "squeeze() without dim, or a number of rows that is written down, does that: choose a "
        "column with x[:, 0] or x.squeeze(-1)."
    ),
    "row-dependence": (
        "mean, max, std, sum or norm without dim, and cumsum, sort or x[0] over rows mix them: "
        "reduce columns with dim=-1, and take fixed numbers from SCALES to scale by."
    ),
}


def dry_run(
    program: RewardProgram, batches: Sequence[Batch], rows: int | None = None
) -> list[Finding]:
    """Call a program on real transitions and say what is wrong with what it pays.

    Only a process that may die calls this.

    Args:
        program: one that passed the static check.
        batches: rows to try it on, all with the same parameters; at least one row.
        rows: how many a training gives it at once; it is called with as many, too. Otherwise it
            could tell from their number that nothing depends on what it does.

    Returns:
        Findings in order of line. Errors have the rules `exception`, `memory`, `shape`,
        `not-finite`, `few-rows`, `row-dependence`, `nondeterministic` and `too-slow`; everything
        else is a warning.
    """
    report, batch = Findings(), join(batches)
    function, sources = program.compile(), origins(program)
    given = {name: value.clone() for name, value in batch.arguments.items()}
    try:
        first = function(given)
    except RewardFailed as failure:
        _report_failure(failure, batch, sources, report)
        return report.sorted()
    _check_arguments(given, batch, sources, report)
    try:
        again, microseconds = _timed(function, batch)
    except RewardFailed as failure:
        message = f"The second call with the same arguments fails, the first does not: {failure}"
        report.error("nondeterministic", failure.line, message)
        return report.sorted()
    _check_same(first, again, sources, report)
    if not report.failed:
        _check_rows(function, batch, first, sources, report)
    if not report.failed:
        _check_few(function, batch, first, sources, report)
    if not report.failed and rows is not None:
        _check_training(function, batch, rows, first, sources, report)
    if not report.failed:
        _check_cost(microseconds, sources, report)
        check_values(first, function.weights, sources, batch.where, report)
    return report.sorted()


def _report_failure(
    failure: RewardFailed, batch: Batch, sources: Mapping[str, Origin], report: Findings
) -> None:
    """An error for a program that raised, or returned what the contract does not allow."""
    message, line = failure.message, failure.line
    component = _COMPONENT.match(message)
    source = sources[component[1]] if component else sources[""]
    line = source.line if component else line
    bad = _NOT_FINITE.search(message)
    if bad:
        count, rows, row, value = bad.groups()
        message = (
            f'"{component[1] if component else ""}" is not finite on {int(count):,} of '
            f"{int(rows):,} transitions {batch.where}: it is {value} "
            f"where {batch.describe(int(row), source.inputs)}."
        )
        rule = "not-finite"
    elif "too large for float32" in message:
        rule = "not-finite"
    elif _RAISED.match(message):
        rule = "exception"
        if _OUT_OF_MEMORY.search(message):
            rule, size = "memory", _BYTES.search(message)
            asked = f"{int(size[1]) / 2**30:,.1f} GiB" if size else "more than there is"
            message = f"The program asks for too much memory for {len(batch):,} rows: {asked}."
    else:
        rule = "shape"
    report.error(rule, line, message, _HINTS.get(rule) or _shapes(batch))


def _shapes(batch: Batch) -> str:
    """The shapes of all arguments, which explain most exceptions."""
    said = (
        f"{name} [{', '.join(['M', *map(str, value.shape[1:])])}]"
        for name, value in batch.arguments.items()
    )
    return f"The arguments are {', '.join(said)}, with M rows."


def _check_arguments(
    given: Mapping[str, Tensor], batch: Batch, sources: Mapping[str, Origin], report: Findings
) -> None:
    for name, value in given.items():
        if not torch.equal(value, batch.arguments[name]):
            message = f'The program changes its argument "{name}".'
            hint = f"Work on a copy: {name}.clone()."
            report.warning("changed-argument", sources[""].line, message, hint)


def _timed(function: RewardFunction, batch: Batch) -> tuple[RewardValues, float]:
    """Evaluate twice; returns an evaluation and microseconds of computing per row."""
    seconds: list[float] = []
    evaluation = None
    for _ in range(2):
        start = time.process_time()  # of this process alone: others on the machine do not count
        evaluation = function(batch.arguments)
        seconds.append(time.process_time() - start)
    assert evaluation is not None
    return evaluation, min(seconds) / len(batch) * 1e6


def _check_cost(microseconds: float, sources: Mapping[str, Origin], report: Findings) -> None:
    if microseconds > SLOW_US:
        share = microseconds / (microseconds + TRAINING_US)
        message = (
            f"The program takes {microseconds:.2g} microseconds per transition, "
            f"about {100 * share:.0f} % of a training's time."
        )
        report.warning("slow", sources[""].line, message, _HINTS["too-slow"])


def _check_same(
    first: RewardValues, again: RewardValues, sources: Mapping[str, Origin], report: Findings
) -> None:
    for name, values in first.components.items():
        if not torch.equal(values, again.components[name]):
            gap = float((values - again.components[name]).abs().max())
            message = f'"{name}" differs by up to {gap:.3g} between two calls with the same rows.'
            hint = "Equal situations must be paid equally: use nothing that is random or kept."
            report.error("nondeterministic", sources[name].line, message, hint)


def _check_few(
    function: RewardFunction,
    batch: Batch,
    whole: RewardValues,
    sources: Mapping[str, Origin],
    report: Findings,
) -> None:
    """Whether a program takes any number of rows, and pays each the same among few."""
    gaps: dict[str, float] = {}
    for count in (count for count in FEW if count < len(batch)):
        part = torch.arange(count)
        try:
            alone = function(batch.rows(part))
        except RewardFailed as failure:
            message = f"The program fails on {count} row{'s' * (count > 1)}: {failure.message}"
            report.error("few-rows", failure.line, message, _HINTS["few-rows"])
            return
        for name, gap in _gaps(whole, alone, part).items():
            gaps[name] = max(gaps.get(name, 0.0), gap)
    _report_gaps(gaps, sources, report)


def _check_rows(
    function: RewardFunction,
    batch: Batch,
    whole: RewardValues,
    sources: Mapping[str, Origin],
    report: Findings,
) -> None:
    """Whether each row is paid the same among other rows and at another position.

    Halves of a random order show what positions and sums over the rows do. Halves in the order of
    a component show what it is scaled by: its largest row is in one of them only.
    """
    shuffled = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
    orders = [shuffled, *(v.argsort(stable=True) for v in whole.components.values())]
    gaps: dict[str, float] = {}
    for part in (half for order in orders for half in order.chunk(2)):
        try:
            alone = function(batch.rows(part))
        except RewardFailed as failure:
            message = f"The program fails on {len(part):,} of the {len(batch):,} rows, "
            message += f"yet not on all of them together: {failure.message}"
            report.error("row-dependence", failure.line, message, _HINTS["row-dependence"])
            return
        for name, gap in _gaps(whole, alone, part).items():
            gaps[name] = max(gaps.get(name, 0.0), gap)
    _report_gaps(gaps, sources, report)


def _check_training(
    function: RewardFunction,
    batch: Batch,
    rows: int,
    whole: RewardValues,
    sources: Mapping[str, Origin],
    report: Findings,
) -> None:
    """Whether a program does at the number of rows of a training what it does here, and in time."""
    part = torch.arange(rows) % len(batch)
    arguments = batch.rows(part)
    start = time.process_time()
    try:
        alone = function(arguments)
    except RewardFailed as failure:
        message = f"The program fails on {rows:,} rows, as many as a training gives it at once, "
        message += f"yet not on {len(batch):,}: {failure.message}"
        report.error("row-dependence", failure.line, message, _HINTS["row-dependence"])
        return
    seconds = time.process_time() - start
    _report_gaps(_gaps(whole, alone, part), sources, report)
    if seconds > LEAST_S and seconds / rows * 1e6 > TOO_SLOW_US:
        message = (
            f"The program takes {seconds:.2g} s of processor time for {rows:,} rows, as many as a "
            f"training gives it at once: more than {TOO_SLOW_US / TRAINING_US:g} times all else."
        )
        report.error("too-slow", sources[""].line, message, _HINTS["too-slow"])


def _gaps(whole: RewardValues, alone: RewardValues, part: Tensor) -> dict[str, float]:
    """By component, how far rows are paid otherwise among others; nothing where they are not."""
    gaps: dict[str, float] = {}
    for name, values in whole.components.items():
        gap = (alone.components[name] - values[part]).abs()
        spread = values.max() - values.min()
        allowed = _OF_SPREAD * spread + _OF_VALUE * values[part].abs() + _ABSOLUTE
        if bool((gap > allowed).any()):
            gaps[name] = float(gap.max())
    return gaps


def _report_gaps(
    gaps: Mapping[str, float], sources: Mapping[str, Origin], report: Findings
) -> None:
    for name, gap in gaps.items():
        message = (
            f'"{name}" of a row changes by up to {gap:.3g} when it is computed '
            "with other rows, or at another position among them."
        )
        report.error("row-dependence", sources[name].line, message, _HINTS["row-dependence"])
