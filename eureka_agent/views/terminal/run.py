"""`runs`, `show RUN` and the end of a search, drawn for a terminal."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from eureka_agent.common.paths import command
from eureka_agent.common.statistics import Estimate
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
from eureka_agent.store import CandidateRow, RunReader
from eureka_agent.views.documents import runs_document
from eureka_agent.views.snapshot import PUBLISHED, REWARDS, Document, RunSnapshot
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
from eureka_agent.views.verdict import comparison_notes, ranking_words, verdict, why_first

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


def show_run(reader: RunReader) -> RenderableType:
    """A run: how it stands, its best reward, how that compares, and all candidates."""
    with reader.transaction():
        run = RunSnapshot(reader)
        row = run.row
        head = Text.assemble(
            (terminal_line(run.name), "bold"),
            "  ",
            status_text(run.status),
            "\n",
            foreign(row.goal),
        )
        if run.status == "running" and row.phase:
            head.append(f"\nNow: {terminal_line(row.phase)}")
        if row.failure:
            head.append(f"\n{terminal_text(row.failure)}", "red")
        parts: list[RenderableType] = [head, Text(), verdict_view(run), Text()]
        parts += [*_winner_parts(run), *_published(run)]
        if run.generations:
            parts.append(section(f"Generations ({ranking_words(run)})", _generations(run)))
            parts.append(section(*_candidates(run)))
        parts += [*_reward_comparison(run), usage_view(run)]
        if row.sandbox:
            parts.append(Text(f"Isolation: {terminal_line(row.sandbox)}"))
        return Group(*parts)


def final_summary(reader: RunReader) -> RenderableType:
    """The end of a search: the winner, how it compares, where its files are, what it took."""
    with reader.transaction():
        run = RunSnapshot(reader)
        parts: list[RenderableType] = [verdict_view(run), Text()]
        parts += [*_winner_parts(run), *_published(run), *_reward_comparison(run)]
        places = plain_table("", "~")
        places.show_header = False
        if run.best:
            places.add_row("reward", path_text(str(run.path / "best" / "reward.py")))
            places.add_row("policy", path_text(str(run.policy or "not written yet")))
        places.add_row("run", path_text(str(run.path)))
        places.add_row("more", path_text(command("show", run.path)))
        parts += [section("Files", places), usage_view(run)]
        return Group(*parts)


def _winner_parts(run: RunSnapshot) -> list[RenderableType]:
    if not run.best:
        return []
    title = Text.assemble(f"{best_title(run)}: ", (f"candidate {run.best.id}", "bold"))
    title.append(f", {origin(run.best)}")
    reason = why_first(run, run.best.id)
    if reason and len(run.candidates) > 1:
        title.append(f"\nWhy this one: {terminal_line(reason)}.")
    return [title, Text(), code(run.best.text), Text(), *_comparison(run)]


def _comparison(run: RunSnapshot) -> list[RenderableType]:
    """How the winner does beside the baselines, and how far that can be trusted."""
    notes = Text(" ".join(comparison_notes(run)))
    if not run.measured:
        return [section("How it compares", notes)]
    table = Results(run)
    parts: list[RenderableType] = [table] if table else []
    if run.winner.values:
        notes.style = "dim"
        return [section("How it compares", Group(*parts, notes))]
    ranking = number(run.ranking_mean)
    text = f"Not compared yet; its ranking fitness is {ranking}, which being chosen flatters."
    return (
        [section("How it compares", Group(*parts, Text(text)))] if table else [Text(text), Text()]
    )


def _published(run: RunSnapshot) -> list[RenderableType]:
    """What rewards reached that were trained before in this environment."""
    published = run.published
    if published is None:
        return []
    table = plain_table("reward", ">mean", ">95 % interval", ">training runs")
    for key, name in PUBLISHED.items():
        entry = published[key]
        if entry is not None:
            table.add_row(
                name,
                number(entry["mean"]),
                number_range(entry["low"], entry["high"]),
                NOTHING if key == "random" else str(len(entry["values"])),
            )
    notes = list(published["notes"])
    if published["steps"]:
        measured = f", measured {published['date']}" if published["date"] else ""
        notes.insert(0, f"After {count(published['steps'])} steps{measured}.")
    dense = published["progress"]
    if dense:
        known = [(name, dense[key]) for key, name in PUBLISHED.items() if key in dense]
        means = ", ".join(f"{name} {number(entry['mean'])}" for name, entry in known)
        notes.append(f"{dense['meaning']} By that measure: {means}.")
    text = Text(terminal_line(" ".join(notes)), "dim")
    return [section("Published baselines", Group(*([table] if table.row_count else []), text))]


def _reward_comparison(run: RunSnapshot) -> list[RenderableType]:
    """What the rewards say about each other, in a few lines."""
    known = run.reward_comparison
    if not known or not known.said:
        return []
    lines = [terminal_line(sentence) for sentence in known.said[:MOST_SAID]]
    if len(known.said) > MOST_SAID:
        lines.append(f"{len(known.said) - MOST_SAID} more with --json.")
    distances, best = known.distances, run.row.best_candidate
    if distances["human"] and best in distances["candidates"]:
        apart = number(distances["human"][distances["candidates"].index(best)])
        lines.append(
            f"The best reward is at a distance of {apart} from the human reward: "
            "0 is the same, 1 the contrary."
        )
    if not run.measured:
        lines.append("Candidates rank by these comparisons.")
    return [section("What the rewards say about each other", Text("\n".join(lines)))]


def _generations(run: RunSnapshot) -> Table:
    measures = (">best", ">mean", "by") if run.measured else ()
    table = plain_table(">#", *measures, ">trained", ">rejected", ">failed")
    for row in run.generations:
        by = NOTHING if row.best_candidate is None else f"#{row.best_candidate}"
        values = (number(row.best), number(row.mean), by) if run.measured else ()
        counts = map(str, (row.finished, row.rejected, row.failed))
        table.add_row(str(row.generation), *values, *counts)
    return table


def _candidates(run: RunSnapshot) -> tuple[str, Table]:
    """All candidates, or the first of many, best first, with a title that says so."""
    rows = run.best_first
    title = f"Candidates, best first ({ranking_words(run)})"
    if len(rows) > MOST_CANDIDATES:
        title += f": {MOST_CANDIDATES} of {len(rows):,}; all with --json or in watch"
    return title, candidates_table(run, rows[:MOST_CANDIDATES])


def candidates_table(run: RunSnapshot, rows: Sequence[CandidateRow]) -> Table:
    """Candidates of a run in numbers and words, a line each."""
    shown = [(row, run.ranks.get(row.id)) for row in rows]
    dense = run.measured and any(rank and rank.progress is not None for _, rank in shown)
    more = [">progress"] if dense else []
    value_title = ">fitness" if run.measured else ">won"
    table = plain_table(">#", ">gen", "from", "state", value_title, *more, ">seeds", "~")
    for row, ranked in shown:
        words = last_line(row.failure) if row.failure else thought_line(row.thought, run.row.goal)
        value = ranked.value if ranked else row.fitness
        table.add_row(
            str(row.id),
            str(row.generation),
            " ".join(map(str, row.parents)) or NOTHING,
            state_text(row.state),
            number(value) if run.measured else percent(value),
            *([number(ranked and ranked.progress)] if dense else []),
            str(ranked.trainings if ranked else NOTHING),
            foreign(words),
            style="bold" if row.id == run.row.best_candidate else "",
        )
    return table


def usage_view(run: RunSnapshot) -> RenderableType:
    """How many candidates there are, and the steps, time and tokens that they took."""
    states = [candidate.state for candidate in run.candidates]
    numbers = ", ".join(
        f"{states.count(state)} {STATES[state][1]}"
        for state in ("finished", "rejected", "failed")
        if state in states
    )
    found = plural(len(states), "candidate")
    generations = plural(len(run.generations), "generation")
    lines = [
        f"{found} in {generations}" + (f": {numbers}" if numbers else ""),
        f"{count(run.row.env_steps)} env steps, "
        f"{count(run.steps_per_second)} env steps per second in training, "
        f"{duration(run.row.wall_seconds)} in all",
        *model_usage(run),
    ]
    return Text("\n".join(lines))


def model_usage(run: RunSnapshot) -> list[str]:
    """A sentence about what the language model was used for; none if it was not."""
    if not run.usage:
        return []
    answers = plural(sum(role.calls for role in run.usage), "answer")
    used = tokens(run.prompt_tokens, run.completion_tokens)
    return [f"{answers} of the language model, {used} tokens, {money(run.cost)}"]


ROOM_FOR_DOTS = 96
"""Columns from which on there is room to draw the training runs."""
STRIP = 24
MOST_NUMBERS = 6
"""Training runs whose numbers are written out; of more the lowest and the highest."""


class Results:
    """A table of rewards: what each is expected to reach, and what its training runs reached.

    Args:
        run: the run.
        published: whether to add the baselines that were published with the environment.
    """

    def __init__(self, run: RunSnapshot, published: bool = False) -> None:
        self._mean = mean_title(run)
        self._rows = compared(run)
        self._first = len(self._rows) and self._rows[0][0]
        if published:
            self._rows += [(f"{name}, published", found) for name, found in run.published_estimates]

    def __bool__(self) -> bool:
        return bool(self._rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        values = [value for _, entry in self._rows for value in entry.values]
        low, high = min(values, default=0.0), max(values, default=0.0)
        drawn = options.max_width >= ROOM_FOR_DOTS and low < high
        headings = ["reward", f">{self._mean}", ">95 % interval", "~each training"]
        scale = f"{number(low)}{number(high):>{STRIP - len(number(low))}}"
        table = plain_table(*headings, *([scale] if drawn else []))
        for name, entry in self._rows:
            table.add_row(
                Text(name, "bold" if name == self._first else ""),
                number(entry.mean),
                number_range(*(entry.interval or (None, None))),
                trainings_text(entry),
                *([Text(dots(entry.values, low, high), "cyan")] if drawn else []),
            )
        yield table


def verdict_view(run: RunSnapshot) -> RenderableType:
    """The result of the run, and what to try next."""
    found = verdict(run)
    lines = [path_text(f"- {line}") for line in found.advice]
    return Group(Text(terminal_line(found.sentence), "bold"), *lines)


def compared(run: RunSnapshot) -> list[tuple[str, Estimate]]:
    """The winner and the baselines that were tried, by name."""
    names = REWARDS | {"winner": winner_name(run)}
    tried = [(names[role], entry) for role, entry in run.estimates.items()]
    return [(name, entry) for name, entry in tried if entry.values or entry.failed]


def winner_name(run: RunSnapshot) -> str:
    """What the reward that ranks first is called beside others: no winner if none solves."""
    if not run.row.best_candidate or verdict(run).solved is not False:
        return REWARDS["winner"]
    return f"candidate {run.row.best_candidate}" if len(run.candidates) > 1 else "the reward"


def mean_title(run: RunSnapshot) -> str:
    """What the means of a comparison are."""
    return "mean" if run.expected is None else "expected"


def best_title(run: RunSnapshot) -> str:
    """What the reward that ranks first is called."""
    if len(run.candidates) == 1:
        return "The reward"
    return "First of the rewards" if verdict(run).solved is False else "Best reward"


def trainings_text(entry: Estimate) -> str:
    """What each training run of a reward reached, and how many failed."""
    values = entry.values
    said = " ".join(map(number, values)) or NOTHING
    if len(values) > MOST_NUMBERS:
        said = f"{len(values)} from {number(min(values))} to {number(max(values))}"
    return f"{said}, {entry.failed} failed" if entry.failed else said


def dots(values: Iterable[float], low: float, high: float) -> str:
    """Where values lie between two ends: a dot for each, a larger one for several."""
    places = [round((value - low) / (high - low) * (STRIP - 1)) for value in values]
    counts = [places.count(place) for place in range(STRIP)]
    return "".join("\N{MIDDLE DOT}\N{BULLET}\N{BLACK CIRCLE}"[min(count, 2)] for count in counts)
