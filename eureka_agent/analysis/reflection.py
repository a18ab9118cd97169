"""The reflection: the lessons of one candidate, as text for the next generation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from eureka_agent.analysis.training_curves import (
    Component,
    Course,
    Curve,
    component_remarks,
    course_remarks,
    known,
    read_course,
)
from eureka_agent.common.text import (
    plural,
    prompt_line,
    prompt_number,
    prompt_percent,
    prompt_table,
    steps,
)
from eureka_agent.store import CandidateRow, EvaluationRow, TrainingRow

MAX_POINTS = 10
"""Points of training in the table: as many as fit side by side in 100 columns."""
LONGEST = 2450
"""Most characters of a reflection, so that several fit in a prompt; the last remarks go first, but
`FEWEST_REMARKS` stay beside any table."""
FEWEST_REMARKS = 3
MAX_FINDINGS = 4
MAX_FAILURE_LINES = 3
DIAGNOSTICS = {
    "explained_variance": "explained variance",
    "action_spread": "action spread",
    "entropy": "entropy",
    "kl": "KL",
    "clip_share": "clip share",
}
"""Names in the text of the diagnostics that separate bad rewards from failed training runs."""


def reflect(
    candidate: CandidateRow,
    training: TrainingRow | None,
    evaluations: Sequence[EvaluationRow],
    *,
    episode_steps: int,
) -> str:
    """Describe a finished, failed or rejected candidate, in plain ASCII.

    Args:
        candidate: the one to describe.
        training: its training run, if it has one.
        evaluations: of that run.
        episode_steps: control steps until an episode's time limit.

    Returns:
        A table over up to ten points of the training run, then sentences; or the critic's findings
        and why the candidate failed. The table has at most about 100 columns, a sentence is one
        line; there is no final line break. Empty if nothing is known.
    """
    parts = [_rejection(candidate, training)]
    if evaluations:
        course = read_course(candidate.text, evaluations)
        selected = (training or candidate).checkpoint_step
        parts += [
            _head(course, selected),
            _table(course, selected),
            _endings(course, episode_steps),
            _training_line(course),
        ]
        remarks = course_remarks(course, episode_steps) + component_remarks(course)
        parts += _that_fit([f"- {remark}" for remark in remarks], "\n".join(parts))
    return "\n".join(part for part in parts if part)


def _that_fit(remarks: Sequence[str], before: str) -> list[str]:
    """The remarks that fit, in their order."""
    length, kept = len(before), []
    for remark in remarks:
        length += len(remark) + 1
        if length <= LONGEST or len(kept) < FEWEST_REMARKS:
            kept.append(remark)
    return kept


def _rejection(candidate: CandidateRow, training: TrainingRow | None) -> str:
    """The critic's findings and why the candidate failed, in a few lines."""
    if candidate.state not in ("rejected", "failed"):
        return ""
    if candidate.state == "rejected" and candidate.verdict:
        return "\n".join(["The critic rejected the program:", *_findings(candidate.verdict)])
    failure = candidate.failure or (training.failure if training else None) or "no reason was given"
    said = [prompt_line(line) for line in failure.splitlines() if line.strip()]
    verb = "was rejected" if candidate.state == "rejected" else "failed"
    # The last lines of a traceback name the exception and the place. They are marked as quoted:
    # they come from a process that a program may have broken.
    return "\n".join(
        [f"The candidate {verb}:", *(f"> {line}" for line in said[-MAX_FAILURE_LINES:])]
    )


def _findings(verdict: Sequence[Mapping[str, Any]]) -> list[str]:
    errors = [finding for finding in verdict if finding.get("severity") == "error"] or verdict
    lines = []
    for finding in errors[:MAX_FINDINGS]:
        rule, message, hint = (
            prompt_line(str(finding.get(key, ""))) for key in ("rule", "message", "hint")
        )
        lines.append(f"- line {finding.get('line', '?')}, {rule}: {message} {hint}".rstrip())
    more = len(errors) - MAX_FINDINGS
    return [*lines, f"- and {more} more"] if more > 0 else lines


def _head(course: Course, selected: int | None) -> str:
    """The steps trained, the policy that ships, and where fitness was highest."""
    text = f"Trained for {steps(course.steps[-1])} steps."
    if selected in course.steps:
        index = course.steps.index(selected)
        reached = course.fitness[index]
        value = "" if reached is None else f": fitness {prompt_number(reached)}"
        text += (
            f" The policy at {steps(selected)} ships (*), where its own return is highest{value}."
        )
    fitness = known(course.fitness)
    best = course.steps[course.fitness.index(max(fitness))] if fitness else None
    if best is not None and best != selected:
        text += f" Highest fitness: {prompt_number(max(fitness))} at {steps(best)}."
    return text


