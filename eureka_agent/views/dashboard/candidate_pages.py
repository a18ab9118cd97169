"""The pages on a candidate, each drawn from its details: what people read beside the tree."""

from collections.abc import Iterable, Sequence
from difflib import unified_diff

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from eureka_agent.common.text import (
    clean,
    count,
    duration,
    idea,
    limits,
    number,
    one_line,
    percent,
    program_text,
    sparkline,
)
from eureka_agent.store import EvaluationRow, TrainingRow
from eureka_agent.views.dashboard.chart import Chart, Curve, Point
from eureka_agent.views.dashboard.page import Pages
from eureka_agent.views.dashboard.source import Details
from eureka_agent.views.documents import exchange_name
from eureka_agent.views.notes import standing_words
from eureka_agent.views.terminal.candidate import analysis_sections
from eureka_agent.views.terminal.parts import (
    STATES,
    code,
    foreign,
    path_text,
    plain_table,
    section,
    state_text,
    verdict,
)

TALL, LOW = 10, 4
DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}
ROLES = {"candidate": "Training", "winner": "Trained again"}


def heading(details: Details, goal: str) -> Text:
    """Which candidate it is and how it stands, on one line."""
    row = details.candidate
    line = Text.assemble((f"Candidate {row.id}", "bold"), "  ", state_text(row.state))
    value = details.standing["ranking_value"]
    if row.fitness is not None and value is not None:
        line.append(f", ranking fitness {number(value)}")
    return line.append(f"  {idea(row.thought, goal)}", "dim")


def candidate_pages(details: Details) -> Pages:
    """The pages on a candidate by title, in the order of the keys that open them."""
    pages = {
        "Facts": summary,
        "Code": program,
        "Diff": differences,
        "Critic": criticism,
        "Curves": curves,
        "Parts": components,
        "Trainer": diagnostics,
        "Failures": failures,
        "Reflection": reflection,
        "Prompt": conversation,
    }
    return {title: lambda draw=draw: draw(details) for title, draw in pages.items()}


def summary(details: Details) -> RenderableType:
    """What it is, where it comes from, how it did, and where its files are."""
    row = details.candidate
    parts: list[RenderableType] = []
    parts += [Text(one_line(text)) for text in (row.thought, row.note) if text]
    if row.lesson:
        parts.append(Text(f"Lesson: {one_line(row.lesson)}"))
    table = plain_table("", "~")
    table.show_header = False
    table.add_row("generation", str(row.generation))
    table.add_row("from", _numbers(row.parents) or "no other candidate")
    if details.children:
        table.add_row("led to", Text(_numbers(details.children)))
    if row.twin is not None:
        table.add_row("equivalent to", f"#{row.twin}")
    table.add_row("written by", foreign(row.designer))
    said = standing_words(details.standing)
    if said:
        table.add_row("result", said)
    if row.own_return is not None:
        table.add_row("checkpoint", f"after {count(row.checkpoint_step or 0)} steps")
    for role, name in ROLES.items():
        of_it = [training for training in details.trainings if training.role == role]
        if of_it:
            table.add_row(name.lower(), _standings(of_it))
    table.add_row("program", path_text(str(details.folder / "reward.py")))
    for video in details.videos:
        table.add_row("video", path_text(str(video)))
    parts += [Text(), table]
    if row.failure:
        why = "Why it was rejected" if row.state == "rejected" else "Why it failed"
        parts += [Text(), section(why, Text(clean(row.failure).rstrip()))]
    if _measured(details):
        parts += [Text(), Text("Ranking fitness", "bold"), _fitness(details)]
    return Group(*parts)


def program(details: Details) -> RenderableType:
    """The reward program."""
    if not details.candidate.text.strip():
        return Text("There is no program: the model's answer held none.", "dim")
    return code(details.candidate.text, numbers=True)


def differences(details: Details) -> RenderableType:
    """What was changed, from each parent to this program."""
    if not details.parents:
        return Text("It has no parent to compare with.", "dim")
    parts: list[RenderableType] = []
    for parent in details.parents:
        texts = parent.text, details.candidate.text
        old, new = (program_text(text).splitlines() for text in texts)
        lines = list(unified_diff(old, new, lineterm="", n=3))[2:]
        table = Table.grid()
        for line in lines:
            style = DIFF_STYLES.get(line[0], "")
            if line[0] == "@":
                table.add_row("", Text("⋯", style))
            else:
                table.add_row(Text(f"{line[0]} ", style), Text(line[1:], style))
        parts.append(section(f"From #{parent.id}", table if lines else Text("The same text.")))
    return Group(*parts)


