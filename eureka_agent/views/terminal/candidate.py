"""`show RUN CANDIDATE`: a candidate, drawn for a terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from eureka_agent.common.text import (
    count,
    duration,
    number,
    number_range,
    percent,
    sparkline,
    terminal_line,
    terminal_text,
    value_range,
)
from eureka_agent.store import EvaluationRow, RunReader, TrainingRow
from eureka_agent.store.reading import AUTHOR_ROLES
from eureka_agent.views.documents import exchange_name
from eureka_agent.views.snapshot import CandidateSnapshot, Document, RunSnapshot, candidate_snapshot
from eureka_agent.views.terminal.parts import (
    STATES,
    code,
    foreign,
    origin,
    path_text,
    plain_table,
    section,
    state_text,
    verdict,
)
from eureka_agent.views.verdict import standing_words, why_first


def show_candidate(reader: RunReader, number: int) -> RenderableType:
    """A candidate: its program, the critic's findings, its training runs.

    Raises:
        UsageError: the run has no such candidate.
    """
    with reader.transaction():
        run = RunSnapshot(reader)
        candidate = candidate_snapshot(run, number)
        row = candidate.row
        head = Text.assemble(
            (f"Candidate {number}", "bold"),
            f" of {terminal_line(run.name)}, {origin(row)}  ",
            state_text(row.state),
        )
        for line in (row.thought, row.note, f"Lesson: {row.lesson}" if row.lesson else ""):
            if line:
                head.append(f"\n{terminal_line(line)}")
        if row.state == "finished":
            head.append(f"\n{standing_words(row, candidate.ranked).capitalize()}.")
            if reason := why_first(run, number):
                head.append(f"\nFirst of all candidates: {terminal_line(reason)}.")
        parts: list[RenderableType] = [head, Text(), code(row.text, numbers=True), Text()]
        if row.failure and not (row.state == "rejected" and row.verdict):
            parts.append(section("Why it failed", Text(terminal_text(row.failure).rstrip())))
        if row.verdict:
            parts.append(section("What the critic found", verdict(row.verdict)))
        if candidate.exchanges:
            parts.append(section("How it was written", _conversation(candidate)))
        parts += [
            _training(training, candidate.evaluations[training.id])
            for training in candidate.trainings
        ]
        known = candidate.analysis
        parts += analysis_sections(known.failures, known.lens, known.opinion)
        if row.reflection:
            parts.append(section("Reflection", Text(terminal_text(row.reflection))))
        parts.append(_place(candidate.folder / "reward.py"))
        return Group(*parts)


def _conversation(candidate: CandidateSnapshot) -> RenderableType:
    """The model's answers in order, and the critic's findings in those that went back."""
    drafts = {draft.attempt: draft.verdict for draft in candidate.drafts}
    parts: list[RenderableType] = []
    for exchange in candidate.exchanges:
        name = exchange_name(exchange.role, exchange.attempt)
        used = f"{exchange.prompt_tokens} + {exchange.completion_tokens} tokens"
        model = terminal_line(exchange.model)
        parts.append(Text(f"{name} by {model}: {used}, {duration(exchange.seconds)}"))
        if exchange.role in AUTHOR_ROLES and exchange.attempt in drafts:
            parts.append(Padding(verdict(drafts[exchange.attempt]), (0, 0, 0, 2)))
    return Group(*parts, _place(candidate.folder, "prompts and replies: "))


def _place(path: Path, what: str = "") -> Text:
    """A path, and whether it is missing: a run may have been copied without its files."""
    missing = "" if path.exists() else " (missing; this is from the run's database)"
    return path_text(f"{what}{path}{missing}")


def _training(training: TrainingRow, evaluations: Sequence[EvaluationRow]) -> RenderableType:
    """The curves of a training run and what the reward paid for at the selected checkpoint."""
    name = "Training" if training.role == "candidate" else "Trained again alone"
    title = f"{name}, seed {training.seed}: {STATES[training.state][1]}"
    title += f", {count(training.steps_done)} of {count(training.steps_total)} steps"
    if training.reporting_fitness is not None:
        title += f", reporting fitness {number(training.reporting_fitness)}"
    parts: list[RenderableType] = []
    if training.failure:
        parts.append(Text(terminal_text(training.failure).rstrip(), "red"))
    if evaluations:
        parts.append(_curves(evaluations, training.checkpoint_step))
        selected = [row for row in evaluations if row.step == training.checkpoint_step]
        parts += [Text(), *_components((selected or evaluations)[-1])]
    return section(title, Group(*parts))


def _curves(evaluations: Sequence[EvaluationRow], checkpoint: int | None) -> RenderableType:
    curves = {
        name: [getattr(row, name) for row in evaluations]
        for name in ("fitness", "progress", "own_return")
    }
    curves = {name: curve for name, curve in curves.items() if curve.count(None) < len(curve)}
    lines = []
    for name, curve in curves.items():
        low, high = value_range([curve])
        title = "ranking fitness" if name == "fitness" else name.replace("_", " ")
        drawn = sparkline(curve, low, high)
        lines.append(Text(f"{title:<16} {drawn}  {number(low)} to {number(high)}"))
    return Group(*lines, Text(), evaluations_table(evaluations, checkpoint))


def evaluations_table(evaluations: Sequence[EvaluationRow], checkpoint: int | None) -> Table:
    """The evaluations of a training run in numbers; measures that none has are left out.

    Args:
        evaluations: by step.
        checkpoint: the step of the selected checkpoint, once there is one.
    """
    columns = [
        name
        for name in ("fitness", "progress")
        if any(getattr(row, name) is not None for row in evaluations)
    ]
    headings = [f">{name}" for name in columns]
    table = plain_table(">step", *headings, ">own return", ">length", ">ended early", "")
    for row in evaluations:
        table.add_row(
            count(row.step),
            *(number(getattr(row, name)) for name in columns),
            number(row.own_return),
            number(row.episode_length),
            percent(row.ended_early),
            Text("selected", "green") if row.step == checkpoint else "",
        )
    return table


def _components(evaluation: EvaluationRow) -> list[RenderableType]:
    """What the components paid at an evaluation, and the trainer's diagnostics."""
    parts: list[RenderableType] = []
    if evaluation.components:
        table = plain_table("component", ">mean", ">min", ">max", ">share")
        for name, values in evaluation.components.items():
            numbers = (number(values.get(key)) for key in ("mean", "min", "max"))
            table.add_row(foreign(name), *numbers, percent(values.get("share")))
        steps = count(evaluation.step)
        parts += [table, Text(f"weighted, per step, after {steps} steps", "dim")]
    if evaluation.diagnostics:
        words = (f"{name} {number(value)}" for name, value in evaluation.diagnostics.items())
        parts.append(Text(terminal_text(", ".join(words)), "dim"))
    return parts


