"""The dry run: a reward program is called on real transitions before it costs any training.

What rejects a program is certain: it fails, or what it pays for a row depends on something else
than that row. Whatever else the values show is a warning (`values`).
"""

import re
import time
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from eureka_agent.reward import Evaluation, Finding, RewardFailed, RewardFunction, RewardProgram
from eureka_agent.reward.findings import Report
from eureka_agent.workers.probe.origins import Origin, origins
from eureka_agent.workers.probe.samples import Batch, join
from eureka_agent.workers.probe.values import check_values

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
    report, batch = Report(), join(batches)
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
    failure: RewardFailed, batch: Batch, sources: Mapping[str, Origin], report: Report
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
    given: Mapping[str, Tensor], batch: Batch, sources: Mapping[str, Origin], report: Report
) -> None:
    for name, value in given.items():
        if not torch.equal(value, batch.arguments[name]):
            message = f'The program changes its argument "{name}".'
            hint = f"Work on a copy: {name}.clone()."
            report.warning("changed-argument", sources[""].line, message, hint)


def _timed(function: RewardFunction, batch: Batch) -> tuple[Evaluation, float]:
    """Evaluate twice; returns an evaluation and microseconds of computing per row."""
    seconds: list[float] = []
    evaluation = None
    for _ in range(2):
        start = time.process_time()  # of this process alone: others on the machine do not count
        evaluation = function(batch.arguments)
        seconds.append(time.process_time() - start)
    assert evaluation is not None
    return evaluation, min(seconds) / len(batch) * 1e6


def _check_cost(microseconds: float, sources: Mapping[str, Origin], report: Report) -> None:
    if microseconds > SLOW_US:
        share = microseconds / (microseconds + TRAINING_US)
        message = (
            f"The program takes {microseconds:.2g} microseconds per transition, "
            f"about {100 * share:.0f} % of a training's time."
        )
        report.warning("slow", sources[""].line, message, _HINTS["too-slow"])


def _check_same(
    first: Evaluation, again: Evaluation, sources: Mapping[str, Origin], report: Report
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
    whole: Evaluation,
    sources: Mapping[str, Origin],
    report: Report,
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
    whole: Evaluation,
    sources: Mapping[str, Origin],
    report: Report,
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
    whole: Evaluation,
    sources: Mapping[str, Origin],
    report: Report,
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


def _gaps(whole: Evaluation, alone: Evaluation, part: Tensor) -> dict[str, float]:
    """By component, how far rows are paid otherwise among others; nothing where they are not."""
    gaps: dict[str, float] = {}
    for name, values in whole.components.items():
        gap = (alone.components[name] - values[part]).abs()
        spread = values.max() - values.min()
        allowed = _OF_SPREAD * spread + _OF_VALUE * values[part].abs() + _ABSOLUTE
        if bool((gap > allowed).any()):
            gaps[name] = float(gap.max())
    return gaps


def _report_gaps(gaps: Mapping[str, float], sources: Mapping[str, Origin], report: Report) -> None:
    for name, gap in gaps.items():
        message = (
            f'"{name}" of a row changes by up to {gap:.3g} when it is computed '
            "with other rows, or at another position among them."
        )
        report.error("row-dependence", sources[name].line, message, _HINTS["row-dependence"])
