"""`runs`, `show RUN` and the end of a search, drawn for a terminal from the documents."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from eureka_agent.common.paths import command
from eureka_agent.common.text import (
    NOTHING,
    count,
    duration,
    last_line,
    money,
    number,
    number_range,
    percent,
    plural,
    terminal_line,
    terminal_text,
    thought_line,
    tokens,
)
from eureka_agent.store import RunReader
from eureka_agent.views.documents import best_first, run_document, runs_document
from eureka_agent.views.snapshot import PUBLISHED, REWARDS, Document
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
from eureka_agent.views.verdict import comparison_notes, ranking_words

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
    seeds = plural(best["trainings"], "fresh seed")
    where = "one seed" if best["expected"] is None else seeds
    unsolved = ", unsolved" if document["solved"] is False else ""
    return f"{number(best['fitness'])} on {where}{unsolved}"


def show_run(run: RunReader) -> RenderableType:
    """A run: how it stands, its best reward, how that compares, and all candidates."""
    document = run_document(run)
    head = Text.assemble(
        (terminal_line(document["run"]), "bold"),
        "  ",
        status_text(document["status"]),
        "\n",
        foreign(document["goal"]),
    )
    if document["status"] == "running" and document["phase"]:
        head.append(f"\nNow: {terminal_line(document['phase'])}")
    if document["failure"]:
        head.append(f"\n{terminal_text(document['failure'])}", "red")
    parts: list[RenderableType] = [head, Text(), verdict_view(document), Text()]
    parts += [*_winner_parts(document), *_published(document)]
    if document["generations"]:
        parts.append(section(f"Generations ({ranking_words(document)})", _generations(document)))
        parts.append(section(*_candidates(document)))
    parts += [*_insight(document), _usage(document)]
    if document["sandbox"]:
        parts.append(Text(f"Isolation: {terminal_line(document['sandbox'])}"))
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
        title.append(f"\nWhy this one: {terminal_line(best['why'])}.")
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
            number_range(entry["low"], entry["high"]),
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
    text = Text(terminal_line(" ".join(notes)), "dim")
    return [section("Published baselines", Group(*([table] if table.row_count else []), text))]


def _insight(document: Document) -> list[RenderableType]:
    """What the rewards say of each other, in a few lines."""
    said = document["said"]
    if not said:
        return []
    lines = [terminal_line(sentence) for sentence in said[:MOST_SAID]]
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
        words = last_line(failure) if failure else thought_line(thought, document["goal"])
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
    found = plural(len(candidates), "candidate")
    generations = plural(len(document["generations"]), "generation")
    lines = [
        f"{found} in {generations}" + (f": {', '.join(numbers)}" if numbers else ""),
        f"{count(document['env_steps'])} env steps, "
        f"{count(document['env_steps_per_second'])} env steps per second in training, "
        f"{duration(document['wall_seconds'])} in all",
    ]
    usage = document["usage"]
    if usage["calls"]:
        used = f"{tokens(usage['prompt_tokens'], usage['completion_tokens'])} tokens"
        answers = plural(usage["calls"], "answer")
        lines.append(f"{answers} of the language model, {used}, {money(usage['cost'])}")
    return Text("\n".join(lines))


ROOM_FOR_DOTS = 96
"""Columns from which on there is room to draw the trainings."""
STRIP = 24
MOST_NUMBERS = 6
"""Trainings whose numbers are written out; of more the lowest and the highest."""


class Results:
    """A table of rewards: what each is expected to reach, and what its trainings reached.

    Args:
        document: of a run.
        published: whether also what came with the environment.
    """

    def __init__(self, document: Document, published: bool = False) -> None:
        self._mean = mean_title(document)
        self._rows = [(name, not i, entry) for i, (name, entry) in enumerate(compared(document))]
        known = (document["published_baselines"] or {}) if published else {}
        self._rows += [
            (f"{name}, published", False, _published_entry(known[key]))
            for key, name in PUBLISHED.items()
            if known.get(key)
        ]

    def __bool__(self) -> bool:
        return bool(self._rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        values = [value for _, _, entry in self._rows for value in entry["values"]]
        low, high = min(values, default=0.0), max(values, default=0.0)
        drawn = options.max_width >= ROOM_FOR_DOTS and low < high
        headings = ["reward", f">{self._mean}", ">95 % interval", "~each training"]
        scale = f"{number(low)}{number(high):>{STRIP - len(number(low))}}"
        table = plain_table(*headings, *([scale] if drawn else []))
        for name, bold, entry in self._rows:
            table.add_row(
                Text(name, "bold" if bold else ""),
                number(entry["mean"]),
                number_range(*(entry["interval"] or (None, None))),
                trainings_text(entry),
                *([Text(dots(entry["values"], low, high), "cyan")] if drawn else []),
            )
        yield table


def verdict_view(document: Document) -> RenderableType:
    """What came of the run, and what to try next."""
    lines = [path_text(f"- {line}") for line in document["advice"]]
    return Group(Text(terminal_line(document["verdict"]), "bold"), *lines)


def compared(document: Mapping[str, Any]) -> list[tuple[str, Document]]:
    """The winner and the baselines by name, those that were tried."""
    entries, names = document["comparison"], REWARDS | {"winner": winner_name(document)}
    return [
        (name, entries[key])
        for key, name in names.items()
        if entries[key]["values"] or entries[key]["failed"]
    ]


def winner_name(document: Mapping[str, Any]) -> str:
    """What the reward that ranks first is called beside others: no winner where none solves."""
    best = document["best"]
    if not best or document["solved"] is not False:
        return REWARDS["winner"]
    return f"candidate {best['candidate']}" if len(document["candidates"]) > 1 else "the reward"


def mean_title(document: Mapping[str, Any]) -> str:
    """What the means of a comparison are."""
    best = document["best"] or {}
    return "mean" if best.get("expected") is None else "expected"


def best_title(document: Document) -> str:
    """What the reward that ranks first is called."""
    if len(document["candidates"]) == 1:
        return "The reward"
    return "First of the rewards" if document["solved"] is False else "Best reward"


def trainings_text(entry: Document) -> str:
    """What each training of a reward reached, and how many failed."""
    values: Sequence[float] = entry["values"]
    said = " ".join(map(number, values)) or NOTHING
    if len(values) > MOST_NUMBERS:
        said = f"{len(values)} from {number(min(values))} to {number(max(values))}"
    return f"{said}, {entry['failed']} failed" if entry["failed"] else said


def dots(values: Iterable[float], low: float, high: float) -> str:
    """Where values lie between two ends: a dot for each, a larger one for several."""
    places = [round((value - low) / (high - low) * (STRIP - 1)) for value in values]
    counts = [places.count(place) for place in range(STRIP)]
    return "".join("\N{MIDDLE DOT}\N{BULLET}\N{BLACK CIRCLE}"[min(count, 2)] for count in counts)


def _published_entry(entry: Document) -> Document:
    low, high = entry["low"], entry["high"]
    interval = None if low is None or high is None else (low, high)
    return {"values": entry["values"], "mean": entry["mean"], "interval": interval, "failed": 0}
