"""The pages on a run and on one of its generations."""

from rich.console import Group, RenderableType
from rich.text import Text

from eureka_agent.common.text import (
    clean,
    count,
    duration,
    idea,
    money,
    number,
    one_line,
    percent,
    things,
    tokens,
)
from eureka_agent.store import GenerationRow
from eureka_agent.views.dashboard.chart import Chart, Curve
from eureka_agent.views.dashboard.page import Pages
from eureka_agent.views.dashboard.source import Overview, Source
from eureka_agent.views.documents import Document
from eureka_agent.views.live.frame import event_line, generation_line
from eureka_agent.views.notes import comparison_notes
from eureka_agent.views.terminal.parts import (
    code,
    foreign,
    path_text,
    plain_table,
    section,
    state_text,
    status_text,
)
from eureka_agent.views.terminal.results import Results, best_title, verdict_view
from eureka_agent.views.terminal.settings import shown

EVENTS = 200
SUMMARY_EVENTS = 5
HEIGHT = 8


def run_pages(source: Source) -> Pages:
    """The pages on a run by title."""
    overview = source.overview
    if overview is None:
        return {"Summary": lambda: unreadable(source)}
    return {
        "Summary": lambda: summary(source, overview),
        "Best": lambda: best(source),
        "Generations": lambda: generations(overview),
        "Events": lambda: events(source),
        "Insight": lambda: insight(overview),
        "Settings": lambda: settings(overview),
    }


def run_heading(source: Source) -> Text:
    """Which run it is and how it stands, on one line."""
    status = status_text(source.overview.status) if source.overview else Text("unreadable", "red")
    return Text.assemble((one_line(source.name), "bold"), "  ", status)


def unreadable(source: Source) -> RenderableType:
    """Why a run cannot be shown."""
    return Text(clean(source.failure), "red")


def summary(source: Source, overview: Overview) -> RenderableType:
    """How a run stands: what happens now, its results, its course and what it took."""
    row = overview.row
    parts: list[RenderableType] = [Text(one_line(row.goal))]
    if source.failure:
        parts.append(Text(clean(source.failure), "red"))
    if overview.status == "running" and row.phase:
        parts.append(Text.assemble(("▸ ", "cyan"), one_line(row.phase)))
    if row.failure:
        parts.append(Text(clean(row.failure), "red"))
    document = source.document()
    if document is not None:
        parts += [Text(), verdict_view(document)]
        if document["best"] and document["best"]["why"]:
            first = f"Candidate {document['best']['candidate']} stands first"
            parts.append(Text(f"{first}: {one_line(document['best']['why'])}."))
        parts += [Text(), _results(document), Text(), _spent(document, overview)]
    if _measured(overview):
        parts += [Text(), Text("Ranking fitness by generation", "bold"), _course(overview)]
    lines: list[RenderableType] = [event_line(event) for event in source.events(SUMMARY_EVENTS)]
    if lines:
        parts += [Text(), section("Last events", Group(*lines))]
    return Group(*parts)


def _results(document: Document) -> RenderableType:
    """The winner beside the baselines, and how far that can be trusted."""
    results = Results(document, published=True)
    if not document["measured"]:
        return Text(" ".join(comparison_notes(document)))
    if not results:
        return Text("Nothing has been compared yet.", "dim")
    return Group(results, Text(" ".join(comparison_notes(document)), "dim"))


def _spent(document: Document, overview: Overview) -> RenderableType:
    usage = document["usage"]
    lines = [
        f"{things(len(overview.candidates), 'candidate')} in "
        f"{things(len(overview.generations), 'generation')}",
        f"{count(document['env_steps'])} steps, {duration(document['wall_seconds'])}, "
        f"{count(document['env_steps_per_second'])} steps per second in training",
    ]
    if usage["calls"]:
        used = tokens(usage["prompt_tokens"], usage["completion_tokens"])
        lines.append(
            f"{things(usage['calls'], 'answer')} of the language model, {used} tokens, "
            f"{money(usage['cost'])}"
        )
    return Text("\n".join(lines))


def best(source: Source) -> RenderableType:
    """The program that leads, and where it and its policy are."""
    document = source.document()
    found = document and document["best"]
    if not document or not found:
        return Text("No candidate has been trained to the end yet.", "dim")
    title = best_title(document)
    head = Text.assemble(f"{title}: ", (f"candidate {found['candidate']}", "bold"))
    if found["why"]:
        head.append(f", {one_line(found['why'])}")
    paths = [path_text(path) for key in ("reward_path", "policy_path") if (path := found[key])]
    return Group(head, Text(), code(found["text"], numbers=True), Text(), *paths)


