"""The dry run: tries a reward program on real transitions, and reports its faults.

It rejects only for certain faults: the program fails, or its reward for a row depends on something
else than that row. Everything else is a warning, as random actions show one side of a task: a
component that stays where it is may be the one that pays a good policy.
"""

import ast
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from eureka_agent.common.text import plural
from eureka_agent.reward import Finding, RewardFailed, RewardProgram, RewardValues
from eureka_agent.reward.findings import Findings
from eureka_agent.reward.parser import SET_ITEM
from eureka_agent.workers.probe import HINTS
from eureka_agent.workers.probe.samples import Batch, join

TRAINING_US = 40.0
"""Microseconds that one transition of a training run takes without its reward: about 25,000 steps
per second, as measured for half_cheetah on two cores (benchmarks/RESULTS.md)."""
SLOW_US = 4.0
"""Microseconds per transition from which a program is called slow: a tenth of a training run.
Rewards that people and models write take 0.04 to 0.3."""
TOO_SLOW_US, LEAST_S = 400.0, 0.5
"""The same from which it is refused, ten times a training run, if a call takes so many seconds:
calls of few rows take what their operations do, and are soon over."""
FEW = (1, 7)
"""Numbers of rows that a program must take, as those of few worlds or short episodes."""

FLAT = 1e-6
"""Spread, relative to the size of the values, that rounding alone can make."""
SATURATED_FRACTION, NEAR_END = 0.98, 0.01
"""Fraction of the rows at one end of a component's range from which it is called saturated, and
fraction of the range that counts as its end."""
NEGLIGIBLE = 1e-3
"""Weighted spread, relative to the largest one, that no policy gradient would notice."""

# Rounding differs with the position of a row by some 1e-7 of the values that enter; a component
# may be a small difference of those. What rows do to each other is far more than this.
_OF_SPREAD, _OF_VALUE, _ABSOLUTE = 1e-4, 1e-5, 1e-6

_BYTES = re.compile(r"allocate (\d+) bytes")


def dry_run(
    program: RewardProgram, batches: Sequence[Batch], rows: int | None = None
) -> list[Finding]:
    """Call a program on real transitions and report the faults of its rewards.

    Only a process that may die calls this.

    Args:
        program: one that passed the static check.
        batches: rows to try it on, all with the same parameters; at least one row.
        rows: number that a training run gives it at once. The dry run calls it with as many, too:
            otherwise their number would give the dry run away.

    Returns:
        Findings in order of line. Errors have the rules `exception`, `memory`, `shape`,
        `not-finite`, `torch-settings`, `few-rows`, `row-dependence`, `nondeterministic` and
        `too-slow`, or those of the static check about what a program returns; everything else is a
        warning.
    """
    run = _DryRun(program, join(batches))
    run.check(rows)
    return run.report.sorted()


