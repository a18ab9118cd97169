"""The pages about a run, a generation and a candidate: what people read beside the tree."""

from collections.abc import Iterable, Sequence
from difflib import unified_diff

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from eureka_agent.common.text import (
    count,
    duration,
    number,
    percent,
    sparkline,
    terminal_line,
    terminal_program,
    terminal_text,
    thought_line,
    value_range,
)
from eureka_agent.store import EvaluationRow, GenerationRow, TrainingRow
from eureka_agent.views.dashboard.source import Source
from eureka_agent.views.dashboard.widgets import Chart, Curve, Pages, Point
from eureka_agent.views.documents import exchange_name
from eureka_agent.views.live import event_line, generation_line
from eureka_agent.views.snapshot import PUBLISHED, CandidateSnapshot, RunSnapshot
from eureka_agent.views.terminal.candidate import analysis_sections, evaluations_table
from eureka_agent.views.terminal.parts import (
    STATES,
    code,
    foreign,
    path_text,
    plain_table,
    section,
    state_text,
    status_text,
    verdict,
)
from eureka_agent.views.terminal.run import (
    Results,
    best_title,
    candidates_table,
    usage_view,
    verdict_view,
)
from eureka_agent.views.terminal.tables import setting_text
from eureka_agent.views.verdict import comparison_notes, standing_words, why_first

EVENTS, SUMMARY_EVENTS = 200, 5
TALL, LOW = 10, 4
"""Lines of charts, where `HEIGHT` does not fit."""
HEIGHT = 8
DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}
ROLES = {"candidate": "Training", "winner": "Trained again"}


def run_pages(source: Source) -> Pages:
    """The pages on a run by title."""
    overview = source.overview
    if overview is None:
        return {"Summary": lambda: unreadable(source)}
    return {
        "Summary": lambda: run_summary(source, overview),
        "Best": lambda: best(source),
        "Generations": lambda: generations(overview),
        "Events": lambda: events(source),
        "Rewards": lambda: reward_comparison(overview),
        "Settings": lambda: settings(overview),
    }


def run_heading(source: Source) -> Text:
    """The run's name and status on one line."""
    status = status_text(source.overview.status) if source.overview else Text("unreadable", "red")
    return Text.assemble((terminal_line(source.name), "bold"), "  ", status)


def unreadable(source: Source) -> RenderableType:
    """Why a run cannot be shown."""
    return Text(terminal_text(source.failure), "red")


def run_summary(source: Source, overview: RunSnapshot) -> RenderableType:
    """The status of a run: what happens now, its results, their course and what was spent."""
    row = overview.row
    parts: list[RenderableType] = [Text(terminal_line(row.goal))]
    if source.failure:
        parts.append(Text(terminal_text(source.failure), "red"))
    if overview.status == "running" and row.phase:
        parts.append(Text.assemble(("▸ ", "cyan"), terminal_line(row.phase)))
    if row.failure:
        parts.append(Text(terminal_text(row.failure), "red"))
    run = source.results()
    if run is not None:
        parts += [Text(), verdict_view(run)]
        if reason := why_first(run, row.best_candidate):
            first = f"Candidate {row.best_candidate} stands first"
            parts.append(Text(f"{first}: {terminal_line(reason)}."))
        parts += [Text(), _results(run), Text(), usage_view(run)]
    if _has_fitness(overview):
        parts += [Text(), Text("Ranking fitness by generation", "bold"), _course(overview)]
    if last := source.events(SUMMARY_EVENTS):
        parts += [Text(), section("Last events", Group(*map(event_line, last)))]
    return Group(*parts)


def _results(run: RunSnapshot) -> RenderableType:
    """The winner beside the baselines, and how far that can be trusted."""
    results = Results(run, published=True)
    notes = " ".join(comparison_notes(run))
    if not run.measured:
        return Text(notes)
    if not results:
        return Text("Nothing has been compared yet.", "dim")
    return Group(results, Text(notes, "dim"))


def best(source: Source) -> RenderableType:
    """The program that leads, and where it and its policy are."""
    run = source.results()
    if not run or not run.best:
        return Text("No candidate has been trained to the end yet.", "dim")
    head = Text.assemble(f"{best_title(run)}: ", (f"candidate {run.best.id}", "bold"))
    if reason := why_first(run, run.best.id):
        head.append(f", {terminal_line(reason)}")
    paths = [run.path / "best" / "reward.py", *([run.policy] if run.policy else [])]
    lines = [path_text(str(path)) for path in paths]
    return Group(head, Text(), code(run.best.text, numbers=True), Text(), *lines)