def criticism(details: Details) -> RenderableType:
    """What the critic found in this program and in the versions that it sent back."""
    row = details.candidate
    found = verdict(row.verdict, row.text) if row.verdict else Text("Nothing to mend.", "dim")
    if row.state == "proposed":
        found = Text("Not checked yet.", "dim")
    parts = [section("This program", found)]
    for draft in reversed(details.drafts):
        name = f"Repair {draft.attempt}" if draft.attempt else "First version"
        parts.append(section(f"{name}, sent back", verdict(draft.verdict, draft.text)))
    return Group(*parts)


def curves(details: Details) -> RenderableType:
    """Fitness beside the human reward, and the program's own return, as training went on."""
    measured = _measured(details)
    parts: list[RenderableType] = []
    if measured or not any(details.evaluations.values()):
        parts += [Text("Ranking fitness", "bold"), _fitness(details, TALL)]
    for training in details.trainings:
        evaluations = details.evaluations[training.id]
        if not evaluations:
            continue
        own = [(e.step, e.own_return) for e in evaluations]
        columns = (">own return", ">length", ">ended early", "")
        table = plain_table(">step", *((">fitness",) if measured else ()), *columns)
        for e in evaluations:
            table.add_row(
                count(e.step),
                *((number(e.fitness),) if measured else ()),
                number(e.own_return),
                number(e.episode_length),
                percent(e.ended_early),
                Text("shipped", "green") if e.step == training.checkpoint_step else "",
            )
        chart = Chart([Curve("own return", _points(own), "yellow")], LOW)
        parts += [
            Text(),
            Text(f"{ROLES[training.role]}, seed {training.seed}: what the reward pays", "bold"),
            chart,
            Text(),
            table,
        ]
    return Group(*parts)


def components(details: Details) -> RenderableType:
    """What each component paid per step as training went on, weighted."""
    evaluations = _latest(details)
    if not any(e.components for e in evaluations):
        return Text("No evaluation has told of components yet.", "dim")
    names = dict.fromkeys(name for e in evaluations for name in e.components)
    parts: list[RenderableType] = [Text("Weighted value per step, mean of an evaluation.", "dim")]
    for name in names:
        series = [(e.step, e.components.get(name, {})) for e in evaluations]
        last = series[-1][1]
        head = Text.assemble((one_line(name), "bold"), f"  now {number(last.get('mean'))}")
        head.append(f", {number(last.get('min'))} to {number(last.get('max'))}")
        head.append(f", {percent(last.get('share'))} of the return")
        means = [(step, values.get("mean")) for step, values in series]
        chart = Chart([Curve(name, _points(means), "cyan")], LOW)
        parts += [Text(), head, chart]
    return Group(*parts)


def diagnostics(details: Details) -> RenderableType:
    """What the trainer says of itself: a line for each measure."""
    evaluations = _latest(details)
    names = dict.fromkeys(name for e in evaluations for name in e.diagnostics)
    if not names:
        return Text("The trainer has told nothing yet.", "dim")
    table = plain_table("measure", "over training", ">first", ">last", ">lowest", ">highest")
    for name in names:
        values = [e.diagnostics.get(name) for e in evaluations]
        known = [value for value in values if value is not None]
        low, high = limits([values])
        ends = (known[0], known[-1]) if known else (None, None)
        table.add_row(
            one_line(name.replace("_", " ")),
            Text(sparkline(values, low, high), "cyan"),
            *map(number, (*ends, low, high) if known else (None,) * 4),
        )
    return table


def failures(details: Details) -> RenderableType:
    """How its policy's episodes fail, what its program pays, and what a model says of both."""
    known = details.analysis
    sections = analysis_sections(known.failures, known.lens, known.opinion) if known else []
    if not sections:
        return Text("Its policy has not been looked at.", "dim")
    return Group(*sections)