class _DryRun:
    """A program, the rows that it is tried on, and the findings."""

    def __init__(self, program: RewardProgram, batch: Batch) -> None:
        self.report = Findings()
        self._batch, self._function = batch, program.compile()
        self._origins = origins(program)
        self._first: RewardValues

    def check(self, rows: int | None) -> None:
        """Check after check, until one finds an error."""
        given = {name: value.clone() for name, value in self._batch.arguments.items()}
        try:
            self._first = self._function(given)
        except RewardFailed as failure:
            self._report_failure(failure)
            return
        for name, value in given.items():
            if not torch.equal(value, self._batch.arguments[name]):
                message = f'The program changes its argument "{name}".'
                hint = f"Work on a copy: {name}.clone()."
                self.report.warning("changed-argument", self._origins[""].line, message, hint)
        microseconds = self._check_again()
        if not self.report.failed:
            self._check_rows()
        if not self.report.failed:
            self._check_few()
        if not self.report.failed and rows is not None:
            self._check_training(rows)
        if not self.report.failed:
            if microseconds > SLOW_US:
                share = microseconds / (microseconds + TRAINING_US)
                message = f"The program takes {microseconds:.2g} microseconds per transition, "
                message += f"about {100 * share:.0f} % of a training run's time."
                self._warn("slow", "", message)
            self._check_values()

    def _error(self, rule: str, line: int, message: str) -> None:
        self.report.error(rule, line, message, HINTS[rule])

    def _warn(self, rule: str, component: str, message: str, hint: str = "") -> None:
        line = self._origins[component].line
        self.report.warning(rule, line, message, hint or HINTS[rule])

    def _report_failure(self, failure: RewardFailed) -> None:
        """An error for a program that raised, or returned what the contract does not allow."""
        batch, message, bad = self._batch, failure.message, failure.bad_rows
        origin = self._origins[failure.component]
        line = origin.line if failure.component else failure.line
        if bad is not None:
            message = (
                f'"{failure.component}" is not finite on {bad.count:,} of '
                f"{len(batch):,} transitions {batch.where}: it is {bad.value} "
                f"where {batch.describe(bad.first, origin.inputs)}."
            )
        elif failure.rule == "memory":
            size = _BYTES.search(message)
            asked = f"{int(size[1]) / 2**30:,.1f} GiB" if size else "more than there is"
            message = f"The program asks for too much memory for {len(batch):,} rows: {asked}."
        hint = batch.shapes() if failure.rule == "exception" else HINTS[failure.rule]
        self.report.error(failure.rule, line, message, hint)

    def _check_again(self) -> float:
        """Check that more calls pay the same; returns microseconds of computing per row."""
        seconds: list[float] = []
        again = self._first
        try:
            for _ in range(2):
                start = time.process_time()  # of this process alone, whatever else runs
                again = self._function(self._batch.arguments)
                seconds.append(time.process_time() - start)
        except RewardFailed as failure:
            said = "The second call with the same arguments fails, the first does not"
            self.report.error("nondeterministic", failure.line, f"{said}: {failure}")
            return 0.0
        for name, values in self._first.components.items():
            if not torch.equal(values, again.components[name]):
                gap = float((values - again.components[name]).abs().max())
                message = f'"{name}" differs by up to {gap:.3g} between two calls with the same '
                message += "rows."
                hint = "Equal situations must be paid equally: use nothing that is random or kept."
                self.report.error("nondeterministic", self._origins[name].line, message, hint)
        return min(seconds) / len(self._batch) * 1e6

    def _check_rows(self) -> None:
        """Whether each row is paid the same among other rows and at another position.

        Halves of a random order show what positions and sums over the rows do. Halves in the order
        of a component show what it is scaled by: its largest row is in one of them only.
        """
        total = len(self._batch)
        shuffled = torch.randperm(total, generator=torch.Generator().manual_seed(0))
        components = self._first.components.values()
        orders = [shuffled, *(values.argsort(stable=True) for values in components)]
        self._compare(
            [half for order in orders for half in order.chunk(2)],
            "row-dependence",
            lambda rows: f"{rows:,} of the {total:,} rows, yet not on all of them together",
        )

    def _check_few(self) -> None:
        """Whether a program takes any number of rows, and pays each the same among few."""
        self._compare(
            [torch.arange(count) for count in FEW if count < len(self._batch)],
            "few-rows",
            lambda rows: plural(rows, "row"),
        )

    def _check_training(self, rows: int) -> None:
        """Whether a program pays the same at the number of rows of a training run, and in time."""
        said = f"as many as a training run gives it at once, yet not on {len(self._batch):,}"
        seconds = self._compare(
            [torch.arange(rows) % len(self._batch)],
            "row-dependence",
            lambda rows: f"{rows:,} rows, {said}",
        )
        if seconds > LEAST_S and seconds / rows * 1e6 > TOO_SLOW_US:
            message = (
                f"The program takes {seconds:.2g} s of processor time for {rows:,} rows, as many "
                "as a training run gives it at once: more than "
                f"{TOO_SLOW_US / TRAINING_US:g} times everything else."
            )
            self._error("too-slow", self._origins[""].line, message)

    def _compare(self, parts: Sequence[Tensor], rule: str, where: Callable[[int], str]) -> float:
        """Whether a program pays rows the same when it is called on parts of them.

        Args:
            parts: chosen rows, part by part.
            rule: of the error if it fails on a part.
            where: completes "The program fails on ...", given the number of rows.

        Returns:
            Processor seconds of all calls.
        """
        gaps: dict[str, float] = {}
        seconds = 0.0
        for part in parts:
            arguments = self._batch.rows(part)
            start = time.process_time()
            try:
                alone = self._function(arguments)
            except RewardFailed as failure:
                said = f"The program fails on {where(len(part))}: {failure.message}"
                self._error(rule, failure.line, said)
                return 0.0
            seconds += time.process_time() - start
            for name, values in self._first.components.items():
                gap = (alone.components[name] - values[part]).abs()
                spread = values.max() - values.min()
                allowed = _OF_SPREAD * spread + _OF_VALUE * values[part].abs() + _ABSOLUTE
                if bool((gap > allowed).any()):
                    gaps[name] = max(gaps.get(name, 0.0), float(gap.max()))
        for name, gap in gaps.items():
            message = (
                f'"{name}" of a row changes by up to {gap:.3g} when it is computed with other '
                "rows, or at another position among them."
            )
            self._error("row-dependence", self._origins[name].line, message)
        return seconds

    def _check_values(self) -> None:
        """Warn of components that teach nothing; those of weight 0 are only shown, so they may."""
        first, weights, where = self._first, self._function.weights, self._batch.where
        on_all = f"on all {len(first.total):,} transitions {where}"
        if _is_flat(first.total):
            message = f"The whole reward is {float(first.total[0]):.3g} {on_all}: "
            self._warn("constant-reward", "", message + "nothing can be learned from it there.")
            return
        paid = {name: v for name, v in first.components.items() if weights[name] != 0.0}
        for name, values in paid.items():
            if _is_flat(values):
                message = f'"{name}" is {float(values[0]):.3g} {on_all}: it teaches nothing there.'
                self._warn("constant", name, message)
            else:
                self._check_saturated(name, values)
        spreads = {name: abs(weights[name]) * float(v.double().std()) for name, v in paid.items()}
        largest = max(spreads, key=lambda name: spreads[name])
        for name, spread in spreads.items():
            if not _is_flat(paid[name]) and spread < NEGLIGIBLE * spreads[largest]:
                message = (
                    f'"{name}" times its weight varies {spread / spreads[largest]:.1g} times as '
                    f'much as "{largest}" does {where}: it makes no difference there.'
                )
                hint = f'Raise the weight of "{name}", lower that of "{largest}", or leave it out.'
                self._warn("negligible", name, message, hint)

    def _check_saturated(self, name: str, values: Tensor) -> None:
        low, high = float(values.min()), float(values.max())
        margin = NEAR_END * (high - low)
        at_low = float((values <= low + margin).float().mean())
        at_high = float((values >= high - margin).float().mean())
        ends = ((at_low, low, high, "lowest"), (at_high, high, low, "highest"))
        fraction, end, other, side = ends[0] if at_low > at_high else ends[1]
        if fraction < SATURATED_FRACTION:
            return
        percent = min(100 * fraction, 99.9)  # never rounded to all of them
        on = f"on {percent:.1f} % of the transitions {self._batch.where}"
        if bool(((values == low) | (values == high)).all()):
            message = f'"{name}" is {end:.3g} {on}, and {other:.3g} on the few others.'
            hint = "Such an event guides no policy before it happens: pay by degrees beside it."
        else:
            message = f'"{name}" stays near its {side} value, {end:.3g}, {on}; '
            message += f"its other end is {other:.3g}."
            hint = "Widen its scale so that it changes where policies begin, or clamp rare large "
            hint += "values."
        self._warn("saturated", name, message, hint)