def _course(overview: RunSnapshot) -> Chart:
    """The best and the mean fitness of each generation."""
    curves = []
    for name, style in (("best", "green"), ("mean", "blue")):
        values = [(row.generation, getattr(row, name)) for row in overview.generations]
        points = tuple((float(x), y) for x, y in values if y is not None)
        curves.append(Curve(name, points, style, dotted=name == "mean"))
    return Chart(curves, HEIGHT, x="generation {}")


def generations(overview: RunSnapshot) -> RenderableType:
    """All generations in numbers."""
    if not overview.generations:
        return Text("Nothing has been proposed yet.", "dim")
    course = [_course(overview), Text()] if _has_fitness(overview) else []
    return Group(*course, *map(generation_line, overview.generations))


def _has_fitness(overview: RunSnapshot) -> bool:
    """Whether a fitness of any candidate is known."""
    return any(row.best is not None for row in overview.generations)


def events(source: Source) -> RenderableType:
    """What happened, the newest first."""
    known = source.events(EVENTS)[::-1]
    return Group(*map(event_line, known)) if known else Text("Nothing has happened yet.", "dim")


def reward_comparison(overview: RunSnapshot) -> RenderableType:
    """How rewards judge each other's policies, and how far each is from the human reward."""
    known = overview.reward_comparison
    if known is None:
        return Text("Programs and policies have not been compared with each other.", "dim")
    apart = known.distances.get("human") or []
    distances = dict(zip(known.distances.get("candidates", []), apart, strict=False))
    alarmed = {alarm.get("candidate") for alarm in known.alarms}
    fitness = (">ranking fitness",) if _has_fitness(overview) else ()
    table = plain_table(">#", *fitness, ">others' comparisons won", ">from human reward", "")
    for row in overview.candidates:
        win_rate, distance = known.peers.get(str(row.id)), distances.get(row.id)
        if win_rate is not None or distance is not None:
            alarm = Text("pleases its own reward alone", "red") if row.id in alarmed else ""
            ranked = overview.ranks.get(row.id)
            values = (number(ranked.value if ranked else None),) if fitness else ()
            table.add_row(str(row.id), *values, percent(win_rate), number(distance), alarm)
    parts: list[RenderableType] = [Text(f"- {terminal_line(sentence)}") for sentence in known.said]
    note = "Distance between what programs ask for: 0 is the same, 1 the contrary."
    return Group(*parts, Text(), table, Text(note, "dim"))


def settings(overview: RunSnapshot) -> RenderableType:
    """The resolved configuration."""
    table = plain_table("setting", "~value")
    for name, value in overview.row.config.items():
        table.add_row(terminal_line(name), Text(terminal_line(setting_text(value))))
    return table


def generation(overview: RunSnapshot, row: GenerationRow) -> RenderableType:
    """A generation: its numbers, and its candidates from the best to the worst."""
    members = [each for each in overview.best_first if each.generation == row.generation]
    numbers = f"{row.finished} of {row.candidates} trained, {row.rejected} rejected, "
    numbers += f"{row.failed} failed."
    if row.best is not None:
        numbers += f" Best ranking fitness {number(row.best)}, mean {number(row.mean)}."
    return Group(Text(numbers), Text(), candidates_table(overview, members))


def candidate_heading(details: CandidateSnapshot, goal: str) -> Text:
    """The candidate's number, state and rank value on one line."""
    row = details.row
    line = Text.assemble((f"Candidate {row.id}", "bold"), "  ", state_text(row.state))
    if row.fitness is not None and details.ranked:
        line.append(f", ranking fitness {number(details.ranked.value)}")
    return line.append(f"  {thought_line(row.thought, goal)}", "dim")


