"""`runs`, `show RUN` and the end of a search, drawn for a terminal from the documents."""

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from eureka_agent.common.paths import command
from eureka_agent.common.text import (
    NOTHING,
    clean,
    count,
    duration,
    extent,
    idea,
    last_line,
    money,
    number,
    one_line,
    percent,
    things,
    tokens,
)
from eureka_agent.store import RunReader
from eureka_agent.views.documents import (
    PUBLISHED,
    Document,
    best_first,
    run_document,
    runs_document,
)
from eureka_agent.views.notes import comparison_notes, ranking_words
from eureka_agent.views.terminal.parts import (
    STATES,
    code,
    foreign,
    origin,
    path_text,
    plain_table,
    section,
    state_text,
    status_text,
)
from eureka_agent.views.terminal.results import Results, best_title, verdict_view

MOST_CANDIDATES = 60
"""More than a person reads; the best are shown."""
MOST_SAID = 6
"""Sentences about rewards beside each other; the most important come first."""


def runs_table(directory: Path) -> RenderableType:
    """The runs in a directory, newest first."""
    documents = runs_document(directory)
    if not documents:
        return Text(f"No runs in {directory} yet. Start one with `eureka-agent search ENV`.")
    table = plain_table("~run", "status", "result", ">candidates", ">time")
    for document in documents:
        if "status" not in document:
            table.add_row(foreign(document["run"]), Text("unreadable", "red"))
            continue
        table.add_row(
            foreign(document["run"]),
            status_text(document["status"]),
            _result(document),
            f"{document['candidates']} in {document['generations']}",
            duration(document["wall_seconds"]) if document["wall_seconds"] else NOTHING,
        )
    unreadable = [
        foreign(document["failure"]) for document in documents if "status" not in document
    ]
    return Group(table, *unreadable)


def _result(document: Document) -> str:
    """What a run's winner reached, and on what; the verdict in few words."""
    best = document["best"]
    if not document["measured"]:
        return "not measured" if best["candidate"] else NOTHING
    if best["fitness"] is None:
        return NOTHING
    seeds = things(best["trainings"], "fresh seed")
    where = "one seed" if best["expected"] is None else seeds
    unsolved = ", unsolved" if document["solved"] is False else ""
    return f"{number(best['fitness'])} on {where}{unsolved}"


def show_run(run: RunReader) -> RenderableType:
    """A run: how it stands, its best reward, how that compares, and all candidates."""
    document = run_document(run)
    head = Text.assemble(
        (one_line(document["run"]), "bold"),
        "  ",
        status_text(document["status"]),
        "\n",
        foreign(document["goal"]),
    )
    if document["status"] == "running" and document["phase"]:
        head.append(f"\nNow: {one_line(document['phase'])}")
    if document["failure"]:
        head.append(f"\n{clean(document['failure'])}", "red")
    parts: list[RenderableType] = [head, Text(), verdict_view(document), Text()]
    parts += [*_winner_parts(document), *_published(document)]
    if document["generations"]:
        parts.append(section(f"Generations ({ranking_words(document)})", _generations(document)))
        parts.append(section(*_candidates(document)))
    parts += [*_insight(document), _usage(document)]
    if document["sandbox"]:
        parts.append(Text(f"Isolation: {one_line(document['sandbox'])}"))
    return Group(*parts)


def final_summary(run: RunReader) -> RenderableType:
    """The end of a search: the winner, how it compares, where everything lies, what it took."""
    document = run_document(run)
    parts: list[RenderableType] = [verdict_view(document), Text()]
    parts += [*_winner_parts(document), *_published(document), *_insight(document)]
    places = plain_table("", "~")
    places.show_header = False
    best = document["best"]
    if best:
        places.add_row("reward", path_text(best["reward_path"]))
        places.add_row("policy", path_text(best["policy_path"] or "not written yet"))
    places.add_row("run", path_text(document["path"]))
    places.add_row("more", path_text(command("show", document["path"])))
    parts += [section("Where it lies", places), _usage(document)]
    return Group(*parts)


def _winner_parts(document: Document) -> list[RenderableType]:
    best = document["best"]
    if not best:
        return []
    title = Text.assemble(f"{best_title(document)}: ", (f"candidate {best['candidate']}", "bold"))
    title.append(f", {origin(best)}")
    if best["why"] and len(document["candidates"]) > 1:
        title.append(f"\nWhy this one: {one_line(best['why'])}.")
    return [title, Text(), code(best["text"]), Text(), *_comparison(document)]


def _comparison(document: Document) -> list[RenderableType]:
    """How the winner does beside the baselines, and how far that can be trusted."""
    if not document["measured"]:
        notes = comparison_notes(document)
        return [section("How it compares", Text(" ".join(notes)))] if notes else []
    table = Results(document)
    parts: list[RenderableType] = [table] if table else []
    if not document["comparison"]["winner"]["values"]:
        ranking = number(document["best"]["ranking_mean"])
        text = f"Not compared yet; its ranking fitness is {ranking}, which being chosen flatters."
        parts = [*parts, Text(text)]
        return [section("How it compares", Group(*parts))] if table else [Text(text), Text()]
    parts.append(Text(" ".join(comparison_notes(document)), "dim"))
    return [section("How it compares", Group(*parts))]