def _is_flat(values: Tensor) -> bool:
    return bool(values.max() - values.min() <= FLAT * values.abs().max())


@dataclass(frozen=True)
class Origin:
    """The source of a component's value.

    Attributes:
        line: the last assignment to the variable that is returned, or the returned expression.
        inputs: parameters that its value can depend on, without the keys of SCALES; never empty.
    """

    line: int
    inputs: tuple[str, ...]


def origins(program: RewardProgram) -> dict[str, Origin]:
    """The origin of every component by name, where the text shows it; "" is the whole reward."""
    (entry,) = (
        node
        for node in program.tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "compute_reward"
    )
    parameters = tuple(name for name in program.parameters if name not in program.scales)
    returned = max(node.lineno for node in ast.walk(entry) if isinstance(node, ast.Return))
    found = dict.fromkeys(("", *program.weights), Origin(returned, parameters))
    reads, lines = _assignments(entry)
    for name, value in _component_values(entry):
        if name in program.weights:
            reached, unread = set[str](), _names(value)
            while unread:
                reached.add(variable := unread.pop())
                unread |= reads.get(variable, set()) - reached
            inputs = tuple(p for p in parameters if p in reached) or parameters
            variable = value.id if isinstance(value, ast.Name) else ""
            found[name] = Origin(lines.get(variable, value.lineno), inputs)
    return found


def _assignments(entry: ast.FunctionDef) -> tuple[dict[str, set[str]], dict[str, int]]:
    """The names that each local variable is made of, over all assignments, and its last line."""
    reads: dict[str, set[str]] = {}
    lines: dict[str, int] = {}
    for node in ast.walk(entry):
        match node:
            case ast.Assign(targets=targets, value=value):
                pass
            case ast.For(target=target, iter=value):
                targets = [target]
            case _:
                continue
        for name in {name for target in targets for name in _names(target)}:
            reads.setdefault(name, set()).update(_names(value))
            lines[name] = max(lines.get(name, 0), node.lineno)
    return reads, lines


def _component_values(entry: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Names and values of all dict entries, including those that are added one by one."""
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


def _names(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