def reflection(details: Details) -> RenderableType:
    """What its training taught, as the next generation was told."""
    text = details.candidate.reflection
    return Text(clean(text)) if text else Text("There is no reflection yet.", "dim")


def conversation(details: Details) -> RenderableType:
    """What the language model was asked and what it answered, first to last."""
    if not details.exchanges:
        return Text("No language model was asked for this candidate.", "dim")
    parts: list[RenderableType] = []
    seen = 0
    for exchange in details.exchanges:
        name = exchange_name(exchange.role, exchange.attempt)
        about = "about " if exchange.estimated else ""
        tokens = f"{about}{exchange.prompt_tokens:,} + {exchange.completion_tokens:,} tokens"
        cost = "" if exchange.cost is None else f", {exchange.cost:.4f} USD"
        line = f"{name} by {one_line(exchange.model)}: {tokens}, {duration(exchange.seconds)}{cost}"
        parts += [Text(line, "bold"), Text()]
        # A repair's question begins with all that was said before to the author.
        for message in exchange.messages[seen if exchange.role == "repair" else 0 :]:
            parts.append(_said(message.get("role", ""), message.get("content", "")))
        if exchange.role == "designer":
            seen = len(exchange.messages) + 1
        if exchange.reasoning:
            parts.append(_said("reasoning", exchange.reasoning))
        parts.append(_said(f"reply ({exchange.finish_reason})", exchange.reply))
    return Group(*parts)


def _said(role: str, text: str) -> RenderableType:
    return Group(Text(one_line(role), "cyan"), Padding(Text(clean(text).strip()), (0, 0, 1, 2)))


def _measured(details: Details) -> bool:
    """Whether a fitness of any of its policies is known."""
    return any(e.fitness is not None for rows in details.evaluations.values() for e in rows)


def _fitness(details: Details, height: int = 8) -> Chart:
    """The candidate's fitness by step beside the human reward's, as far as either is known."""
    own = _curve([details.evaluations[t.id] for t in details.trainings if t.role == "candidate"])
    again = _curve([details.evaluations[t.id] for t in details.trainings if t.role == "winner"])
    drawn = [
        Curve(f"#{details.candidate.id}", own, "green"),
        Curve("trained again", again, "magenta", dotted=True),
    ]
    human = _curve(details.human)
    end = max((curve.points[-1][0] for curve in drawn if curve.points), default=0.0)
    if human:
        drawn.append(Curve("human reward", human, "blue", dotted=True))
    elif details.published is not None and end:
        level = ((0.0, details.published), (end, details.published))
        drawn.append(Curve("human reward, published", level, "blue", dotted=True))
    return Chart(drawn, height)


def _curve(trainings: Iterable[list[EvaluationRow]]) -> tuple[Point, ...]:
    """Fitness by step; of several trainings the mean, as many lines would hide each other."""
    steps: dict[int, list[float]] = {}
    for evaluations in trainings:
        for e in evaluations:
            if e.fitness is not None:
                steps.setdefault(e.step, []).append(e.fitness)
    return tuple((float(step), sum(v) / len(v)) for step, v in sorted(steps.items()))


def _points(pairs: Iterable[tuple[int, float | None]]) -> tuple[Point, ...]:
    return tuple((float(step), value) for step, value in pairs if value is not None)


def _latest(details: Details) -> list[EvaluationRow]:
    """The evaluations of the candidate's own training in the search, the first seed's."""
    return next((rows for rows in details.evaluations.values() if rows), [])


def _standings(trainings: Sequence[TrainingRow]) -> Text:
    """Several trainings on a line: how many, what each reached, how far the others are."""
    parts = [str(len(trainings))]
    for word, key in (("ranking", "ranking_fitness"), ("reporting", "reporting_fitness")):
        values = [getattr(training, key) for training in trainings]
        known = [number(value) for value in values if value is not None]
        parts += [f"on the {word} episodes {', '.join(known)}"] if known else []
    for training in trainings:
        if training.state != "finished":
            parts.append(
                f"{STATES[training.state][1]}, {count(training.steps_done)} of "
                f"{count(training.steps_total)} steps"
            )
    return Text("; ".join(parts))


def _numbers(candidates: Iterable[int]) -> str:
    return " ".join(f"#{number}" for number in candidates)
