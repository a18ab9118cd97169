"""`show RUN CANDIDATE`: a candidate, drawn for a terminal from its document."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.padding import Padding
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
from eureka_agent.store import RunReader
from eureka_agent.store.reading import AUTHOR_ROLES
from eureka_agent.views.documents import candidate_document, exchange_name
from eureka_agent.views.snapshot import Document
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
from eureka_agent.views.verdict import standing_words


def show_candidate(run: RunReader, candidate: int) -> RenderableType:
    """A candidate: its program, the critic's verdict, its trainings.

    Raises:
        UsageError: the run has no such candidate.
    """
    document = candidate_document(run, candidate)
    head = Text.assemble(
        (f"Candidate {candidate}", "bold"),
        f" of {terminal_line(document['run'])}, {origin(document)}  ",
        state_text(document["state"]),
    )
    lesson = f"Lesson: {document['lesson']}" if document["lesson"] else ""
    for line in (document["thought"], document["note"], lesson):
        if line:
            head.append(f"\n{terminal_line(line)}")
    if document["state"] == "finished":
        head.append(f"\n{standing_words(document).capitalize()}.")
        if document["why"]:
            head.append(f"\nFirst of all candidates: {terminal_line(document['why'])}.")
    parts: list[RenderableType] = [head, Text(), code(document["text"], numbers=True), Text()]
    if document["failure"] and not (document["state"] == "rejected" and document["verdict"]):
        parts.append(section("Why it failed", Text(terminal_text(document["failure"]).rstrip())))
    if document["verdict"]:
        parts.append(section("What the critic found", verdict(document["verdict"])))
    if document["exchanges"]:
        parts.append(section("How it was written", _conversation(document)))
    for training in document["trainings"]:
        parts += _training_parts(training)
    parts += analysis_sections(document["failures"], document["lens"], document["opinion"])
    if document["reflection"]:
        parts.append(section("Reflection", Text(terminal_text(document["reflection"]))))
    parts.append(_place(document["reward_path"]))
    return Group(*parts)


def _conversation(document: Document) -> RenderableType:
    """The model's answers in order, and what the critic found in those that went back."""
    drafts = {draft["attempt"]: draft["verdict"] for draft in document["drafts"]}
    parts: list[RenderableType] = []
    for exchange in document["exchanges"]:
        attempt = exchange["attempt"]
        name = exchange_name(exchange["role"], attempt)
        tokens = f"{exchange['prompt_tokens']} + {exchange['completion_tokens']} tokens"
        model = terminal_line(exchange["model"])
        parts.append(Text(f"{name} by {model}: {tokens}, {duration(exchange['seconds'])}"))
        if exchange["role"] in AUTHOR_ROLES and attempt in drafts:
            parts.append(Padding(verdict(drafts[attempt]), (0, 0, 0, 2)))
    folder = str(Path(document["reward_path"]).parent)
    return Group(*parts, _place(folder, "prompts and replies: "))


def _place(path: str, what: str = "") -> Text:
    """Where something lies; a run may have been copied without its files."""
    missing = "" if Path(path).exists() else " (missing; this is from the run's database)"
    return path_text(f"{what}{path}{missing}")


def _training_parts(training: Document) -> list[RenderableType]:
    """The curves of a training and what the reward paid for at the shipped checkpoint."""
    name = "Training" if training["role"] == "candidate" else "Trained again alone"
    title = f"{name}, seed {training['seed']}: {STATES[training['state']][1]}"
    title += f", {count(training['steps_done'])} of {count(training['steps_total'])} steps"
    if training["reporting_fitness"] is not None:
        title += f", reporting fitness {number(training['reporting_fitness'])}"
    parts: list[RenderableType] = []
    if training["failure"]:
        parts.append(Text(terminal_text(training["failure"]).rstrip(), "red"))
    evaluations = training["evaluations"]
    if evaluations:
        parts.append(_curves(evaluations, training["checkpoint_step"]))
        shipped = [e for e in evaluations if e["step"] == training["checkpoint_step"]]
        parts += [Text(), *_shipped_parts((shipped or evaluations)[-1])]
    return [section(title, Group(*parts))]


def _curves(evaluations: Sequence[Document], checkpoint: int | None) -> RenderableType:
    lines = []
    kinds = [("fitness", "ranking fitness"), ("progress", "progress"), ("own_return", "own return")]
    for key, name in kinds:
        curve = [evaluation[key] for evaluation in evaluations]
        if curve.count(None) == len(curve):
            continue
        low, high = value_range([curve])
        scale = f"{number(low)} to {number(high)}"
        lines.append(Text(f"{name:<16} {sparkline(curve, low, high)}  {scale}"))
    columns = {
        key: heading
        for key, heading in (("fitness", ">fitness"), ("progress", ">progress"))
        if any(evaluation[key] is not None for evaluation in evaluations)
    }
    table = plain_table(">step", *columns.values(), ">own return", ">length", ">ended early", "")
    for evaluation in evaluations:
        table.add_row(
            count(evaluation["step"]),
            *(number(evaluation[key]) for key in columns),
            number(evaluation["own_return"]),
            number(evaluation["episode_length"]),
            percent(evaluation["ended_early"]),
            Text("shipped", "green") if evaluation["step"] == checkpoint else "",
        )
    return Group(*lines, Text(), table)


def _shipped_parts(evaluation: Document) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if evaluation["components"]:
        table = plain_table("component", ">mean", ">min", ">max", ">share")
        for name, values in evaluation["components"].items():
            numbers = (number(values.get(key)) for key in ("mean", "min", "max"))
            table.add_row(foreign(name), *numbers, percent(values.get("share")))
        parts += [
            table,
            Text(f"weighted, per step, after {count(evaluation['step'])} steps", "dim"),
        ]
    if evaluation["diagnostics"]:
        words = (f"{name} {number(value)}" for name, value in evaluation["diagnostics"].items())
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