def candidate_pages(details: CandidateSnapshot) -> Pages:
    """The pages on a candidate by title, in the order of the keys that open them."""
    pages = {
        "Facts": candidate_summary,
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


def candidate_summary(details: CandidateSnapshot) -> RenderableType:
    """What it is, where it comes from, how it did, and where its files are."""
    row = details.row
    parts: list[RenderableType] = []
    parts += [Text(terminal_line(text)) for text in (row.thought, row.note) if text]
    if row.lesson:
        parts.append(Text(f"Lesson: {terminal_line(row.lesson)}"))
    table = plain_table("", "~")
    table.show_header = False
    table.add_row("generation", str(row.generation))
    table.add_row("from", _numbers(row.parents) or "no other candidate")
    if details.children:
        table.add_row("led to", Text(_numbers(details.children)))
    if row.twin is not None:
        table.add_row("equivalent to", f"#{row.twin}")
    table.add_row("written by", foreign(row.designer))
    if result := standing_words(row, details.ranked):
        table.add_row("result", result)
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
        parts += [Text(), section(why, Text(terminal_text(row.failure).rstrip()))]
    if _measured(details):
        parts += [Text(), Text("Ranking fitness", "bold"), _fitness(details)]
    return Group(*parts)


def program(details: CandidateSnapshot) -> RenderableType:
    """The reward program."""
    if not details.row.text.strip():
        return Text("There is no program: the model's answer held none.", "dim")
    return code(details.row.text, numbers=True)


def differences(details: CandidateSnapshot) -> RenderableType:
    """What was changed, from each parent to this program."""
    if not details.parents:
        return Text("It has no parent to compare with.", "dim")
    parts: list[RenderableType] = []
    for parent in details.parents:
        texts = parent.text, details.row.text
        old, new = (terminal_program(text).splitlines() for text in texts)
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


def criticism(details: CandidateSnapshot) -> RenderableType:
    """What the critic found in this program and in the versions that it sent back."""
    row = details.row
    found = verdict(row.verdict, row.text) if row.verdict else Text("Nothing to fix.", "dim")
    if row.state == "proposed":
        found = Text("Not checked yet.", "dim")
    parts = [section("This program", found)]
    for draft in reversed(details.drafts):
        name = f"Repair {draft.attempt}" if draft.attempt else "First version"
        parts.append(section(f"{name}, sent back", verdict(draft.verdict, draft.text)))
    return Group(*parts)


def curves(details: CandidateSnapshot) -> RenderableType:
    """Fitness beside the human reward, and the program's own return, over training."""
    parts: list[RenderableType] = []
    if _measured(details) or not any(details.evaluations.values()):
        parts += [Text("Ranking fitness", "bold"), _fitness(details, TALL)]
    for training in details.trainings:
        evaluations = details.evaluations[training.id]
        if not evaluations:
            continue
        own = _points((e.step, e.own_return) for e in evaluations)
        title = f"{ROLES[training.role]}, seed {training.seed}: what the reward pays"
        chart = Chart([Curve("own return", own, "yellow")], LOW)
        table = evaluations_table(evaluations, training.checkpoint_step)
        parts += [Text(), Text(title, "bold"), chart, Text(), table]
    return Group(*parts)


def components(details: CandidateSnapshot) -> RenderableType:
    """What each component paid per step over training, weighted."""
    evaluations = _latest(details)
    if not any(e.components for e in evaluations):
        return Text("No evaluation has recorded components yet.", "dim")
    names = dict.fromkeys(name for e in evaluations for name in e.components)
    parts: list[RenderableType] = [Text("Weighted value per step, mean of an evaluation.", "dim")]
    for name in names:
        series = [(e.step, e.components.get(name, {})) for e in evaluations]
        last = series[-1][1]
        head = Text.assemble((terminal_line(name), "bold"), f"  now {number(last.get('mean'))}")
        head.append(f", {number(last.get('min'))} to {number(last.get('max'))}")
        head.append(f", {percent(last.get('share'))} of the return")
        means = [(step, values.get("mean")) for step, values in series]
        chart = Chart([Curve(name, _points(means), "cyan")], LOW)
        parts += [Text(), head, chart]
    return Group(*parts)


def diagnostics(details: CandidateSnapshot) -> RenderableType:
    """The trainer's diagnostics: a line for each measure."""
    evaluations = _latest(details)
    names = dict.fromkeys(name for e in evaluations for name in e.diagnostics)
    if not names:
        return Text("The trainer has recorded no diagnostics yet.", "dim")
    table = plain_table("measure", "over training", ">first", ">last", ">lowest", ">highest")
    for name in names:
        values = [e.diagnostics.get(name) for e in evaluations]
        known = [value for value in values if value is not None]
        low, high = value_range([values])
        ends = (known[0], known[-1]) if known else (None, None)
        table.add_row(
            terminal_line(name.replace("_", " ")),
            Text(sparkline(values, low, high), "cyan"),
            *map(number, (*ends, low, high) if known else (None,) * 4),
        )
    return table


def failures(details: CandidateSnapshot) -> RenderableType:
    """How its policy's episodes fail, what its program pays, and what a model says about both."""
    known = details.analysis
    sections = analysis_sections(known.failures, known.lens, known.opinion)
    return Group(*sections) if sections else Text("Its policy has not been analysed.", "dim")


def reflection(details: CandidateSnapshot) -> RenderableType:
    """The reflection on its training, as the next generation reads it."""
    text = details.row.reflection
    return Text(terminal_text(text)) if text else Text("There is no reflection yet.", "dim")


def conversation(details: CandidateSnapshot) -> RenderableType:
    """What the language model was asked and what it answered, first to last."""
    if not details.exchanges:
        return Text("No language model was asked for this candidate.", "dim")
    parts: list[RenderableType] = []
    for exchange, messages in zip(details.exchanges, details.new_messages, strict=True):
        name = exchange_name(exchange.role, exchange.attempt)
        about = "about " if exchange.estimated else ""
        tokens = f"{about}{exchange.prompt_tokens:,} + {exchange.completion_tokens:,} tokens"
        cost = "" if exchange.cost is None else f", {exchange.cost:.4f} USD"
        model, time = terminal_line(exchange.model), duration(exchange.seconds)
        line = f"{name} by {model}: {tokens}, {time}{cost}"
        parts += [Text(line, "bold"), Text()]
        texts = [(message.get("role", ""), message.get("content", "")) for message in messages]
        texts += [("reasoning", exchange.reasoning)] if exchange.reasoning else []
        for role, text in (*texts, (f"reply ({exchange.finish_reason})", exchange.reply)):
            body = Padding(Text(terminal_text(text).strip()), (0, 0, 1, 2))
            parts += [Text(terminal_line(role), "cyan"), body]
    return Group(*parts)


def _measured(details: CandidateSnapshot) -> bool:
    """Whether a fitness of any of its policies is known."""
    return any(e.fitness is not None for rows in details.evaluations.values() for e in rows)


def _fitness(details: CandidateSnapshot, height: int = 8) -> Chart:
    """The candidate's fitness by step beside the human reward's; what is not known is left out."""
    own, again = (
        _curve([details.evaluations[t.id] for t in details.trainings if t.role == role])
        for role in ROLES
    )
    drawn = [
        Curve(f"#{details.row.id}", own, "green"),
        Curve("trained again", again, "magenta", dotted=True),
    ]
    human = _curve(details.run.human_curves)
    published = dict(details.run.published_estimates).get(PUBLISHED["human"])
    end = max((curve.points[-1][0] for curve in drawn if curve.points), default=0.0)
    if human:
        drawn.append(Curve("human reward", human, "blue", dotted=True))
    elif published and published.mean is not None and end:
        level = ((0.0, published.mean), (end, published.mean))
        drawn.append(Curve("human reward, published", level, "blue", dotted=True))
    return Chart(drawn, height)


def _curve(trainings: Iterable[list[EvaluationRow]]) -> tuple[Point, ...]:
    """Fitness by step, the mean of several training runs: many lines would hide each other."""
    steps: dict[int, list[float]] = {}
    for evaluations in trainings:
        for e in evaluations:
            if e.fitness is not None:
                steps.setdefault(e.step, []).append(e.fitness)
    return tuple((float(step), sum(v) / len(v)) for step, v in sorted(steps.items()))


def _points(pairs: Iterable[tuple[int, float | None]]) -> tuple[Point, ...]:
    return tuple((float(step), value) for step, value in pairs if value is not None)


def _latest(details: CandidateSnapshot) -> list[EvaluationRow]:
    """The evaluations of the candidate's first training run in the search."""
    return next((rows for rows in details.evaluations.values() if rows), [])


def _standings(trainings: Sequence[TrainingRow]) -> Text:
    """Several training runs on a line: how many, what each reached, how far the others are."""
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