def _table(course: Course, selected: int | None) -> str:
    """The curves at up to `MAX_POINTS` points, the last one and the selected one among them."""
    points = _points(course, selected)

    def row(
        label: str, curve: Curve, form: Callable[[float | None], str] = prompt_number
    ) -> tuple[str, list[str]]:
        return label, [form(curve[point]) for point in points]

    marks = ["*" if course.steps[point] == selected else "" for point in points]
    heads = [steps(course.steps[p]) + mark for p, mark in zip(points, marks, strict=True)]
    rows: list[tuple[str, Sequence[str] | None]] = [
        ("steps", heads),
        *([row("fitness", course.fitness)] if known(course.fitness) else []),
        row("own return", course.own_return),
    ]
    if not _full_length(course):
        rows.append(row("length", course.length))
        rows.append(row("ended early", course.ended_early, prompt_percent))
    if course.components:
        rows.append(("Components: weighted mean per training step, share of the whole", None))
    for component in course.components:
        rows.append((_title(component), None))
        rows.append(row("  mean", component.means))
        rows.append(row("  share", component.shares, prompt_percent))
    return "\n".join(prompt_table(rows))


def _points(course: Course, selected: int | None) -> list[int]:
    count = len(course.steps)
    if count <= MAX_POINTS:
        return list(range(count))
    points = [round((i + 1) * count / MAX_POINTS) - 1 for i in range(MAX_POINTS)]
    if selected in course.steps[:-1]:
        index = course.steps.index(selected)
        nearest = min(range(MAX_POINTS - 1), key=lambda i: abs(points[i] - index))
        points[nearest] = index
    return points


def _title(component: Component) -> str:
    low, high = component.low, component.high
    extent = max(abs(low or 0.0), abs(high or 0.0))
    # Beside its opposite, a bound of a millionth is a rounded 0.
    ends = [0.0 if v is not None and abs(v) < 1e-4 * extent else v for v in (low, high)]
    weight = "" if component.weight is None else f"weight {prompt_number(component.weight)}, "
    extent_text = f"{prompt_number(ends[0])} to {prompt_number(ends[1])}"
    return f"{prompt_line(component.name)} ({weight}{extent_text})"


def _full_length(course: Course) -> bool:
    return all(share == 0 for share in course.ended_early)


def _endings(course: Course, episode_steps: int) -> str:
    """A sentence on the ends of episodes."""
    shares, lengths = known(course.ended_early), known(course.length)
    if not shares or not lengths:
        return ""
    if _full_length(course):
        return f"Every episode ran to the time limit of {episode_steps} steps."
    return (
        f"Of the episodes, {prompt_percent(shares[0])} ended early at the first point and "
        f"{prompt_percent(shares[-1])} at the last (mean length {prompt_number(lengths[0])} and "
        f"{prompt_number(lengths[-1])}; the time limit is {episode_steps} steps)."
    )


def _training_line(course: Course) -> str:
    """The trainer's diagnostics from the first to the last point."""
    words = []
    for key, name in DIAGNOSTICS.items():
        curve = known(course.diagnostics.get(key, ()))
        if curve:
            words.append(f"{name} {prompt_number(curve[0])} to {prompt_number(curve[-1])}")
    return f"Trainer, first to last point: {', '.join(words)}." if words else ""


MOST = 24
"""Columns that are shown; a program can hardly use more."""


def signal_statistics(columns: Sequence[str], states: np.ndarray, lengths: np.ndarray) -> str:
    """A line per column of the signals: how it begins, how it continues, and how far it gets.

    Args:
        columns: names of the `S` columns.
        states: signals at the reset and after each step `[L + 1, E, S]`.
        lengths: steps of each episode `[E]`.
    """
    places = np.arange(len(states))[:, None]
    lived = places <= lengths
    halves = (lived & (places * 2 <= lengths), lived & (places * 2 > lengths))
    rows = [("", ["1st half", "2nd half", "spread", "from", "to"])]
    for index, name in enumerate(columns[:MOST]):
        column = states[:, :, index].astype(np.float64)
        first, second = (column[half].mean() for half in halves)
        values = column[lived]
        figures = (first, second, column[halves[1]].std(), values.min(), values.max())
        rows.append((name, [prompt_number(float(figure)) for figure in figures]))
    title = f"What the policy does in {plural(len(lengths), 'episode')} without noise"
    return "\n".join(
        [f"{title} (means over each half, spread over the second):", *prompt_table(rows)]
    )