def _published(document: Document) -> list[RenderableType]:
    """What came with the environment about rewards that were trained before."""
    published = document["published_baselines"]
    if published is None:
        return []
    table = plain_table("reward", ">mean", ">95 % interval", ">trainings")
    for key, name in PUBLISHED.items():
        entry = published[key]
        if entry is None:
            continue
        table.add_row(
            name,
            number(entry["mean"]),
            extent(entry["low"], entry["high"]),
            NOTHING if key == "random" else str(len(entry["values"])),
        )
    notes = list(published["notes"])
    if published["steps"]:
        notes.insert(0, f"After {count(published['steps'])} steps, measured {published['date']}.")
    dense = published["progress"]
    if dense:
        means = (
            f"{name} {number(dense[key]['mean'])}"
            for key, name in PUBLISHED.items()
            if key in dense
        )
        notes.append(f"{dense['meaning']} By that measure: {', '.join(means)}.")
    text = Text(one_line(" ".join(notes)), "dim")
    return [section("Published baselines", Group(*([table] if table.row_count else []), text))]


def _insight(document: Document) -> list[RenderableType]:
    """What the rewards say of each other, in a few lines."""
    said = document["said"]
    if not said:
        return []
    lines = [one_line(sentence) for sentence in said[:MOST_SAID]]
    if len(said) > MOST_SAID:
        lines.append(f"{len(said) - MOST_SAID} more with --json.")
    distances, best = document["distances"], (document["best"] or {}).get("candidate")
    if distances["human"] and best in distances["candidates"]:
        apart = number(distances["human"][distances["candidates"].index(best)])
        lines.append(
            f"The best reward is at a distance of {apart} from the human reward: "
            "0 is the same, 1 the contrary."
        )
    if not document["measured"]:
        lines.append("Candidates rank by these comparisons.")
    return [section("What the rewards say of each other", Text("\n".join(lines)))]


def _generations(document: Document) -> Table:
    measures = (">best", ">mean", "by") if document["measured"] else ()
    table = plain_table(">#", *measures, ">trained", ">rejected", ">failed")
    for row in document["generations"]:
        by = NOTHING if row["best_candidate"] is None else f"#{row['best_candidate']}"
        values = (number(row["best"]), number(row["mean"]), by)
        table.add_row(
            str(row["generation"]),
            *(values if document["measured"] else ()),
            *(str(row[key]) for key in ("finished", "rejected", "failed")),
        )
    return table


def _candidates(document: Document) -> tuple[str, Table]:
    """All candidates, or the first of many, best first, with a title that says so."""
    rows, measured = best_first(document["candidates"]), document["measured"]
    title = f"Candidates, best first ({ranking_words(document)})"
    if len(rows) > MOST_CANDIDATES:
        title += f": {MOST_CANDIDATES} of {len(rows):,}; all with --json or in watch"
        rows = rows[:MOST_CANDIDATES]
    dense = measured and any(row["ranking_progress"] is not None for row in rows)
    more = [">progress"] if dense else []
    ranked = ">fitness" if measured else ">won"
    table = plain_table(">#", ">gen", "from", "state", ranked, *more, ">seeds", "~")
    best = (document["best"] or {}).get("candidate")
    for row in rows:
        failure, thought = row["failure"], row["thought"]
        words = last_line(failure) if failure else idea(thought, document["goal"])
        value = row["fitness"] if row["ranking_value"] is None else row["ranking_value"]
        table.add_row(
            str(row["id"]),
            str(row["generation"]),
            " ".join(map(str, row["parents"])) or NOTHING,
            state_text(row["state"]),
            number(value) if measured else percent(value),
            *([number(row["ranking_progress"])] if dense else []),
            str(row["seeds"] or NOTHING),
            foreign(words),
            style="bold" if row["id"] == best else "",
        )
    return title, table


def _usage(document: Document) -> RenderableType:
    candidates = document["candidates"]
    states = [candidate["state"] for candidate in candidates]
    numbers = [
        f"{states.count(state)} {STATES[state][1]}"
        for state in ("finished", "rejected", "failed")
        if state in states
    ]
    found = things(len(candidates), "candidate")
    generations = things(len(document["generations"]), "generation")
    lines = [
        f"{found} in {generations}" + (f": {', '.join(numbers)}" if numbers else ""),
        f"{count(document['env_steps'])} env steps, "
        f"{count(document['env_steps_per_second'])} env steps per second in training, "
        f"{duration(document['wall_seconds'])} in all",
    ]
    usage = document["usage"]
    if usage["calls"]:
        used = f"{tokens(usage['prompt_tokens'], usage['completion_tokens'])} tokens"
        answers = things(usage["calls"], "answer")
        lines.append(f"{answers} of the language model, {used}, {money(usage['cost'])}")
    return Text("\n".join(lines))