SPREAD = "Median and percentiles over the steps of policies; weighted, per step."


def analysis_sections(
    failures: Document, lens: Document, opinion: Document
) -> list[RenderableType]:
    """A section for each of the parts of an `AnalysisRow` that is there."""
    sections: list[RenderableType] = []
    if failures.get("lines"):
        sections.append(section("How its episodes fail", failures_part(failures)))
    if lens.get("views") or lens.get("spreads"):
        sections.append(section("What the program pays", lens_part(lens)))
    if opinion.get("lines"):
        lines = "\n".join(map(str, opinion["lines"]))
        sections.append(section("What the analyst says", Text(terminal_text(lines))))
    return sections


def failures_part(failures: Document) -> RenderableType:
    """How many episodes failed, and a line for each type of failure."""
    if not failures["types"]:
        return Text(terminal_text("\n".join(failures["lines"])))
    head = Text(terminal_line(failures["lines"][0]))
    table = plain_table("type", ">episodes", ">from step", "~paid most per step meanwhile")
    for entry in failures["types"]:
        paid = (f"{terminal_line(n)} {number(value)}" for n, value in entry["components"].items())
        table.add_row(
            foreign(entry["kind"]), percent(entry["share"]), str(entry["step"]), ", ".join(paid)
        )
    rest = failures["untyped"]
    parts: list[RenderableType] = [head, Text(), table]
    if rest:
        parts.append(Text(f"No rule fits {rest} of them.", "dim"))
    if failures["progress"]:
        parts.append(Text(f"Taken for progress: {terminal_line(failures['progress'])}.", "dim"))
    return Group(*parts)


def lens_part(lens: Document) -> RenderableType:
    """The reward over what it goes with most, and its components under policies."""
    parts: list[RenderableType] = []
    for view in lens.get("views", ()):
        if len(view["swept"]) == 1:
            parts += [_line(view), Text()]
    spreads = lens.get("spreads", {})
    if spreads:
        table = plain_table("~component", "~under", ">5 %", ">median", ">95 %")
        for name, values in spreads.items():
            for i, (group, spread) in enumerate(values.items()):
                shown = "" if i else name
                table.add_row(foreign(shown), foreign(group), *map(number, spread))
        parts += [table, Text(SPREAD, "dim")]
    return Group(*parts)


def _line(view: Document) -> RenderableType:
    """One swept quantity: the reward and what moves of it, each on its own scale."""
    (swept,), (grid,) = view["swept"], view["grids"]
    unit = "" if swept["unit"] == "1" else f" {terminal_line(swept['unit'])}"
    head = f"over {terminal_line(swept['name'])}, {number(grid[0])} to {number(grid[-1])}{unit}"
    table = plain_table("~", "", "")
    table.show_header = False
    for name, curve in {"reward": view["total"], **view["components"]}.items():
        low, high = value_range([curve])
        if high > low:
            drawn = Text(sparkline(curve, low, high), "cyan")
            table.add_row(foreign(name), drawn, number_range(low, high))
        elif name == "reward":
            table.add_row(name, Text("the same throughout", "dim"), number(low))
    return Group(Text(head), table)