def _course(overview: Overview) -> Chart:
    """The best and the mean fitness of each generation."""
    curves = []
    for name, style in (("best", "green"), ("mean", "blue")):
        values = [(row.generation, getattr(row, name)) for row in overview.generations]
        points = tuple((float(x), y) for x, y in values if y is not None)
        curves.append(Curve(name, points, style, dotted=name == "mean"))
    return Chart(curves, HEIGHT, x="generation {}")


def generations(overview: Overview) -> RenderableType:
    """All generations in numbers."""
    if not overview.generations:
        return Text("Nothing has been proposed yet.", "dim")
    lines: list[RenderableType] = [generation_line(row) for row in overview.generations]
    if not _measured(overview):
        return Group(*lines)
    return Group(_course(overview), Text(), *lines)


def _measured(overview: Overview) -> bool:
    """Whether a fitness of any candidate is known."""
    return any(row.best is not None for row in overview.generations)


def events(source: Source) -> RenderableType:
    """What happened, the newest first."""
    lines: list[RenderableType] = [event_line(event) for event in source.events(EVENTS)[::-1]]
    return Group(*lines) if lines else Text("Nothing has happened yet.", "dim")


def insight(overview: Overview) -> RenderableType:
    """What the rewards say of each other, and how far each is from the human reward."""
    known = overview.insight
    if known is None:
        return Text("Programs and policies have not been compared with each other.", "dim")
    apart = known.distances.get("human") or []
    distances = dict(zip(known.distances.get("candidates", []), apart, strict=False))
    alarmed = {alarm.get("candidate") for alarm in known.alarms}
    fitness = (">ranking fitness",) if _measured(overview) else ()
    table = plain_table(">#", *fitness, ">others' comparisons won", ">from human reward", "")
    for row in overview.candidates:
        share, distance = known.peers.get(str(row.id)), distances.get(row.id)
        if share is not None or distance is not None:
            alarm = Text("pleases its own reward alone", "red") if row.id in alarmed else ""
            _, standing = overview.ranks.get(row.id, (0, None))
            values = (number(standing.value if standing else None),) if fitness else ()
            table.add_row(str(row.id), *values, percent(share), number(distance), alarm)
    parts: list[RenderableType] = [Text(f"- {one_line(sentence)}") for sentence in known.said]
    note = "Distance between what programs ask for: 0 is the same, 1 the contrary."
    return Group(*parts, Text(), table, Text(note, "dim"))


def settings(overview: Overview) -> RenderableType:
    """The resolved configuration."""
    table = plain_table("setting", "~value")
    for name, value in overview.row.config.items():
        table.add_row(one_line(name), Text(one_line(shown(value))))
    return table


def generation_pages(overview: Overview, row: GenerationRow) -> Pages:
    """The page on one generation."""
    return {"Summary": lambda: generation(overview, row)}


def generation(overview: Overview, row: GenerationRow) -> RenderableType:
    """A generation: its numbers, and its candidates from the best to the worst."""
    members = [each for each in overview.candidates if each.generation == row.generation]
    last = len(overview.ranks) + 1
    members.sort(key=lambda each: (overview.ranks.get(each.id, (last, None))[0], each.id))
    measured = _measured(overview)
    standings = {number: standing for number, (_, standing) in overview.ranks.items()}
    known = [standings[each.id] for each in members if each.id in standings]
    dense = measured and any(standing.progress is not None for standing in known)
    heading = ">ranking fitness" if measured else ">done"
    table = plain_table(">#", "from", "state", heading, *([">progress"] if dense else []), "~")
    for each in members:
        parents = " ".join(f"#{parent}" for parent in each.parents)
        done = overview.progress.get(each.id)
        standing = standings.get(each.id)
        value = standing.value if standing and measured else None
        fitness = number(value) if done is None else percent(done)
        words = foreign(idea(each.thought, overview.row.goal))
        nearer = [number(standing.progress if standing else None)] if dense else []
        table.add_row(str(each.id), parents, state_text(each.state), fitness, *nearer, words)
    numbers = f"{row.finished} of {row.candidates} trained, {row.rejected} rejected, "
    numbers += f"{row.failed} failed."
    if row.best is not None:
        numbers += f" Best ranking fitness {number(row.best)}, mean {number(row.mean)}."
    return Group(Text(numbers), Text(), table)
